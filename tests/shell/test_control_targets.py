"""Scale targets: found, watched, and never waited for in vain."""

import asyncio
import json
import re

import pytest
from scripted_api import ScriptedApi, answers, event, fails, hangs, lists, stream, until

from scaler.clock import SystemClock
from scaler.control import targets as module
from scaler.control.targets import TargetError, TargetForbidden, Targets
from scaler.core.model import ScaleTargetRef
from scaler.kube.client import Kube
from scaler.kube.errors import Conflict, Forbidden, UnknownKind, Unreachable
from scaler.kube.mapper import Mapper

WEB = ScaleTargetRef(apiVersion="apps/v1", kind="Deployment", name="web")
WIDGET = ScaleTargetRef(apiVersion="lab.test/v1", kind="Widget", name="w")
SCALE = "/apis/apps/v1/namespaces/shop/deployments/web/scale"


def deployment(version, replicas=1, name="web", uid="u", **env):
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    container = {"name": "app", "env": [{"name": key, "value": value} for key, value in env.items()]}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def scale(version, replicas, uid="u"):
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": replicas},
    }


class Scene:
    def __init__(self, api):
        self.api, self.seen = api, []
        clock = SystemClock(20)
        self.kube = Kube(api.access, clock)
        self.targets = Targets(
            self.kube,
            Mapper(self.kube, clock),
            clock,
            namespaces=(),
            on_change=lambda key, old, new: self.seen.append((key.name, old, new)),
        )

    def answer(self, path, obj):
        self.api.paths[path] = answers(200, obj)


@pytest.fixture
async def scene():
    api = await ScriptedApi().start()
    scene = Scene(api)
    yield scene
    await scene.targets.close()
    await scene.kube.close()
    await api.stop()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_a_target_is_found_by_the_watch_alone(scene):
    scene.api.put(deployment(7, 3, A="b"))
    key = await scene.targets.find(WEB, "shop")
    target = await scene.targets.check(key)
    assert (target.replicas, target.resource_version) == (3, "7")
    assert [(v.name, v.literal) for v in target.containers[0].env] == [("A", "b")]
    assert scene.api.asked("GET") == []
    assert len(scene.api.asked("list")) == 1


async def test_a_missing_target_is_told_and_heard_of_when_it_comes(scene):
    come = asyncio.Event()
    scene.api.watches.append(stream(come.wait, event("ADDED", deployment(9)), "HANG"))
    key = await scene.targets.find(WEB, "shop")
    with pytest.raises(TargetError, match=r"spec.scaleTargetRef: apps/v1 Deployment shop/web: ") as caught:
        await scene.targets.check(key)
    assert caught.value.event == "Target resource doesn't exist"
    come.set()
    await until(lambda: scene.seen)
    assert scene.seen[0][0] == "web"
    assert (await scene.targets.check(key)).replicas == 1


async def test_a_target_that_the_watch_does_not_show_yet_is_asked_for(scene):
    scene.answer("/apis/apps/v1/namespaces/shop/deployments/web", deployment(9, 2, A="b"))
    key = await scene.targets.find(WEB, "shop")
    assert (await scene.targets.check(key)).replicas == 2
    assert [(v.name, v.literal) for v in scene.targets.get(key).containers[0].env] == [("A", "b")]


async def test_a_list_that_is_forbidden_is_told_at_once_and_heals(scene):
    for _ in range(3):
        scene.api.lists.append(fails(403, "Forbidden", "may not list deployments"))
    scene.api.put(deployment(7))
    key = await scene.targets.find(WEB, "shop")
    with pytest.raises(TargetError, match=r"TargetForbidden: the right to list and watch apps/deployments"):
        await scene.targets.check(key)
    await until(lambda: scene.seen)
    assert (await scene.targets.check(key)).replicas == 1


async def test_a_list_that_does_not_come_is_not_waited_for_for_ever(scene, monkeypatch):
    monkeypatch.setattr(module, "_LISTED_WITHIN", 0.2)
    scene.api.lists.append(hangs)
    key = await scene.targets.find(WEB, "shop")
    with pytest.raises(Unreachable, match=r"deployments.apps could not be listed yet"):
        await scene.targets.check(key)


