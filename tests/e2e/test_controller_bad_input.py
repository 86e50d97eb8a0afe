"""Bad input: KEDA's conditions and Events, a message with the field's path, nothing scaled, others untouched."""

from copy import deepcopy

import pytest
from controlled import HPAS, controlled, redis_trigger
from served import definition

from scaler.settings import ControllerSettings

pytestmark = pytest.mark.server

CHECK_FAILED = ("False", "ScaledObjectCheckFailed")
UNKNOWN = ("Unknown", "UnknownState")
HPA = "failed to ensure HPA is correctly created for ScaledObject"
TARGET = "ScaledObject doesn't have correct scaleTargetRef specification"
BOUNDS = "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification"
TRIGGERS = "ScaledObject doesn't have correct triggers specification"
PAUSED = "failed to scale target to paused replica count"
CLOSED = "127.0.0.1:1"
"""Nobody listens here."""


def redis(**metadata):
    """A trigger without a server that answers; None takes a key away."""
    written = {"address": CLOSED, "listName": "jobs", **metadata}
    return {"type": "redis", "metadata": {k: v for k, v in written.items() if v is not None}}


def paused(name, value="true"):
    return {"meta": {"annotations": {f"autoscaling.keda.sh/{name}": value}}}


SECRET_ENV = {"name": "REDIS", "valueFrom": {"secretKeyRef": {"name": "sesame", "key": "k"}}}

# What is asked for; how Ready's message begins; what it names; the Events.
REFUSED = {
    "unknown type": ({"triggers": [{"type": "tarot", "metadata": {"a": "b"}}]}, HPA, "spec.triggers[0].type",
                     {"KEDAScalerFailed", "ScaledObjectCheckFailed"}),
    "wrong number": ({"triggers": [redis(listLength="many")]}, HPA, "spec.triggers[0].metadata.listLength",
                     {"KEDAScalerFailed"}),
    "no list": ({"triggers": [redis(listName=None)]}, HPA, "spec.triggers[0].metadata.listName", {"KEDAScalerFailed"}),
    "unreachable": ({"triggers": [redis()]}, HPA, "spec.triggers[0]", {"KEDAScalerFailed"}),
    "all bad": ({"triggers": [redis(), redis(listName=None)]}, HPA, "spec.triggers[1].metadata.listName",
                {"KEDAScalerFailed"}),
    "metric type": ({"triggers": [{**redis(), "metricType": "Utilization"}]}, HPA, "spec.triggers[0].metricType",
                    {"KEDAScalerFailed"}),
    "from a secret": ({"triggers": [redis(address=None, addressFromEnv="REDIS")]}, HPA, "Secret sesame",
                      {"KEDAScalerFailed"}),
    "no target": ({"to": "ghost"}, TARGET, "spec.scaleTargetRef", {"ScaledObjectCheckFailed"}),
    "no scale": ({"to": {"apiVersion": "lab.test/v1", "kind": "Gadget", "name": "g"}}, TARGET, "no scale subresource",
                 {"ScaledObjectCheckFailed"}),
    "daemon set": ({"to": {"kind": "DaemonSet", "name": "d"}}, TARGET, "no scale subresource",
                   {"ScaledObjectCheckFailed"}),
    "unknown kind": ({"to": {"apiVersion": "no.such/v1", "kind": "Rollout", "name": "r"}}, TARGET, "no.such/v1 Rollout",
                     {"ScaledObjectCheckFailed", "ScaledObjectUpdateFailed"}),
    "odd version": ({"to": {"apiVersion": "a/b/c", "kind": "Rollout", "name": "r"}}, TARGET, "spec.scaleTargetRef",
                    {"ScaledObjectCheckFailed", "ScaledObjectUpdateFailed"}),
    "another Deployment": ({"to": {"apiVersion": "lab.test/v1", "kind": "Deployment", "name": "web"}}, TARGET,
                           "lab.test/v1 Deployment", {"ScaledObjectCheckFailed"}),
    "container": ({"to": {"name": "web", "envSourceContainerName": "sidecar"}}, HPA,
                  "spec.scaleTargetRef.envSourceContainerName", {"KEDAScalerFailed"}),
    "idle": ({"idleReplicaCount": 1, "minReplicaCount": 1}, BOUNDS, "spec.idleReplicaCount", set()),
    "same names": ({"triggers": [{**redis(), "name": "a"}, {**redis(), "name": "a"}]}, TRIGGERS, "spec.triggers[1].name",
                   set()),
    "activation": ({"meta": {"annotations": {"tidegate.dev/activation": "soon"}}},
                   "ScaledObject doesn't have correct annotations", "tidegate.dev/activation", set()),
    "own annotation": ({"meta": {"annotations": {"tidegate.dev/on-eror": "hold"}}},
                       "ScaledObject doesn't have correct annotations", "tidegate.dev/on-eror", set()),
    "formula": ({"advanced": {"scalingModifiers": {"formula": "a +", "target": "1"}}}, HPA,
                "spec.advanced.scalingModifiers.formula", set()),
    "formula's target": ({"advanced": {"scalingModifiers": {"formula": "1", "target": "0"}}}, HPA,
                         "spec.advanced.scalingModifiers.target", set()),
    "authentication": ({"triggers": [{**redis(), "authenticationRef": {"name": "a"}}]}, HPA,
                       "spec.triggers[0].authenticationRef: TriggerAuthentication default/a does not exist",
                       {"KEDAScalerFailed"}),
    "cached": ({"triggers": [{"type": "cron", "metadata": {}, "useCachedMetrics": True}]}, TRIGGERS,
               "spec.triggers[0].useCachedMetrics", {"ScaledObjectCheckFailed"}),
    "paused at": (paused("paused-replicas", "two"), PAUSED, "autoscaling.keda.sh/paused-replicas",
                  {"ScaledObjectPaused"}),
}  # fmt: skip


