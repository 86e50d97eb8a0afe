"""Faults around the controller: source, API server, other writers. Nothing is scaled by mistake; all goes on by itself."""

import pytest
from controlled import DEPLOYMENTS, SCALED_OBJECTS, controlled

from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden

pytestmark = pytest.mark.server
DESIRED = {"tidegate.dev/activation": "desired"}


async def busy(run, replicas=4, **spec):
    """A Deployment at `replicas`, held there by the HPA on 20 items."""
    run.push(20)
    run.deployment()
    run.scaled_object(maxReplicaCount=replicas, **spec)
    await run.until(lambda: run.replicas() == replicas)
    await run.settled()


def hpa_condition(run, kind):
    found = (run.hpa().get("status") or {}).get("conditions") or ()
    return next((c["reason"] for c in found if c["type"] == kind), None)


async def test_redis_stops_while_workers_run(redis):
    async with controlled(redis, pods="ready") as run:
        await busy(run)
        await run.until(lambda: hpa_condition(run, "ScalingActive") == "ValidMetricFound")
        redis.stop()
        await run.until(run.failing)
        assert run.active() == ("False", "ScalerNotActive")
        # The last sample is served while it is fresh, then the HPA is told that there is none.
        await run.until(lambda: hpa_condition(run, "ScalingActive") == "FailedGetExternalMetric")
        await run.schedule(50)
        assert run.replicas() == 4
        assert "KEDAScalerFailed" in run.events()
        redis.start()  # Empty, as after a crash.
        await run.until(lambda: run.active() in {("False", "ScalerCooldown"), ("False", "ScalerNotActive")})
        run.push(20)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.settled()
        await run.until(lambda: hpa_condition(run, "ScalingActive") == "ValidMetricFound")


@pytest.mark.parametrize("away", [0.05, 1.0])
async def test_the_api_server_goes_and_comes_back(redis, away):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(cooldownPeriod=20, maxReplicaCount=1)
        await run.settled()
        await run.cluster.close_listener()
        run.push()
        run.deployment("late")
        run.scaled_object("late", to="late", maxReplicaCount=1)
        await run.schedule(away * 20)
        assert run.replicas() == 0
        await run.cluster.open_listener()
        await run.until(lambda: run.replicas() == 1)
        await run.until(lambda: run.replicas("late") == 1)
        await run.settled()
        await run.settled("late")
        assert run.active() == ("True", "ScalerActive")
        run.clear()
        await run.until(lambda: run.replicas() == 0)


async def test_an_api_server_that_lost_its_scaled_objects(redis):
    async with controlled(redis) as run:
        await busy(run, cooldownPeriod=10)
        run.delete("worker", SCALED_OBJECTS)
        run.clear()
        await run.schedule(40)
        assert run.replicas() == 4
        assert run.controller.objects == 0


async def test_an_api_server_that_knows_no_scaled_objects(redis):
    async with controlled(redis) as run:
        await busy(run, cooldownPeriod=10)
        await run.cluster.close_listener()
        run.delete("scaledobjects.keda.sh", ("apiextensions.k8s.io", "customresourcedefinitions"), "")
        run.clear()
        await run.cluster.open_listener()
        await run.schedule(50)
        assert run.replicas() == 4
        assert run.writes("deployments.apps/scale") == [("patch", "deployments.apps/scale")]


async def test_an_api_server_that_comes_back_empty(redis):
    async with controlled(redis) as run:
        await busy(run, cooldownPeriod=10)
        await run.cluster.close_listener()
        for resource in (SCALED_OBJECTS, DEPLOYMENTS):
            for found in list(run.api.list(*resource, "default")):
                run.delete(found["metadata"]["name"], resource)
        run.clear()
        await run.cluster.open_listener()
        run.deployment(replicas=3)  # Somebody restores the workload first.
        await run.until(lambda: run.controller.objects == 0)
        await run.schedule(40)
        assert run.replicas() == 3
        run.scaled_object(cooldownPeriod=10)
        await run.until(lambda: run.replicas() == 0)


