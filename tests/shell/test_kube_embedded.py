"""The client, the reflector, the mapper and the events against the embedded API server, over TLS."""

import asyncio
from collections import Counter

import pytest
import yaml
from scripted_api import until

from scaler import pki
from scaler.clock import SystemClock
from scaler.kube import errors
from scaler.kube.access import Access
from scaler.kube.cache import trim
from scaler.kube.client import APPLY, STRATEGIC_MERGE_PATCH, Kube
from scaler.kube.events import EventRecorder, reference
from scaler.kube.mapper import Mapper
from scaler.kube.reflector import Reflector
from scaler.kube.resources import CONFIG_MAPS, DEPLOYMENTS, EVENTS, HPAS, NAMESPACES
from scaler.local.cluster import Cluster

CLOCK = SystemClock(factor=10)


def reach(cluster):
    return Access(cluster.url, tls=pki.client_context(cluster.ca), token=cluster.token)


@pytest.fixture
async def cluster():
    async with Cluster(CLOCK) as cluster:
        yield cluster


@pytest.fixture
async def kube(cluster):
    async with Kube(reach(cluster), CLOCK) as kube:
        yield kube


def config_map(name, namespace="default", **more):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        **more,
    }


def deployment(name="web", replicas=1):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def test_an_objects_life(kube):
    made = await kube.create(CONFIG_MAPS, config_map("a", data={"k": "1"}))
    with pytest.raises(errors.AlreadyExists):
        await kube.create(CONFIG_MAPS, config_map("a"))
    assert await kube.get(CONFIG_MAPS, "a", "default") == made
    patched = await kube.patch(CONFIG_MAPS, "a", {"data": {"k": "2"}}, "default")
    with pytest.raises(errors.Conflict):
        await kube.replace(CONFIG_MAPS, made)
    old = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "3"}}
    with pytest.raises(errors.Conflict):
        await kube.patch(CONFIG_MAPS, "a", old, "default")
    replaced = await kube.replace(CONFIG_MAPS, patched | {"data": {"k": "4"}})
    assert replaced["data"] == {"k": "4"}
    applied = await kube.patch(
        CONFIG_MAPS, "b", config_map("b", data={"x": "y"}), "default", content_type=APPLY, field_manager="me"
    )
    assert applied["data"] == {"x": "y"}
    with pytest.raises(errors.Conflict):
        await kube.delete(CONFIG_MAPS, "a", "default", uid="somebody-else")
    await kube.delete(CONFIG_MAPS, "a", "default", uid=made["metadata"]["uid"])
    with pytest.raises(errors.NotFound, match='get configmaps default/a: configmaps "a" not found'):
        await kube.get(CONFIG_MAPS, "a", "default")
    await kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert (await kube.get(NAMESPACES, "shop"))["kind"] == "Namespace"


async def test_scale(kube):
    await kube.create(DEPLOYMENTS, deployment(replicas=2))
    scale = await kube.get_scale(DEPLOYMENTS, "web", "default")
    assert scale["spec"]["replicas"] == 2
    version = scale["metadata"]["resourceVersion"]
    await kube.patch_scale(DEPLOYMENTS, "web", "default", 5, resource_version=version)
    with pytest.raises(errors.Conflict):
        await kube.patch_scale(DEPLOYMENTS, "web", "default", 6, resource_version=version)
    assert (await kube.get(DEPLOYMENTS, "web", "default"))["spec"]["replicas"] == 5
    labels = {"metadata": {"labels": {"a": "b"}}}
    await kube.patch(DEPLOYMENTS, "web", labels, "default", content_type=STRATEGIC_MERGE_PATCH)
    await kube.patch_scale(DEPLOYMENTS, "web", "default", 0)
    assert (await kube.get_scale(DEPLOYMENTS, "web", "default"))["spec"].get("replicas", 0) == 0


async def test_invalid_objects_say_which_field(kube):
    with pytest.raises(errors.Invalid) as caught:
        await kube.create(
            HPAS,
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "h", "namespace": "default"},
                "spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
            },
        )
    assert "spec.maxReplicas" in {cause["field"] for cause in caught.value.causes}


