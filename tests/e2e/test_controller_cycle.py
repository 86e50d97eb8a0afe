"""0 → N → 0 with the default activation: replicas, conditions, Events, and that nothing is written at rest."""

import pytest
from controlled import controlled

from scaler.core.model import moment

pytestmark = pytest.mark.server


async def test_zero_to_floor_to_zero(redis):
    async with controlled(redis, pods="ready") as run:
        run.deployment(replicas=1)
        run.scaled_object(cooldownPeriod=20, maxReplicaCount=4)
        await run.until(lambda: run.replicas() == 0)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert "lastActiveTime" not in run.status()
        await run.until(lambda: run.writes("deployments.apps/scale") == [("patch", "deployments.apps/scale")])

        run.push(20)
        await run.until(lambda: run.replicas() > 0)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        note = "Scaled apps/v1.Deployment default/web from 0 to 1, triggered by s0-redis-jobs"
        await run.until(lambda: run.notes("KEDAScaleTargetActivated") == [note])
        assert len(run.writes("deployments.apps/scale")) == 2
        began = moment(run.status()["lastActiveTime"])
        await run.until(lambda: run.replicas() == 4)  # The HPA's ramp, on our metric.
        assert run.ready() == ("True", "ScaledObjectReady")

        run.clear()
        await run.until(lambda: run.active() == ("False", "ScalerCooldown"))
        ended = moment(run.status()["lastActiveTime"])
        assert ended > began
        await run.until(lambda: run.replicas() == 0)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert moment(run.status()["lastActiveTime"]) == ended
        told = {
            "KEDAScalersStarted",
            "ScaledObjectReady",
            "KEDAScaleTargetActivated",
            "KEDAScaleTargetDeactivated",
        }
        await run.until(lambda: set(run.events()) == told)
        notes = run.notes("KEDAScaleTargetDeactivated")
        assert all(note.startswith("Deactivated apps/v1.Deployment default/web from ") for note in notes)
        assert run.status()["externalMetricNames"] == ["s0-redis-jobs"]
        assert run.status()["hpaName"] == "keda-hpa-worker"
        assert run.status()["originalReplicaCount"] == 1
        assert run.status()["triggersActivity"] == {"s0-redis-jobs": {"isActive": False}}


async def test_nothing_is_written_while_steadily_busy_or_idle(redis):
    async with controlled(redis, factor=50) as run:
        run.push(3)
        run.deployment()
        run.scaled_object(maxReplicaCount=1, cooldownPeriod=30)
        await run.until(lambda: run.replicas() == 1)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.settled()
        await run.polls(3)
        busy = len(run.writes())
        before = run.object()["metadata"]["resourceVersion"]
        await run.polls(10)
        assert len(run.writes()) == busy
        assert run.object()["metadata"]["resourceVersion"] == before

        run.clear()
        await run.until(lambda: run.replicas() == 0, within=60)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        await run.polls(3)
        idle = len(run.writes())
        await run.polls(10)
        assert len(run.writes()) == idle