async def test_a_write_that_somebody_else_forestalled_is_decided_anew(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(maxReplicaCount=1)
        await run.settled()
        kube = run.controller._targets._kube
        patch_scale, conflicts = kube.patch_scale, []

        async def forestalled(resource, name, namespace, replicas, *, resource_version):
            if not conflicts:
                conflicts.append(replicas)
                run.patch("web", DEPLOYMENTS, metadata={"annotations": {"touched": "1"}})
            return await patch_scale(resource, name, namespace, replicas, resource_version=resource_version)

        kube.patch_scale = forestalled
        run.push()
        await run.until(lambda: run.replicas() == 1)
        assert conflicts == [1]
        codes = [status for _, what, status in run.requests if what == "deployments.apps/scale"]
        assert codes == [409, 200, 200]  # The write, the look, the write.


async def test_a_write_is_given_up_when_it_is_no_longer_needed(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(maxReplicaCount=5)
        await run.settled()
        kube = run.controller._targets._kube
        patch_scale = kube.patch_scale

        async def overtaken(resource, name, namespace, replicas, *, resource_version):
            if run.replicas() == 0:
                run.scale(3)  # By hand, just before us.
            return await patch_scale(resource, name, namespace, replicas, resource_version=resource_version)

        kube.patch_scale = overtaken
        run.push(30)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.until(lambda: "HPAInCharge" in run.embedded.decision("default", "worker"))
        assert run.notes("KEDAScaleTargetActivated") == []
        assert run.replicas() >= 3


async def test_scale_writes_that_fail_are_told_and_tried_again(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(maxReplicaCount=1)
        await run.settled()
        kube = run.controller._targets._kube
        patch_scale = kube.patch_scale

        async def refused(resource, name, namespace, replicas, *, resource_version):
            return await patch_scale(resource, name, namespace, -1, resource_version=resource_version)

        kube.patch_scale = refused
        run.push()
        await run.until(lambda: "KEDAScaleTargetActivationFailed" in run.events())
        note = run.notes("KEDAScaleTargetActivationFailed")[0]
        assert note.startswith("Failed to scale apps/v1.Deployment default/web from 0 to 1: ")
        kube.patch_scale = patch_scale
        await run.until(lambda: run.replicas() == 1)


async def test_the_target_is_made_anew_while_busy(redis):
    async with controlled(redis) as run:
        await busy(run)
        run.delete("web", DEPLOYMENTS)
        await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
        run.deployment()
        await run.until(lambda: run.replicas() >= 1)
        await run.settled()


async def test_scaled_down_by_hand_while_busy(redis):
    async with controlled(redis) as run:
        await busy(run)
        run.scale(0)
        await run.until(lambda: run.replicas() >= 1)


async def test_scaled_up_by_hand_while_idle(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        run.scale(3)
        await run.until(lambda: run.replicas() == 0)  # As KEDA: at the next poll.


async def test_flushall_is_noticed_and_work_after_it_too(redis):
    async with controlled(redis) as run:
        await busy(run, replicas=1, cooldownPeriod=20)
        redis.cli("FLUSHALL")
        await run.until(lambda: run.replicas() == 0)
        redis.cli("FLUSHALL")
        run.push()
        await run.until(lambda: run.replicas() == 1)


async def test_a_hot_key_costs_few_reads(redis):
    async with controlled(redis, factor=1) as run:
        run.deployment()
        trigger = run.redis_trigger(
            activationListLength="1000000"
        )  # It never wakes: below the floor all the time.
        run.scaled_object("worker", trigger, pollingInterval=30)
        await run.until(lambda: run.embedded.sources() and run.embedded.sources()[0].listening)
        await run.settled()
        before, elapsed = redis.commands("llen"), run.embedded.clock.monotonic()
        for _ in range(20):
            run.push(500)
            await run.schedule(0.02)
        elapsed = run.embedded.clock.monotonic() - elapsed
        await run.schedule(0.1)
        # 10,000 changes; at most one wake-up in 50 ms, and the HPA's own looks.
        assert 1 <= redis.commands("llen") - before <= elapsed / 0.05 + 10
        assert run.replicas() == 0


async def test_a_dead_invalidation_connection_costs_no_more_than_a_poll(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(maxReplicaCount=1)
        await run.until(lambda: run.embedded.sources() and run.embedded.sources()[0].listening)
        await run.settled()
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        run.push()
        await run.until(lambda: run.replicas() == 1)
        await run.settled()


class Rights:
    """Refuses to list some resources, as RBAC would."""

    def __init__(self, monkeypatch):
        self.denied = set()
        allowed = Kube.list_page

        async def list_page(kube, resource, *args, **options):
            if str(resource) in self.denied:
                raise Forbidden(f"list {resource}", 403, message=f"may not list {resource}")
            return await allowed(kube, resource, *args, **options)

        monkeypatch.setattr(Kube, "list_page", list_page)


async def test_without_the_right_to_see_namespaces_only_their_defaults_are_missed(redis, monkeypatch):
    rights = Rights(monkeypatch)
    rights.denied = {"namespaces"}
    async with controlled(redis) as run:
        run.patch("default", ("", "namespaces"), "", metadata={"annotations": DESIRED})
        run.push(20)
        run.deployment()
        run.scaled_object(maxReplicaCount=1)
        await run.until(lambda: run.replicas() == 1)
        assert run.controller._roster.get(("default", "worker")).activation == "floor"
        rights.denied.clear()
        await run.until(lambda: run.controller._roster.get(("default", "worker")).activation == "desired")


async def test_without_the_right_to_see_targets_the_object_says_so(redis, monkeypatch):
    rights = Rights(monkeypatch)
    rights.denied = {"deployments.apps"}
    async with controlled(redis) as run:
        run.push()
        run.deployment()
        run.scaled_object(maxReplicaCount=1)
        await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
        assert "TargetForbidden: the right to list and watch apps/deployments" in run.message()
        rights.denied.clear()
        await run.until(lambda: run.replicas() == 1)
        await run.settled()