async def test_a_wrong_token_is_refused(cluster):
    async with Kube(Access(cluster.url, tls=pki.client_context(cluster.ca), token="wrong"), CLOCK) as kube:
        with pytest.raises(errors.Unauthenticated):
            await kube.get(CONFIG_MAPS, "a", "default")


async def test_a_kubeconfig_of_the_cluster_connects(cluster, tmp_path):
    (tmp_path / "config").write_text(yaml.safe_dump(cluster.kubeconfig()))
    async with await Kube.connect(tmp_path / "config", CLOCK) as kube:
        assert kube.server == cluster.url
        assert b"ok" in await kube.raw("/readyz")


async def test_the_mapper_reads_real_discovery(kube):
    mapper = Mapper(kube, CLOCK)
    assert (await mapper.find("apps/v1", "Deployment")).scalable
    config_maps = await mapper.find("v1", "ConfigMap")
    assert config_maps.resource == CONFIG_MAPS
    assert not config_maps.scalable
    with pytest.raises(errors.UnknownKind):
        await mapper.find("argoproj.io/v1alpha1", "Rollout")


class World:
    def __init__(self, kube, **options):
        self.told = []
        self.reflector = Reflector(kube, CONFIG_MAPS, CLOCK, decode=trim, handler=self.handle, **options)
        self.task = asyncio.create_task(self.reflector.run())

    def handle(self, change, old, new):
        self.told.append((str(change), (new or old)["metadata"]["name"]))

    async def close(self):
        await self.reflector.close()
        await self.task


async def test_the_reflector_follows_through_a_closed_listener(cluster, kube):
    world = World(kube, namespace="default")
    await world.reflector.synced.wait()
    await kube.create(CONFIG_MAPS, config_map("a"))
    await until(lambda: ("ADDED", "a") in world.told)
    await cluster.close_listener()
    cluster.api.create("", "configmaps", "default", config_map("b"))
    cluster.api.delete("", "configmaps", "default", "a")
    await until(lambda: world.reflector.problem is not None)
    await cluster.open_listener()
    await until(lambda: len(world.told) == 3)
    assert world.told[1:] == [("ADDED", "b"), ("DELETED", "a")]
    assert world.reflector.epoch == 1, "the history was still there"
    await world.close()


async def test_the_reflector_notices_that_the_server_came_back_empty(cluster, kube):
    for number in range(1100):
        cluster.api.create("", "configmaps", "default", config_map(f"c{number}"))
    world = World(kube, namespace="default")
    await world.reflector.synced.wait()
    assert len(world.reflector) == 1100
    port = cluster.port
    await cluster.close()
    world.told.clear()
    # The same server in the eyes of the client: its certificate and token, and nothing in it.
    other = Cluster(CLOCK)
    other._tls, other.access._token = cluster._tls, cluster.token
    await other.start(port)
    await until(lambda: len(world.told) >= 1100)
    assert Counter(change for change, _ in world.told) == {"DELETED": 1100}
    assert len(world.reflector) == 0
    await until(lambda: world.reflector.problem is None)
    await kube.create(CONFIG_MAPS, config_map("fresh"))
    await until(lambda: ("ADDED", "fresh") in world.told)
    await world.close()
    await other.close()


async def test_selector_transitions_are_told_as_additions_and_deletions(cluster, kube):
    await kube.create(CONFIG_MAPS, config_map("a"))
    world = World(kube, namespace="default", selector="pick=yes")
    await world.reflector.synced.wait()
    await kube.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"pick": "yes"}}}, "default")
    await until(lambda: world.told == [("ADDED", "a")])
    await kube.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"pick": "no"}}}, "default")
    await until(lambda: world.told == [("ADDED", "a"), ("DELETED", "a")])
    await world.close()


async def test_events_arrive_and_count(cluster, kube):
    about = reference(await kube.create(CONFIG_MAPS, config_map("a")))
    recorder = EventRecorder(kube, CLOCK, instance="test")
    for _ in range(2):
        recorder.record(about, "ScaledObjectCheckFailed", "no", type="Warning")
        await recorder.flush()
    assert recorder.failed == 0
    page = await kube.list_page(EVENTS, "default")
    (event,) = [each for each in page.items if each["reason"] == "ScaledObjectCheckFailed"]
    assert event["series"]["count"] == 2
    assert event["regarding"]["uid"] == about["uid"]
