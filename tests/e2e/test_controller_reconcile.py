"""What a ScaledObject asks for is made so and kept so: the HPA above all; and nothing is written twice."""

from contextlib import nullcontext

import pytest
from controlled import DEPLOYMENTS, HPAS, SCALED_OBJECTS, controlled

import scaler.app
from scaler.settings import ControllerSettings
from scalers.registry import Registry
from scalers.sdk import Connection, Metadata, Reading, Role, Scaler, key

pytestmark = pytest.mark.server

PARTIAL = {
    "horizontalPodAutoscalerConfig": {
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 3},
            "scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]},
        }
    }
}


async def quiet(run):
    """Wait until everything was said that follows from the last change."""
    await run.settled()
    await run.until(run.active)
    await run.polls(2)


class HalfConnection(Connection):
    def open(self, _host):
        return nullcontext()

    def describe(self):
        return "half"


class HalfMetadata(Metadata):
    connection: HalfConnection
    per_replica: float = key(role=Role.TARGET)

    def metric_name(self):
        return "half"


class Half(Scaler):
    """Its targets may be fractions, which the API server writes in another way than we do."""

    metadata = HalfMetadata

    async def measure(self, _client, _metadata):
        return Reading(0.0)


class WithHalf(Registry):
    def get(self, trigger_type):
        return Half() if trigger_type == "half" else super().get(trigger_type)


async def test_an_unchanged_object_is_never_written_again(redis, monkeypatch):
    monkeypatch.setattr(scaler.app, "Registry", WithHalf)
    async with controlled(redis) as run:
        run.deployment()
        meta = {"labels": {"team": "blue"}, "annotations": {"note": "x"}}
        half = {"type": "half", "metadata": {"perReplica": "0.3333"}}
        more = {"type": "half", "metadata": {"perReplica": "2.5"}, "metricType": "Value"}
        triggers = run.redis_trigger(), half, more
        run.scaled_object("worker", *triggers, meta=meta, advanced=PARTIAL, minReplicaCount=0)
        await quiet(run)
        before = len(run.writes())
        for _ in range(10):
            await run.reconcile()
        await run.polls(2)
        assert len(run.writes()) == before

        await run.restart()
        hpa, so = run.hpa()["metadata"]["resourceVersion"], run.object()["metadata"]["resourceVersion"]
        await run.until(lambda: run.embedded.decision("default", "worker") != "not decided yet")
        for _ in range(10):
            await run.reconcile()
        await run.polls(4)
        assert run.hpa()["metadata"]["resourceVersion"] == hpa
        assert run.object()["metadata"]["resourceVersion"] == so