async def test_our_own_write_counts_until_the_watch_has_caught_up(scene):
    scene.api.put(deployment(7, 0))
    now = asyncio.Event()
    scene.api.watches.append(stream(now.wait, event("MODIFIED", deployment(8, 4)), "HANG"))
    key = await scene.targets.find(WEB, "shop")
    await scene.targets.check(key)
    scene.answer(SCALE, scale(8, 4))
    await scene.targets.scale(key, 4, "7")
    body = json.loads(scene.api.requests[-1].body)
    assert body == {"spec": {"replicas": 4}, "metadata": {"resourceVersion": "7"}}
    assert (scene.targets.get(key).replicas, scene.targets.get(key).resource_version) == (4, "8")
    assert len(scene.targets._answers) == 1
    now.set()
    await until(lambda: any(old and new and new.replicas == 4 for _, old, new in scene.seen))
    assert scene.targets._answers == {}
    assert scene.targets.get(key).replicas == 4


async def test_an_answer_older_than_what_is_seen_is_not_kept(scene):
    scene.api.put(deployment(9, 5))
    key = await scene.targets.find(WEB, "shop")
    await scene.targets.check(key)
    scene.answer(SCALE, scale(8, 4))
    await scene.targets.read(key)
    assert scene.targets.get(key).replicas == 5
    assert scene.targets._answers == {}


async def test_a_target_that_is_gone_is_no_longer_remembered(scene):
    scene.answer("/apis/apps/v1/namespaces/shop/deployments/web", deployment(9))
    key = await scene.targets.find(WEB, "shop")
    await scene.targets.check(key)
    for ask in (scene.targets.read(key), scene.targets.scale(key, 1, "9")):
        with pytest.raises(TargetError):
            await ask
    assert scene.targets.get(key) is None
    scene.api.paths[SCALE] = fails(409, "Conflict")
    with pytest.raises(Conflict):
        await scene.targets.scale(key, 1, "9")


async def test_replicas_that_stand_elsewhere_are_read_once_per_change(scene):
    resources = [
        {"name": "widgets", "kind": "Widget", "namespaced": True},
        {"name": "widgets/scale", "kind": "Scale", "namespaced": True},
    ]
    scene.answer("/apis/lab.test/v1", {"kind": "APIResourceList", "resources": resources})
    widget = deployment(7, name="w")
    del widget["spec"]["replicas"]
    changed = {**widget, "metadata": {**widget["metadata"], "resourceVersion": "9"}}
    same = {**widget, "metadata": {**widget["metadata"], "resourceVersion": "8"}}
    first, second = asyncio.Event(), asyncio.Event()
    scene.api.lists.append(lists(widget, version=7))
    scene.api.watches.append(
        stream(first.wait, event("MODIFIED", same), second.wait, event("MODIFIED", changed), "HANG")
    )
    path = "/apis/lab.test/v1/namespaces/shop/widgets/w/scale"
    scene.answer(path, scale(8, 3))
    key = await scene.targets.find(WIDGET, "shop")
    assert (await scene.targets.check(key)).replicas == 3
    assert scene.targets.get(key).replicas == 3
    first.set()
    await until(lambda: len(scene.seen) == 2)
    assert scene.targets.get(key).replicas == 3  # It is what was read.
    second.set()
    await until(lambda: len(scene.seen) == 3)
    assert scene.targets.get(key).replicas is None
    scene.answer(path, scale(9, 5))
    assert (await scene.targets.read(key)).replicas == 5
    assert scene.targets.get(key).replicas == 5


@pytest.mark.parametrize(
    ("resources", "error", "text"),
    [
        ([], UnknownKind, "is its CRD installed"),
        (
            [{"name": "widgets", "kind": "Widget", "namespaced": False}],
            TargetError,
            "belongs to no namespace",
        ),
        ([{"name": "widgets", "kind": "Widget", "namespaced": True}], TargetError, "shop/w: "),
    ],
)
async def test_kinds_that_cannot_be_targets(scene, resources, error, text):
    scene.answer("/apis/lab.test/v1", {"kind": "APIResourceList", "resources": resources})
    with pytest.raises(error, match=text):
        await scene.targets.find(WIDGET, "shop")


