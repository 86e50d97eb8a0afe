"""What the resolution of one ScaledObject depends on, and when it is looked at again."""

import asyncio
import base64

import pytest
from fake_clock import FakeClock
from scripted_api import ScriptedApi, answers, until

from scaler.control.credentials import Credentials
from scaler.control.environment import containers_of
from scaler.control.targets import Target
from scaler.core import manifest
from scaler.kube.client import Kube
from scaler.kube.errors import Unreachable
from scaler.settings import ControllerSettings

KEY = ("shop", "worker")


def scaled_object(**metadata):
    obj = {
        "metadata": {"name": "worker", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [{"type": "redis", "metadata": metadata}]},
    }
    return manifest.parse(obj).scaled_object


def target(*names):
    """A Deployment whose variables A, B... come from the Secrets of these names."""
    env = [
        {"name": name.upper(), "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}} for name in names
    ]
    pods = {"spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}}
    return Target("shop", "web", "u", "1", 0, None, containers_of(pods))


class Scene:
    def __init__(self, api):
        self.api = api
        self.again = []
        self.clock = FakeClock()
        self.kube = Kube(api.access, self.clock)
        self.credentials = Credentials(
            self.kube,
            self.clock,
            settings=ControllerSettings(),
            events=None,
            again=lambda *asked: self.again.append(asked),
        )

    @property
    def names(self):
        return {name for each in self.credentials._contents._collections.values() for name in each._names}


@pytest.fixture
async def scene():
    api = await ScriptedApi().start()
    for name in ("a", "b"):
        data = {"k": base64.b64encode(name.encode()).decode()}
        metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}
        api.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
        path = f"/api/v1/namespaces/shop/secrets/{name}"
        api.paths[path] = answers(200, {"metadata": metadata, "data": data})
    scene = Scene(api)
    yield scene
    await scene.credentials.close()
    await scene.kube.close()
    await api.stop()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_it_depends_on_what_it_needs_now(scene):
    (resolved,) = await scene.credentials.resolve(scaled_object(addressFromEnv="A"), target("a", "b"))
    assert (dict(resolved.env), scene.names) == ({"A": "a"}, {"a"})
    (resolved,) = await scene.credentials.resolve(scaled_object(addressFromEnv="B"), target("a", "b"))
    assert (dict(resolved.env), scene.names) == ({"B": "b"}, {"b"})
    await scene.credentials.resolve(scaled_object(address="here"), target("a", "b"))
    assert scene.credentials._contents.watched == ()
    assert scene.again == []


async def test_one_that_is_gone_depends_on_nothing(scene):
    await scene.credentials.resolve(scaled_object(addressFromEnv="A"), target("a"))
    scene.credentials.forget(KEY)
    assert scene.credentials._contents.watched == ()


async def test_what_could_not_be_read_is_asked_for_again(scene, monkeypatch):
    async def away(_ref):
        raise Unreachable("get secrets shop/a: no answer")

    monkeypatch.setattr(scene.credentials._contents, "get", away)
    (resolved,) = await scene.credentials.resolve(scaled_object(addressFromEnv="A"), target("a"))
    assert "could not be read yet" in resolved.problems[0].problem
    assert scene.again == [(KEY, 5.0)]


async def test_a_missing_container_is_the_object_s_fault(scene):
    so = scaled_object(addressFromEnv="A")
    ref = so.spec.scale_target_ref.model_copy(update={"env_source_container_name": "ghost"})
    spec = so.spec.model_copy(update={"scale_target_ref": ref})
    object.__setattr__(so, "spec", spec)
    with pytest.raises(ValueError, match="ghost"):
        await scene.credentials.resolve(so, target("a"))