async def test_a_hand_edited_hpa_is_mended(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        version = run.hpa()["metadata"]["labels"]["app.kubernetes.io/version"]
        run.patch("keda-hpa-worker", HPAS, spec={"maxReplicas": 3})
        await run.until(lambda: run.hpa()["spec"]["maxReplicas"] == 100)
        changed = {"labels": {"app.kubernetes.io/version": "9", "scaledobject.keda.sh/name": None}}
        run.patch("keda-hpa-worker", HPAS, metadata=changed)
        await run.until(lambda: run.hpa()["metadata"]["labels"]["app.kubernetes.io/version"] == version)
        assert run.hpa()["metadata"]["labels"]["scaledobject.keda.sh/name"] == "worker"


async def test_a_deleted_hpa_is_made_again(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        uid = run.hpa()["metadata"]["uid"]
        run.delete("keda-hpa-worker", HPAS)
        await run.until(lambda: run.hpa() and run.hpa()["metadata"]["uid"] != uid)


async def test_a_renamed_hpa_takes_the_place_of_the_old_one(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        run.patch(spec={"advanced": {"horizontalPodAutoscalerConfig": {"name": "renamed"}}})
        await run.until(lambda: run.hpa("renamed") and not run.hpa())
        await run.until(lambda: run.status()["hpaName"] == "renamed")


async def test_a_rename_while_nobody_looked_is_carried_out_after_the_start(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        await run.until(lambda: run.status().get("hpaName") == "keda-hpa-worker")
        await run.stop()
        run.patch(spec={"advanced": {"horizontalPodAutoscalerConfig": {"name": "renamed"}}})
        await run.start()
        await run.until(lambda: run.hpa("renamed") and not run.hpa())


async def test_a_foreign_hpa_of_our_name_is_adopted(redis):
    async with controlled(redis) as run:
        run.deployment()
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        cpu = {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
        }
        metadata = {"name": "keda-hpa-worker", "namespace": "default", "labels": {"by": "hand"}}
        spec = {"maxReplicas": 3, "metrics": [cpu], "scaleTargetRef": ref}
        made = run.api.create(*HPAS, "default", {"metadata": metadata, "spec": spec})
        run.scaled_object()
        await run.settled()
        hpa = run.hpa()
        assert hpa["metadata"]["uid"] == made["metadata"]["uid"]
        assert [m["type"] for m in hpa["spec"]["metrics"]] == ["External"]
        assert [o["name"] for o in hpa["metadata"]["ownerReferences"]] == ["worker"]


async def test_two_objects_do_not_fight_over_one_hpa(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.deployment("other")
        run.scaled_object()
        await quiet(run)
        config = {"horizontalPodAutoscalerConfig": {"name": "keda-hpa-worker"}}
        run.scaled_object("thief", to="other", advanced=config)
        await run.until(lambda: run.ready("thief") == ("False", "ScaledObjectCheckFailed"))
        assert "spec.advanced.horizontalPodAutoscalerConfig.name" in run.message(name="thief")
        assert run.hpa()["metadata"]["ownerReferences"][0]["name"] == "worker"
        run.delete()
        await run.until(lambda: run.ready("thief") == ("True", "ScaledObjectReady"))
        assert run.hpa()["metadata"]["ownerReferences"][0]["name"] == "thief"


async def test_labels_and_annotations_reach_the_hpa_with_the_next_change_of_the_spec(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(meta={"labels": {"team": "blue"}, "annotations": {"n": "1"}})
        await quiet(run)
        run.patch(metadata={"labels": {"team": None, "extra": "1"}, "annotations": {"n": "2"}})
        await run.polls(2)
        assert run.hpa()["metadata"]["labels"]["team"] == "blue"  # As recorded of KEDA.
        run.patch(spec={"maxReplicaCount": 7})
        await run.until(lambda: run.hpa()["spec"]["maxReplicas"] == 7)
        assert run.hpa()["metadata"]["annotations"] == {"n": "2"}
        assert run.hpa()["metadata"]["labels"].get("team") is None
        assert run.hpa()["metadata"]["labels"]["extra"] == "1"


async def test_a_deleted_object_leaves_its_target_as_it_is(redis):
    async with controlled(redis) as run:
        run.push()
        run.deployment()
        run.scaled_object(meta={"finalizers": ["finalizer.keda.sh", "example.com/other"]}, maxReplicaCount=1)
        await run.until(lambda: run.replicas() == 1)
        run.delete()
        await run.until(lambda: run.object()["metadata"]["finalizers"] == ["example.com/other"])
        assert run.hpa()
        run.patch(metadata={"finalizers": None})
        await run.until(lambda: not run.hpa())
        await run.until(lambda: {"KEDAScalersStopped", "ScaledObjectDeleted"} <= set(run.events()))
        run.clear()
        await run.schedule(30)
        assert run.replicas() == 1
        assert run.embedded.sources() == []
        assert len(run.embedded.tidegate.store) == 0
        assert run.controller.objects == 0
        assert run.controller._sightings._observer._last == {}
        assert run.controller._status._subjects == {}


async def test_a_namesake_begins_anew(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        uid = run.hpa()["metadata"]["ownerReferences"][0]["uid"]
        run.delete()
        made = run.scaled_object(maxReplicaCount=5)["metadata"]["uid"]
        assert made != uid

        def taken_over():
            hpa = run.hpa()
            return (
                hpa
                and hpa["metadata"]["ownerReferences"][0]["uid"] == made
                and hpa["spec"]["maxReplicas"] == 5
            )

        await run.until(taken_over)
        await run.settled()
        run.push()
        await run.until(lambda: run.replicas() == 1)
        assert taken_over()


async def test_another_target_is_scaled_when_the_reference_changes(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.deployment("other")
        run.scaled_object()
        await quiet(run)
        run.patch(spec={"scaleTargetRef": {"name": "other"}})
        await run.until(lambda: run.hpa()["spec"]["scaleTargetRef"]["name"] == "other")
        run.push()
        await run.until(lambda: run.replicas("other") == 1)
        assert run.replicas() == 0


async def test_the_namespaces_default_of_activation_acts_at_once(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        run.patch(
            "default",
            ("", "namespaces"),
            "",
            metadata={"annotations": {"tidegate.dev/activation": "desired"}},
        )
        worker = ("default", "worker")
        await run.until(lambda: run.controller._roster.get(worker).activation == "desired")
        run.push(20)
        await run.until(lambda: run.replicas() == 4)
        note = "Scaled apps/v1.Deployment default/web from 0 to 4, triggered by s0-redis-jobs"
        await run.until(lambda: run.notes("KEDAScaleTargetActivated") == [note])


async def test_only_the_namespaces_asked_for_are_minded(redis):
    async with controlled(redis, settings=ControllerSettings(namespaces=("one", "two"))) as run:
        for name in ("one", "two", "three"):
            run.api.create("", "namespaces", "", {"metadata": {"name": name}})
            run.deployment(namespace=name)
            run.scaled_object(namespace=name)
        for name in ("one", "two"):
            await run.until(lambda name=name: run.ready(namespace=name) == ("True", "ScaledObjectReady"))
        run.push()
        for name in ("one", "two"):
            await run.until(lambda name=name: run.replicas(namespace=name) == 1)
        await run.schedule(30)
        assert run.replicas(namespace="three") == 0
        assert run.status(namespace="three") == {}
        assert run.hpa(namespace="three") is None


@pytest.mark.parametrize("broken", [SCALED_OBJECTS, DEPLOYMENTS])
async def test_deleting_and_making_anew_heals(redis, broken):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await quiet(run)
        run.delete("worker" if broken is SCALED_OBJECTS else "web", broken)
        if broken is DEPLOYMENTS:
            await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
            run.deployment(replicas=2)
        else:
            run.scaled_object()
        await run.settled()
        await run.until(lambda: run.replicas() == 0)
        run.push()
        await run.until(lambda: run.replicas() == 1)
