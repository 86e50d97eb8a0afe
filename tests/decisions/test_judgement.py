"""`judge` by worked example; the examples are in judgement_table.py. And what is said where a rule cannot act."""

import judgement_table as table
import pytest
from cores import REAL
from worlds import NOW, World, failed, failing, outcome


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, *case in table.PLAIN])
def test_stands_in(case):
    table.check(REAL, *case)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, *case in table.COMPOSITE])
def test_composite(case):
    table.check_composite(REAL, *case)


def decided(policy, outcomes, replicas=2, **more):
    return World(policy, tuple(outcomes), replicas, **more).decide(REAL)


def test_who_stands_in_is_the_trail_s_first_step():
    steps = {}
    for kind, policy in {
        "fallback": table.fallback(4),
        "ignore": table.on_error("ignore"),
        "last-known": table.on_error("last-known", 60),
    }.items():
        first = decided(policy, [outcome(active=True), failing(1)]).trail[0]
        assert (first.before, first.after) == (2, 2)
        steps[kind] = (first.name, first.note)
    assert steps == {
        "fallback": ("fallback", "s1-jobs: the fallback stands in for it"),
        "ignore": ("policy", "s1-jobs: ignored, the others decide"),
        "last-known": ("policy", "s1-jobs: its last value counts"),
    }


def test_a_last_value_that_proves_nothing_is_told_of():
    policy = table.on_error("last-known", 60)
    quiet = decided(policy, [outcome(), failing(1, ago=1, last=0.0, was_active=False)])
    assert quiet.reason == "TriggersFailed"
    assert quiet.message == (
        "s1-jobs: Unavailable since 2026-01-05T11:59:59Z (last-known value) connection refused"
    )


def test_a_fallback_that_cannot_count_says_why():
    policy = table.fallback(4)
    told = decided(policy, [failing(metric_type="Value")], replicas=0).message
    assert told.endswith("connection refused; no fallback, for a Value metric needs ready pods to count with")


def test_a_formula_that_fails_names_its_field():
    told = decided(table.by_formula("x", "a"), [outcome(trigger="a")]).message
    assert told.startswith("composite-metric: FormulaFailed spec.advanced.scalingModifiers.formula: ")


def test_a_composite_metric_names_the_trigger_s_failure():
    since = NOW.replace(minute=0)
    given = [outcome(trigger="a"), failed(1, trigger="b", since=since)]
    told = decided(table.by_formula("a + b", "a", "b"), given).message
    assert told == "composite-metric: Unavailable since 2026-01-05T12:00:00Z connection refused"


def test_fallback_activates_from_zero_and_zero_replicas_deactivate():
    assert decided(table.fallback(4), [failing()], replicas=0).reason == "Activated"
    assert decided(table.fallback(0), [failing()], replicas=2).reason == "Deactivated"
    assert decided(table.on_error("ignore"), [outcome(), failing(1)], replicas=2).reason == "Deactivated"
    assert decided(table.on_error("ignore"), [failing()], replicas=2).reason == "TriggersFailed"
    assert decided({}, [outcome(), failing(1)], replicas=2).reason == "TriggersFailed"


def test_the_bounds_of_stand_in_replicas():
    assert {
        behavior: [
            REAL.stand_in_replicas(REAL.Fallback(threshold=3, replicas=4, behavior=behavior), n)
            for n in (0, 4, 9)
        ]
        for behavior in ("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower")
    } == {
        "static": [4, 4, 4],
        "currentReplicas": [0, 4, 9],
        "currentReplicasIfHigher": [4, 4, 9],
        "currentReplicasIfLower": [0, 4, 4],
    }
