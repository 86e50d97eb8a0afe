"""What holds of every decision. Each law takes the module to judge (the real one or a mutant) and a world.

Laws say *exactly when*, not *only if*: a law that is silent about most worlds lets a mutant live in them.
"""

import math
from datetime import timedelta
from fractions import Fraction

from worlds import CREATED, NOW, TICK, cpu, failed, outcome


def decide(module, world):
    return world.decide(module)


# Exactly when, and what.


def goes_down_exactly_when_quiet_above_rest_past_the_cooldown_and_nothing_holds_it(module, world):
    decision = decide(module, world)
    over = world.now - world.cooldown_end > timedelta(0)
    down = world.quiet and world.replicas > world.rest and world.may_fall and over
    expected = down and world.must_stay is None
    assert (decision.reason == "Deactivated") == expected
    if not world.paused:
        assert (decision.replicas is not None and decision.replicas < world.replicas) == expected
    if expected:
        assert decision.replicas == world.rest
    for reason in ("ScaleInPaused", "ScalingIn", "Braked"):
        assert (decision.reason == reason) == (down and world.must_stay == reason)


def goes_up_exactly_when_work_finds_no_floor_or_quiet_finds_too_few(module, world):
    decision = decide(module, world)
    wanted = world.work and world.must_jump
    jump = wanted and world.may_not_rise is None
    lift = world.quiet and world.replicas < world.rest
    assert (decision.reason == "Activated") == jump
    assert (decision.reason == "RaisedToMinimum") == lift
    if not world.paused:
        assert (decision.replicas is not None and decision.replicas > world.replicas) == (jump or lift)
    if jump:
        assert decision.replicas == world.floor
    if lift:
        assert decision.replicas == world.rest
    for reason in ("ScaleOutPaused", "AwaitsBudget"):
        assert (decision.reason == reason) == (wanted and world.may_not_rise == reason)


def leaves_the_replicas_exactly_as_the_table_says(module, world):
    decision = decide(module, world)
    above = world.quiet and world.replicas > world.rest
    waiting = above and world.may_fall and world.now <= world.cooldown_end
    resting = world.quiet and (world.replicas == world.rest or (above and not world.may_fall))
    assert (decision.reason == "HPAInCharge") == (world.work and not world.must_jump)
    assert (decision.reason == "TriggersFailed") == (not world.paused and not world.work and world.unknown)
    assert (decision.reason == "CoolingDown") == waiting
    assert (decision.reason == "AtRest") == resting
    moves = decision.reason in {"Activated", "Deactivated", "RaisedToMinimum"}
    if not world.paused:
        assert (decision.replicas is None) == (not moves)


def paused_means_the_paused_count_and_nothing_else(module, world):
    decision = decide(module, world)
    assert (decision.reason == "Paused") == world.paused
    if world.paused:
        assert decision.replicas == world.pause.get("replicas")


def the_hpa_owns_the_number_from_the_floor_upwards(module, world):
    """No write from the floor or above to the floor or above, and without `desired` none beyond the floor."""
    decision = decide(module, world)
    if decision.replicas is not None and not world.paused:
        assert not (world.replicas >= world.floor and decision.replicas >= world.floor)
        assert 0 <= decision.replicas <= world.floor


def work_and_only_work_moves_the_last_active_moment(module, world):
    decision = decide(module, world)
    assert decision.last_active == (world.now if world.work else world.last_active)
    assert decision.active == (True if world.work else None if world.unknown else False)
    working = [given["metric"] for given in world.outcomes if given["active"] is True]
    assert list(decision.triggers) == ([] if world.paused else working)
    assert decision.forced == (world.forced and not world.paused)


def the_end_of_the_cooldown_is_told_exactly_while_it_is_awaited(module, world):
    decision = decide(module, world)
    waiting = decision.reason == "CoolingDown"
    assert decision.cooldown_until == (world.cooldown_end if waiting else None)
    if waiting:
        at_the_end = decide(module, world.but(now=decision.cooldown_until))
        assert at_the_end.reason == "CoolingDown"
        later = world.but(now=decision.cooldown_until + TICK)
        held = later.must_stay
        assert decide(module, later).replicas == (world.rest if held is None else None)


# How decisions hang together.


def deciding_again_after_the_write_writes_nothing(module, world):
    decision = decide(module, world)
    if decision.replicas is not None:
        again = world.but(replicas=decision.replicas, last_active=decision.last_active)
        # A pause says its count again and again: writing what is there already is no write.
        assert decide(module, again).replicas in {None, decision.replicas if world.paused else None}


