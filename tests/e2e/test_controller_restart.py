"""State is what can be read again: a restart may lengthen a cooldown, never shorten it, and forgets nothing else."""

import socket
from datetime import timedelta

import pytest
from controlled import controlled

from scaler.core.model import moment

pytestmark = pytest.mark.server


async def test_active_before_and_no_work_after_it_cools_down_from_now(redis):
    async with controlled(redis, factor=40) as run:
        run.push()
        run.deployment()
        run.scaled_object(cooldownPeriod=60, maxReplicaCount=1)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.settled()
        began = moment(run.status()["lastActiveTime"])
        await run.stop()
        run.clear()
        await run.schedule(
            70
        )  # Longer than the cooldown: who counted from lastActiveTime would scale in at once.
        started = run.embedded.clock.now()
        await run.start()
        await run.until(lambda: run.active() == ("False", "ScalerCooldown"))
        assert run.replicas() == 1
        ended = moment(run.status()["lastActiveTime"])
        assert ended > began
        assert ended >= started
        await run.until(lambda: run.replicas() == 0)
        assert run.embedded.clock.now() >= started + timedelta(seconds=60)


async def test_a_running_cooldown_goes_on(redis):
    async with controlled(redis, factor=40) as run:
        run.push()
        run.deployment()
        run.scaled_object(cooldownPeriod=60, maxReplicaCount=1)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        run.clear()
        await run.until(lambda: run.active() == ("False", "ScalerCooldown"))
        ended = run.status()["lastActiveTime"]
        await run.restart()
        await run.until(lambda: run.replicas() == 0)
        assert run.status()["lastActiveTime"] == ended
        now = run.embedded.clock.now()
        assert moment(ended) + timedelta(seconds=60) <= now


async def test_at_rest_nothing_happens(redis):
    async with controlled(redis, factor=40) as run:
        run.deployment()
        run.scaled_object()
        await run.settled()
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        await run.polls(2)
        before = len(run.writes())
        await run.stop()
        await run.start()
        await run.until(lambda: run.embedded.decision("default", "worker") != "not decided yet")
        await run.polls(2)
        written = [what for _, what in run.writes()[before:]]
        assert set(written) <= {"services", "apiservices.apiregistration.k8s.io"}  # It says where it is now.
        assert run.replicas() == 0


async def test_steadily_busy_nothing_happens_either(redis):
    # Slow enough for the HPA to stay young: it misses its metric while nobody serves it.
    async with controlled(redis, factor=2) as run:
        run.push()
        run.deployment()
        run.scaled_object(maxReplicaCount=1, pollingInterval=1)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.settled()
        await run.polls(2)
        before = run.object()["metadata"]["resourceVersion"]
        await run.restart()
        await run.until(lambda: "HPAInCharge" in run.embedded.decision("default", "worker"))
        await run.polls(3)
        assert run.object()["metadata"]["resourceVersion"] == before


async def test_redis_is_down_when_the_controller_starts(redis):
    async with controlled(redis, factor=40) as run:
        run.push(20)
        run.deployment()
        run.scaled_object(cooldownPeriod=10, maxReplicaCount=2)
        await run.until(lambda: run.replicas() == 2)
        await run.settled()
        await run.stop()
        redis.stop()
        await run.start()
        await run.until(run.failing)  # It was good once, so it stays in charge: a fallback could act.
        await run.schedule(40)
        assert run.replicas() == 2
        assert run.hpa()
        redis.start()
        await run.settled()
        await run.until(lambda: run.replicas() == 0)


async def test_a_trigger_that_never_answers_holds_nobody_up_and_lets_nobody_down(redis):
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with controlled(redis, factor=40) as run:
            await beside_a_silent_one(run, server.getsockname()[1])


async def beside_a_silent_one(run, port):
    run.push()
    run.deployment()
    silent = run.redis_trigger("far", address=f"127.0.0.1:{port}")
    run.scaled_object("worker", silent, run.redis_trigger(), cooldownPeriod=5)
    await run.until(lambda: run.replicas() == 1)
    await run.settled()  # Its sibling has seconds before it fails, and is no fault before that.
    run.clear()
    await run.until(run.failing)
    await run.until(lambda: "TriggersFailed" in run.embedded.decision("default", "worker"))
    await run.schedule(40)
    assert run.replicas() == 1
