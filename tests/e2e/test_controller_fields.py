"""Fields and annotations of a ScaledObject at work: pauses, force-activation, fallback, formulas, restoring."""

import asyncio

import pytest
from controlled import SCALED_OBJECTS, controlled

from scaler.core.explain_text import lines

pytestmark = pytest.mark.server

READY = ("True", "ScaledObjectReady")
FALLEN = ("True", "FallbackExists")


def annotated(**words):
    return {
        "annotations": {f"autoscaling.keda.sh/{name.replace('_', '-')}": word for name, word in words.items()}
    }


def annotate(run, **words):
    run.patch(metadata=annotated(**words))


def disabled(run, direction):
    """Does the HPA hold still in this direction?"""
    found = run.hpa() or {"spec": {}}
    return found["spec"].get("behavior", {}).get(direction, {}).get("selectPolicy") == "Disabled"


async def test_a_paused_object_is_not_read_has_no_hpa_and_comes_back(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        annotate(run, paused="true")
        await run.until(lambda: run.condition("Paused") == ("True", "ScaledObjectPaused"))
        await run.until(lambda: run.hpa() is None)
        await run.until(lambda: run.embedded.sources() == [])
        run.push()
        await run.schedule(30)
        assert (run.replicas(), run.ready(), run.message()) == (0, READY, "ScaledObject is paused")
        annotate(run, paused=None)
        await run.until(lambda: run.replicas() == 1)
        await run.until(lambda: run.condition("Paused") == ("False", "ScaledObjectUnpaused"))
        await run.until(run.hpa)
        told = {"ScaledObjectPaused", "ScaledObjectUnpaused", "KEDAScalersStopped"}
        await run.until(lambda: told <= set(run.events()))


async def test_paused_replicas_are_written_and_kept_and_changed(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(meta=annotated(paused_replicas="3"))
        await run.until(lambda: run.replicas() == 3)
        await run.until(lambda: run.status().get("pausedReplicaCount") == 3)
        annotate(run, paused_replicas="0")
        await run.until(lambda: run.replicas() == 0)
        await run.until(lambda: run.status().get("pausedReplicaCount") == 0)
        annotate(run, paused_replicas=None)
        await run.until(lambda: "pausedReplicaCount" not in run.status())
        await run.until(run.hpa)


async def test_a_pause_of_one_direction_reaches_the_hpa_and_holds_ours(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(meta=annotated(paused_scale_out="true"), cooldownPeriod=5)
        await run.until(lambda: disabled(run, "scaleUp"))
        run.push()
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.polls(3)
        assert run.replicas() == 0
        annotate(run, paused_scale_out=None, paused_scale_in="true")
        await run.until(lambda: run.replicas() == 1)
        await run.until(lambda: disabled(run, "scaleDown"))
        run.clear()
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        await run.schedule(30)
        assert run.replicas() == 1
        annotate(run, paused_scale_in=None)
        await run.until(lambda: run.replicas() == 0)


async def test_force_activation_is_work(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(meta=annotated(force_activation="true"), cooldownPeriod=5)
        await run.until(lambda: run.replicas() == 1)
        await run.until(lambda: run.notes("KEDAScaleTargetActivated"))
        assert run.notes("KEDAScaleTargetActivated")[0].endswith(", caused by forced activation annotation")
        await run.until(lambda: "being forced by annotation" in run.message("Active"))
        annotate(run, force_activation=None)
        await run.until(lambda: run.replicas() == 0)


async def test_a_fallback_engages_and_lets_go(redis):
    async with controlled(redis, pods="ready") as run:
        run.deployment()
        run.scaled_object(fallback={"failureThreshold": 2, "replicas": 4}, cooldownPeriod=5)
        await run.settled()
        redis.stop()
        await run.until(lambda: run.condition("Fallback") == FALLEN)
        await run.until(lambda: run.replicas() == 4)
        health = run.status()["health"]["s0-redis-jobs"]
        assert health == {"numberOfFailures": 3, "status": "Failing"}
        await run.until(lambda: run.ready() == READY)
        redis.start()
        await run.until(lambda: run.condition("Fallback") == ("False", "NoFallbackFound"))
        await run.until(lambda: run.replicas() == 0)
        told = {"ScaledObjectFallbackActivated", "ScaledObjectFallbackDeactivated"}
        await run.until(lambda: told <= set(run.events()))


async def test_a_restart_does_not_end_a_fallback_whose_source_is_slow_to_fail(redis):
    async def silent(_reader, writer):
        await hang_up.wait()
        writer.close()

    hang_up = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    metadata = {"url": url, "valueLocation": "jobs", "targetValue": "5"}
    async with server, controlled(redis, factor=10) as run:
        run.push()
        run.deployment()
        triggers = [run.redis_trigger(), {"type": "metrics-api", "metadata": metadata}]
        run.scaled_object("worker", *triggers, fallback={"failureThreshold": 1, "replicas": 3})
        await run.until(lambda: run.condition("Fallback") == FALLEN)
        await run.restart()
        await run.polls(4)
        assert run.condition("Fallback") == FALLEN
        assert not run.notes("ScaledObjectFallbackDeactivated")
        hang_up.set()


async def test_a_formula_makes_one_metric_of_two_triggers(redis):
    async with controlled(redis, pods="ready") as run:
        run.deployment()
        named = [{**run.redis_trigger(name), "name": name} for name in ("jobs", "mails")]
        modifiers = {"formula": "jobs + mails * 2", "target": "4", "activationTarget": "2"}
        quick = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
        advanced = {"scalingModifiers": modifiers, "horizontalPodAutoscalerConfig": quick}
        run.scaled_object("worker", *named, advanced=advanced, cooldownPeriod=5)
        await run.settled()
        (metric,) = run.hpa()["spec"]["metrics"]
        assert metric["external"]["metric"]["name"] == "composite-metric"
        assert run.status()["compositeScalerName"] == "composite-metric"
        run.push(2, "jobs")
        await run.polls(4)
        assert run.replicas() == 0
        run.push(7, "mails")
        await run.until(lambda: run.replicas() == 4)
        run.clear("jobs")
        run.clear("mails")
        await run.until(lambda: run.replicas() == 0)


async def test_the_old_replicas_come_back_when_the_object_is_deleted(redis):
    async with controlled(redis) as run:
        run.deployment(replicas=2)
        run.scaled_object(advanced={"restoreToOriginalReplicaCount": True}, cooldownPeriod=5)
        await run.until(lambda: run.replicas() == 0)
        assert run.object()["metadata"]["finalizers"] == ["finalizer.keda.sh"]
        await run.stop()
        run.delete()
        await run.start()
        await run.until(lambda: run.replicas() == 2)
        await run.until(lambda: not run.api.list(*SCALED_OBJECTS, "default"))


async def test_an_observed_object_is_decided_about_and_nothing_is_written(redis):
    async with controlled(redis) as run:
        run.deployment(replicas=1)
        run.push()
        run.scaled_object(meta={"annotations": {"tidegate.dev/mode": "observe"}}, cooldownPeriod=5)
        await run.until(lambda: run.controller.decision("default", "worker"))
        run.clear()
        await run.until(lambda: run.controller.decision("default", "worker").reason == "Deactivated")
        await run.polls(3)
        assert (run.replicas(), run.hpa(), run.status(), run.events()) == (1, None, {}, [])
        assert not [
            what for _, what in run.writes() if what.partition(".")[0] in {"scaledobjects", "deployments"}
        ]


async def test_what_only_kedas_webhook_refuses_runs_and_is_told(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        run.scaled_object("second", run.redis_trigger("others"))  # On the same target.
        await run.settled("second")
        told = list(lines(run.controller.journal.document("default", "second"), 5))
        assert any(
            "KEDA's webhook would refuse it" in line and "other-scaled-object" in line for line in told
        )
        assert list(run.controller.admissions.refused()) == [("default", "second", "other-scaled-object")]
        run.delete("second")
        await run.until(lambda: not list(run.controller.admissions.refused()))
