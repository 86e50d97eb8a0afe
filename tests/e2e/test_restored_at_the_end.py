"""The end of an object that wants its replicas restored: done wherever it is possible, and never a reason to stay."""

import pytest
from controlled import SCALED_OBJECTS, controlled

pytestmark = pytest.mark.server
RESTORE = {"restoreToOriginalReplicaCount": True}


def gone(run):
    return not run.api.list(*SCALED_OBJECTS, "default")


def finalizers(run):
    return run.object()["metadata"].get("finalizers")


def mode(run, word):
    body = {"metadata": {"annotations": {"tidegate.dev/mode": word}}}
    run.api.merge_patch("", "namespaces", "", "default", body)


async def test_who_was_deleted_while_only_observed_goes_when_that_ends(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(advanced=RESTORE)
        await run.settled()
        await run.until(lambda: finalizers(run))
        mode(run, "observe")
        await run.until(lambda: run.controller._sightings.defaults("default"))
        run.delete()
        await run.schedule(60)
        assert finalizers(run)
        mode(run, None)
        await run.until(lambda: gone(run))


async def test_a_count_that_no_target_takes_keeps_nobody(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(advanced=RESTORE)
        await run.settled()
        await run.until(lambda: finalizers(run))
        body = {"status": {"originalReplicaCount": -1}}
        run.api.merge_patch(*SCALED_OBJECTS, "default", "worker", body, subresource="status")
        run.delete()
        await run.until(lambda: gone(run))
        assert run.replicas() == 0


async def test_the_wish_may_come_while_the_object_is_paused(redis):
    async with controlled(redis) as run:
        run.push()
        run.deployment(replicas=3)
        run.scaled_object()
        await run.until(lambda: run.status().get("originalReplicaCount") == 3)
        run.patch(metadata={"annotations": {"autoscaling.keda.sh/paused-replicas": "1"}})
        await run.until(lambda: run.replicas() == 1)
        run.patch(spec={"advanced": RESTORE})
        await run.until(lambda: finalizers(run))
        run.delete()
        await run.until(lambda: gone(run))
        assert run.replicas() == 3
