"""What holds of every decision. Each law takes the module to judge (the real one or a mutant) and a world.

Laws say *exactly when*, not *only if*: a law that is silent about most worlds lets a mutant live in them.
"""

import math
from datetime import timedelta
from fractions import Fraction

from worlds import CREATED, NOW, TICK, cpu, failed, outcome


def decide(module, world):
    return module.decide(
        module.Policy(**world.policy),
        [module.Outcome(**given) for given in world.outcomes],
        world.replicas,
        module.Times(world.created, world.last_active),
        world.now,
    )


def may_fall(world):
    """The steps below are ours only where rest is zero or an idle count."""
    return world.idle is not None or world.minimum == 0


def must_jump(world):
    return world.replicas == 0 or (world.idle is not None and world.replicas < world.minimum)


# Exactly when, and what.


def goes_down_exactly_when_quiet_above_rest_and_strictly_past_the_cooldown(module, world):
    decision = decide(module, world)
    over = world.now - world.cooldown_end > timedelta(0)
    expected = world.quiet and world.replicas > world.rest and may_fall(world) and over
    assert (decision.reason == "Deactivated") == expected
    assert (decision.replicas is not None and decision.replicas < world.replicas) == expected
    if expected:
        assert decision.replicas == world.rest


def goes_up_exactly_when_work_finds_no_floor_or_quiet_finds_too_few(module, world):
    decision = decide(module, world)
    jump = world.work and must_jump(world)
    lift = world.quiet and world.replicas < world.rest
    assert (decision.reason == "Activated") == jump
    assert (decision.reason == "RaisedToMinimum") == lift
    assert (decision.replicas is not None and decision.replicas > world.replicas) == (jump or lift)
    if jump:
        assert decision.replicas == world.floor
    if lift:
        assert decision.replicas == world.rest


def leaves_the_replicas_exactly_as_the_table_says(module, world):
    decision = decide(module, world)
    above = world.quiet and world.replicas > world.rest
    waiting = above and may_fall(world) and world.now <= world.cooldown_end
    resting = world.quiet and (world.replicas == world.rest or (above and not may_fall(world)))
    assert (decision.reason == "HPAInCharge") == (world.work and not must_jump(world))
    assert (decision.reason == "TriggersFailed") == (not world.work and world.unknown)
    assert (decision.reason == "CoolingDown") == waiting
    assert (decision.reason == "AtRest") == resting
    moves = decision.reason in {"Activated", "Deactivated", "RaisedToMinimum"}
    assert (decision.replicas is None) == (not moves)


def the_hpa_owns_the_number_from_the_floor_upwards(module, world):
    """No write from the floor or above to the floor or above, and without `desired` none beyond the floor."""
    decision = decide(module, world)
    if decision.replicas is not None:
        assert not (world.replicas >= world.floor and decision.replicas >= world.floor)
        assert 0 <= decision.replicas <= world.floor


def work_and_only_work_moves_the_last_active_moment(module, world):
    decision = decide(module, world)
    assert decision.last_active == (world.now if world.work else world.last_active)
    assert decision.active == (True if world.work else None if world.unknown else False)
    working = [given["metric"] for given in world.outcomes if given["active"] is True]
    assert list(decision.triggers) == working


def the_end_of_the_cooldown_is_told_exactly_while_it_is_awaited(module, world):
    decision = decide(module, world)
    waiting = decision.reason == "CoolingDown"
    assert decision.cooldown_until == (world.cooldown_end if waiting else None)
    if waiting:
        at_the_end = decide(module, world.but(now=decision.cooldown_until))
        assert at_the_end.reason == "CoolingDown"
        assert decide(module, world.but(now=decision.cooldown_until + TICK)).replicas == world.rest


# How decisions hang together.


def deciding_again_after_the_write_writes_nothing(module, world):
    decision = decide(module, world)
    if decision.replicas is not None:
        again = world.but(replicas=decision.replicas, last_active=decision.last_active)
        assert decide(module, again).replicas is None


def what_is_not_known_is_never_taken_for_no_work(module, world):
    """Any trigger may fail on top: without work nothing moves, with work nothing changes."""
    before = decide(module, world)
    index = len(world.outcomes)
    after = decide(module, world.but(outcomes=(*world.outcomes, failed(index))))
    if any(given["active"] for given in world.outcomes):
        assert after == before
    else:
        assert (after.replicas, after.reason) == (None, "TriggersFailed")