def what_is_not_known_is_never_taken_for_no_work(module, world):
    """Any trigger may fail on top: without work nothing moves, with work nothing changes."""
    before = decide(module, world)
    index = len(world.outcomes)
    after = decide(module, world.but(outcomes=(*world.outcomes, failed(index))))
    if world.paused or world.forced or any(given["active"] for given in world.outcomes):
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
    if not world.paused:
        assert busy.active is True
        jump = world.may_not_rise or "Activated"
        assert busy.reason == (jump if world.must_jump else "HPAInCharge")


def force_activation_is_work_in_a_trigger(module, world):
    """It decides as a trigger with work would, whatever the others say."""
    forced = decide(module, world.but(policy={**world.policy, "forced": True}))
    busy = decide(module, world.but(outcomes=(*world.outcomes, outcome(len(world.outcomes), active=True))))
    assert (forced.replicas, forced.reason, forced.active) == (busy.replicas, busy.reason, busy.active)


# The trail: how it came about.


def the_trail_leads_from_the_present_to_what_is_decided(module, world):
    decision = decide(module, world)
    at = world.replicas
    for step in decision.trail:
        assert step.before == at
        assert step.note
        at = step.after
    assert decision.trail
    assert at == (world.replicas if decision.replicas is None else decision.replicas)


def the_trail_names_the_rules_that_had_a_say(module, world):
    decision = decide(module, world)
    assert [(step.name, step.after) for step in decision.trail] == list(steps(world, decision.reason))


def steps(world, reason):
    """The rules and what each makes of the count."""
    if world.paused:
        yield (
            "pause",
            world.pause.get("replicas") if world.pause.get("replicas") is not None else world.replicas,
        )
    elif reason == "TriggersFailed":
        yield "policy", world.replicas
    elif world.work:
        yield from steps_of_work(world)
    else:
        yield "triggers", 0
        yield "min", world.rest
        last = {
            "AtRest": ["hpa"] if world.replicas > world.rest else [],
            "CoolingDown": ["cooldown", "brake"] if world.restraint.get("braked") else ["cooldown"],
            "ScaleInPaused": ["pause"],
            "ScalingIn": ["policy"],
            "Braked": ["brake"],
        }
        yield from ((name, world.replicas) for name in last.get(reason, []))


def steps_of_work(world):
    counts = [
        math.ceil(max(0, Fraction(o["value"])) * 1000 / o["target"] * (scaled(world, o)))
        for o in world.outcomes
        # A number without an end, in thousandths, asks for no count.
        if o["value"] is not None and o["value"] < 1e300 and o.get("metric_type") != "Resource"
    ]
    wish = max(counts, default=world.floor)
    yield "triggers", wish
    if wish > world.policy.get("maximum", 100):
        yield "max", world.policy.get("maximum", 100)
    elif wish < world.floor:
        yield "min", world.floor
    if not world.must_jump:
        yield "hpa", world.replicas
        return
    yield "activation", world.floor
    if world.may_not_rise is not None:
        yield "pause" if world.may_not_rise == "ScaleOutPaused" else "brake", world.replicas


def scaled(world, given):
    return max(world.replicas, 1) if given.get("metric_type") == "Value" else 1


LAWS = (
    goes_down_exactly_when_quiet_above_rest_past_the_cooldown_and_nothing_holds_it,
    goes_up_exactly_when_work_finds_no_floor_or_quiet_finds_too_few,
    leaves_the_replicas_exactly_as_the_table_says,
    paused_means_the_paused_count_and_nothing_else,
    the_hpa_owns_the_number_from_the_floor_upwards,
    work_and_only_work_moves_the_last_active_moment,
    the_end_of_the_cooldown_is_told_exactly_while_it_is_awaited,
    deciding_again_after_the_write_writes_nothing,
    what_is_not_known_is_never_taken_for_no_work,
    a_cpu_trigger_beside_others_says_nothing,
    the_order_of_the_triggers_does_not_matter,
    one_trigger_with_work_is_enough,
    force_activation_is_work_in_a_trigger,
    the_trail_leads_from_the_present_to_what_is_decided,
    the_trail_names_the_rules_that_had_a_say,
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
    restraint = module.Restraint(**jump.restraint)
    decision = module.decide(policy, outcomes, 0, module.Times(CREATED, None), NOW, restraint=restraint)
    assert decision.reason == "Activated"
    last = decision.trail[-1]
    assert (last.name, last.after) == ("activation", decision.replicas)
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


def after_an_activation_without_ready_pods_the_first_write_is_the_floor(module, jump):
    careful = type(jump)(jump.minimum, jump.maximum, jump.up, jump.outcomes, {"to_floor": True})
    assert first_write(module, careful) == max(jump.minimum, 1)


JUMP_LAWS = (
    after_an_activation_without_ready_pods_the_first_write_is_the_floor,
    the_first_write_is_what_the_backlog_needs_within_the_limits,
    the_first_write_counts_only_known_numbers_per_replica,
)