async def test_each_fault_is_told_and_nothing_is_scaled(redis):
    async with controlled(redis) as run:
        crd = definition(plural="gadgets", kind="Gadget", subresources={"status": {}})
        run.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
        metadata = {"name": "d", "namespace": "default"}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        daemon = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        run.api.create("apps", "daemonsets", "default", {"metadata": metadata, "spec": daemon})
        gadget = {"metadata": {"name": "g", "namespace": "default"}, "spec": {"replicas": 3}}
        run.api.create("lab.test", "gadgets", "default", gadget)
        run.deployment(replicas=1, env=[SECRET_ENV])
        run.deployment("good")
        run.scaled_object("good", to="good")

        names = {case: f"case-{number}" for number, case in enumerate(REFUSED)}
        for case, (asked, *_) in REFUSED.items():
            triggers = asked.get("triggers", [])
            rest = {key: value for key, value in asked.items() if key != "triggers"}
            run.scaled_object(names[case], *triggers, **rest)
        faults = {}
        for case, (_, step, named, told) in REFUSED.items():
            name = names[case]
            await run.until(lambda name=name: run.ready(name) == CHECK_FAILED)
            await run.until(lambda name=name, told=told: set(run.events(name)) >= told)
            found = run.active(name), run.message("Ready", name), set(run.events(name))
            if not (
                found[0] == UNKNOWN and found[1].startswith(step) and named in found[1] and found[2] == told
            ):
                faults[case] = found
        assert not faults
        assert [hpa["metadata"]["name"] for hpa in run.api.list(*HPAS, "default")] == ["keda-hpa-good"]
        assert run.replicas() == 1
        run.push()
        await run.until(lambda: run.replicas("good") == 1)
        # The answer to the write may still be under way.
        await run.until(lambda: run.writes("deployments.apps/scale"))
        assert run.writes("deployments.apps/scale") == [("patch", "deployments.apps/scale")]


async def test_a_lone_redis_that_is_not_there_yet_is_waited_for(redis):
    port = redis.port
    redis.stop()
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.until(lambda: run.ready() == CHECK_FAILED)
        assert str(port) in run.message()
        await run.polls(3)
        assert run.hpa() is None
        redis.start()
        await run.settled()
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        run.push()
        await run.until(lambda: run.replicas() == 1)
        assert run.hpa()