def a_cpu_trigger_beside_others_says_nothing(module, world):
    if any(given.get("metric_type") != "Resource" for given in world.outcomes):
        with_cpu = world.but(outcomes=(*world.outcomes, cpu(len(world.outcomes))))
        assert decide(module, with_cpu) == decide(module, world)


def the_order_of_the_triggers_does_not_matter(module, world):
    turned = decide(module, world.but(outcomes=world.outcomes[::-1]))
    decision = decide(module, world)
    assert (turned.replicas, turned.reason, turned.active) == (
        decision.replicas,
        decision.reason,
        decision.active,
    )
    assert sorted(turned.triggers) == sorted(decision.triggers)


def one_trigger_with_work_is_enough(module, world):
    busy = decide(module, world.but(outcomes=(*world.outcomes, outcome(len(world.outcomes), active=True))))
    assert busy.active is True
    assert busy.reason == ("Activated" if must_jump(world) else "HPAInCharge")


LAWS = (
    goes_down_exactly_when_quiet_above_rest_and_strictly_past_the_cooldown,
    goes_up_exactly_when_work_finds_no_floor_or_quiet_finds_too_few,
    leaves_the_replicas_exactly_as_the_table_says,
    the_hpa_owns_the_number_from_the_floor_upwards,
    work_and_only_work_moves_the_last_active_moment,
    the_end_of_the_cooldown_is_told_exactly_while_it_is_awaited,
    deciding_again_after_the_write_writes_nothing,
    what_is_not_known_is_never_taken_for_no_work,
    a_cpu_trigger_beside_others_says_nothing,
    the_order_of_the_triggers_does_not_matter,
    one_trigger_with_work_is_enough,
)


# The first write of `activation: desired`.


def first_write(module, jump):
    """What an object that opted in writes from 0 when it has work (in a trigger that gives no count)."""
    desired = module.desired
    up = None
    if jump.up is not None:
        select, window, rates = jump.up
        up = desired.Rules(select=select, window=window, rates=tuple(desired.Rate(*rate) for rate in rates))
    policy = module.Policy(minimum=jump.minimum, maximum=jump.maximum, activation="desired", scale_up=up)
    given = (*jump.outcomes, outcome(20, active=True, metric_type="Value", value=1e9))
    outcomes = [module.Outcome(**each) for each in given]
    decision = module.decide(policy, outcomes, 0, module.Times(CREATED, None), NOW)
    assert decision.reason == "Activated"
    return decision.replicas


def needed(jump):
    """Exactly: each known AverageValue to three decimals, divided by its target, rounded up."""
    counts = [
        math.ceil(Fraction(f"{given['value']:.3f}") * 1000 / given["target"])
        for given in jump.outcomes
        if given.get("metric_type", "AverageValue") == "AverageValue" and given["value"] is not None
    ]
    return max(counts, default=0)


def allowed(jump):
    floor = max(jump.minimum, 1)
    if jump.up is None:
        return jump.maximum
    select, window, rates = jump.up
    if select == "Disabled" or window:
        return floor
    steps = [
        floor + value if kind == "Pods" else math.ceil(Fraction(floor * (100 + value), 100))
        for kind, value, _ in rates
    ]
    return min(jump.maximum, min(steps) if select == "Min" else max(steps))


def the_first_write_is_what_the_backlog_needs_within_the_limits(module, jump):
    floor = max(jump.minimum, 1)
    assert first_write(module, jump) == max(floor, min(needed(jump), allowed(jump), jump.maximum))


def the_first_write_counts_only_known_numbers_per_replica(module, jump):
    more = (
        *jump.outcomes,
        failed(7),
        cpu(8, value=1e9),
        outcome(9, active=True, value=1e9, metric_type="Value"),
        outcome(10, active=True, value=1e9, target=0),
        outcome(11, value=-1e9, target=-1000),
    )
    changed = type(jump)(jump.minimum, jump.maximum, jump.up, more)
    assert first_write(module, changed) == first_write(module, jump)


JUMP_LAWS = (
    the_first_write_is_what_the_backlog_needs_within_the_limits,
    the_first_write_counts_only_known_numbers_per_replica,
)