async def test_a_deployment_of_a_group_that_is_not_served_is_no_unknown_kind(scene):
    scene.answer("/apis/extensions/v1beta1", {"kind": "APIResourceList", "resources": []})
    old = ScaleTargetRef(apiVersion="extensions/v1beta1", kind="Deployment", name="web")
    with pytest.raises(TargetError, match=r"spec.scaleTargetRef: extensions/v1beta1 Deployment") as caught:
        await scene.targets.find(old, "shop")
    assert caught.value.event == module.MISSING
    with pytest.raises(UnknownKind):
        await scene.targets.find(ScaleTargetRef(apiVersion="a/b/c", kind="Deployment", name="web"), "shop")


async def test_a_kind_without_scale_that_exists_is_named_so(scene):
    resources = [{"name": "widgets", "kind": "Widget", "namespaced": True}]
    scene.answer("/apis/lab.test/v1", {"kind": "APIResourceList", "resources": resources})
    scene.answer("/apis/lab.test/v1/namespaces/shop/widgets/w", deployment(7, name="w"))
    with pytest.raises(TargetError, match="has no scale subresource") as caught:
        await scene.targets.find(WIDGET, "shop")
    assert caught.value.event == "Target resource doesn't expose /scale subresource"


@pytest.mark.parametrize("version", ["apps/v1", "apps/v1beta1"])
async def test_deployments_of_every_version_are_those_that_are_served(scene, version):
    scene.api.put(deployment(7))
    key = await scene.targets.find(ScaleTargetRef(apiVersion=version, kind="Deployment", name="web"), "shop")
    assert (await scene.targets.check(key)).replicas == 1


REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WEAK = 'deployments.apps "web" is forbidden: User "me" cannot {} resource "deployments/scale" in API group "apps"'


async def test_replicas_that_may_not_be_written_are_tried_again_when_the_right_is_there(scene):
    scene.api.put(deployment(7))
    key = await scene.targets.find(WEB, "shop")
    target = await scene.targets.check(key)
    scene.seen.clear()
    scene.api.paths[SCALE] = fails(403, "Forbidden", WEAK.format("patch"))
    with pytest.raises(TargetForbidden) as caught:
        await scene.targets.scale(key, 0, target.resource_version)
    words = "the right to patch apps/deployments/scale (name web) in namespace shop is missing"
    assert str(caught.value).startswith(f"TargetForbidden: {words}; ")
    assert caught.value.event == str(caught.value)
    assert scene.seen == [("web", None, target)], "whoever scales it is to be checked again"
    for allowed in (False, True):
        scene.answer(REVIEW, {"status": {"allowed": allowed}})
        if allowed:
            assert await scene.targets.check(key) == target
        else:
            with pytest.raises(TargetForbidden, match=re.escape(words)):
                await scene.targets.check(key)
    scene.api.paths[REVIEW] = fails(500, "InternalError")
    assert await scene.targets.check(key) == target, "it is not asked again"


async def test_a_scale_that_may_not_be_read(scene):
    scene.api.put(deployment(7))
    key = await scene.targets.find(WEB, "shop")
    scene.api.paths[SCALE] = fails(403, "Forbidden", WEAK.format("get"))
    with pytest.raises(TargetForbidden, match=r"the right to get apps/deployments/scale \(name web\)"):
        await scene.targets.read(key)


async def test_another_refusal_than_for_want_of_a_right_is_told_as_it_is(scene):
    scene.api.put(deployment(7))
    key = await scene.targets.find(WEB, "shop")
    await scene.targets.check(key)
    scene.api.paths[SCALE] = fails(403, "Forbidden", 'admission webhook "x" denied the request')
    with pytest.raises(Forbidden, match="denied the request"):
        await scene.targets.scale(key, 0, "7")
    assert (await scene.targets.check(key)).replicas == 1