async def test_one_bad_trigger_is_only_itself(redis):
    async with controlled(redis) as run:
        run.deployment()
        broken = redis_trigger(redis, "unreachable", address=CLOSED)
        run.scaled_object(
            "worker", broken, run.redis_trigger(listName=None), run.redis_trigger(), maxReplicaCount=9
        )
        await run.until(run.failing)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        names = [m["external"]["metric"]["name"] for m in run.hpa()["spec"]["metrics"]]
        assert names == ["s0-redis-unreachable", "s1-invalid", "s2-redis-jobs"]
        for named in ("s0-redis-unreachable", "s1-invalid", "spec.triggers[1].metadata.listName"):
            assert named in run.message()
        assert "TriggersFailed: " in run.message()
        run.push(20)
        await run.until(lambda: run.replicas() >= 1)
        await run.until(lambda: run.ready() == ("Unknown", "PartialTriggerError"))
        await run.until(lambda: run.replicas() == 4)  # The good trigger scales out.
        await run.until(lambda: "KEDAScalerFailed" in run.events())
        run.clear()
        await run.until(run.failing)
        await run.schedule(60)
        assert run.replicas() == 4  # Not knowing is not zero.


async def test_one_bad_trigger_with_nothing_but_a_schedule_beside_it(redis):
    async with controlled(redis) as run:
        run.deployment()
        cron = {"type": "cron", "metadata": {
            "timezone": "UTC", "start": "0 0 1 1 *", "end": "0 0 31 12 *", "desiredReplicas": "3"}}  # fmt: skip
        run.scaled_object("worker", cron, redis_trigger(redis, address=CLOSED))
        await run.until(lambda: run.replicas() >= 1)
        await run.until(lambda: run.ready() == ("Unknown", "PartialTriggerError"))


async def test_a_target_that_comes_later_is_noticed(redis):
    never = ControllerSettings(retry_first=100_000.0, retry_cap=100_000.0)  # The watch alone is to tell.
    async with controlled(redis, settings=never) as run:
        run.push()
        run.scaled_object()
        await run.until(lambda: run.ready() == CHECK_FAILED)
        run.deployment()
        await run.until(lambda: run.replicas() == 1)
        await run.settled()


async def test_a_bad_change_stops_nothing_but_itself_and_a_good_one_heals(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        run.patch(spec={"idleReplicaCount": 5})
        await run.until(lambda: run.ready() == CHECK_FAILED)
        run.push()
        await run.polls(3)
        assert run.replicas() == 0
        assert run.hpa()
        run.patch(spec={"idleReplicaCount": None})
        await run.until(lambda: run.replicas() == 1)
        await run.settled()


async def test_what_another_crd_let_through_is_told(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        crds = ("apiextensions.k8s.io", "customresourcedefinitions", "")
        crd = deepcopy(run.api.get(*crds, "scaledobjects.keda.sh"))
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        crd["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": anything}
        run.api.update(*crds, "scaledobjects.keda.sh", crd)
        run.patch(spec={"maxReplicaCount": "lots"})
        await run.until(lambda: run.ready() == CHECK_FAILED)
        assert "spec.maxReplicaCount" in run.message()
        run.push()
        await run.schedule(30)
        assert run.replicas() == 0
        run.patch(spec={"maxReplicaCount": 3})
        await run.until(lambda: run.replicas() == 1)
        await run.settled()


async def test_a_custom_kind_whose_replicas_stand_elsewhere(redis):
    async with controlled(redis) as run:
        crd = definition(spec={"type": "object", "properties": {"size": {"type": "integer"}}})
        scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
        crd["spec"]["versions"][0]["subresources"] = {"status": {}, "scale": scale}
        run.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
        metadata = {"name": "w", "namespace": "default"}
        run.api.create("lab.test", "widgets", "default", {"metadata": metadata, "spec": {"size": 2}})
        ref = {"apiVersion": "lab.test/v1", "kind": "Widget", "name": "w"}
        run.scaled_object(to=ref, cooldownPeriod=20, maxReplicaCount=1)

        def size():
            return run.api.get("lab.test", "widgets", "default", "w")["spec"]["size"]

        await run.until(lambda: size() == 0)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert run.status()["originalReplicaCount"] == 2
        assert run.status()["scaleTargetKind"] == "lab.test/v1.Widget"
        run.push()
        await run.until(lambda: size() == 1)
        run.patch("w", ("lab.test", "widgets"), spec={"size": 0})  # By hand: the next poll finds out.
        await run.until(lambda: size() == 1)
        run.clear()
        await run.until(lambda: size() == 0)
