"""Many objects at once: a broker that answers 0 for everything is braked, and a mass wake-up keeps to its budget."""

import pytest
from controlled import controlled

from scaler.settings import ControllerSettings

pytestmark = pytest.mark.server

MANY = 40


def objects(run, count=MANY, **more):
    for number in range(count):
        name = f"o{number}"
        run.deployment(name)
        run.scaled_object(name, run.redis_trigger(name), to=name, maxReplicaCount=1, **more)


def awake(run, count=MANY):
    return sum(run.replicas(f"o{number}") > 0 for number in range(count))


def fill(run, count=MANY):
    for number in range(count):
        run.push(name=f"o{number}")


async def test_a_mass_event_is_paced_and_told_once_and_let_through_on_request(redis):
    async with controlled(redis, factor=20, hpa_sync=6000) as run:
        fill(run)
        objects(run, cooldownPeriod=20)
        await run.until(lambda: awake(run) == MANY)
        await run.polls(2)
        redis.cli("FLUSHALL")  # As after a failover to an empty replica.
        await run.until(lambda: awake(run) < MANY)  # The first cooldown is over.
        await run.schedule(60)
        assert MANY - awake(run) <= MANY * 0.1 + 1
        told = [e for e in run.api.list("", "events", "default") if e["reason"] == "MassEventBrakeEngaged"]
        assert len(told) == 1
        assert f"of {MANY} active objects" in told[0]["message"]
        assert sum(run.controller.restraints.braked().values()) >= MANY * 0.8
        assert run.controller.restraints.engagements == 1
        held = next(f"o{number}" for number in range(MANY) if run.replicas(f"o{number}"))
        await run.until(lambda: run.message("Active", held).startswith("Braked"))

        run.api.merge_patch(
            "", "namespaces", "", "default", {"metadata": {"annotations": {"tidegate.dev/brake": "off"}}}
        )
        await run.until(lambda: awake(run) == 0)


async def test_queues_that_drain_one_by_one_are_no_mass_event(redis):
    async with controlled(redis, factor=40, hpa_sync=6000) as run:
        fill(run)
        objects(run, cooldownPeriod=20)
        await run.until(lambda: awake(run) == MANY)
        for number in range(MANY):
            run.clear(f"o{number}")
            await run.schedule(5)  # Two a poll round.
        await run.until(lambda: awake(run) == 0)
        assert run.controller.restraints.engagements == 0


async def test_a_restart_does_not_forget_the_brake(redis):
    async with controlled(redis, factor=20, hpa_sync=6000) as run:
        fill(run)
        objects(run, cooldownPeriod=20)
        await run.until(lambda: awake(run) == MANY)
        await run.polls(2)
        redis.cli("FLUSHALL")
        told = "then the mass-event brake paces it"
        await run.until(
            lambda: sum(run.message("Active", f"o{n}").endswith(told) for n in range(MANY)) > MANY * 0.9
        )
        await run.restart()
        await run.until(lambda: awake(run) < MANY)
        await run.schedule(60)
        assert awake(run) > MANY / 2


async def test_a_mass_wake_up_keeps_to_its_budget(redis):
    settings = ControllerSettings(wake_budget=20)
    async with controlled(redis, factor=20, hpa_sync=6000, settings=settings) as run:
        objects(run, count=50)
        await run.until(lambda: all(run.ready(f"o{n}") == ("True", "ScaledObjectReady") for n in range(50)))
        fill(run, 50)
        await run.until(lambda: awake(run, 50) >= 20)
        first = awake(run, 50)
        assert first <= 30
        waiting = next(f"o{number}" for number in range(50) if not run.replicas(f"o{number}"))
        await run.until(lambda: run.message("Active", waiting).startswith(("AwaitsBudget", "Activated")))
        await run.until(lambda: awake(run, 50) == 50)


async def test_who_had_no_budget_and_then_no_work_is_woken_by_the_next_work(redis):
    settings = ControllerSettings(wake_budget=1)
    async with controlled(redis, factor=40, hpa_sync=6000, settings=settings) as run:
        objects(run, count=2)
        await run.until(lambda: all(run.ready(f"o{n}") == ("True", "ScaledObjectReady") for n in range(2)))
        fill(run, 2)
        await run.until(lambda: awake(run, 2) == 1)
        late = next(f"o{number}" for number in range(2) if not run.replicas(f"o{number}"))
        await run.until(lambda: run.message("Active", late).startswith("AwaitsBudget"))
        run.clear(late)
        await run.until(lambda: run.active(late) == ("False", "ScalerNotActive"))
        run.push(name=late)
        await run.until(lambda: run.replicas(late) == 1)
