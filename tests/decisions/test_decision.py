"""`decide` by worked example: at least one for every row of its table. The examples are in table.py."""

from datetime import timedelta

import pytest
import table
from cores import REAL
from worlds import NOW, World, cpu, failed, outcome

from scaler.core import decision


@pytest.mark.parametrize(
    ("world", "expected"), [pytest.param(w, e, id=name) for name, w, e in table.EXAMPLES]
)
def test_decision(world, expected):
    table.check(REAL, world, expected)


@pytest.mark.parametrize(
    ("given", "expected"), [pytest.param(g, e, id=name) for name, g, e in table.FIRST_WRITES]
)
def test_first_write(given, expected):
    table.check_first_write(REAL, given, expected)


@pytest.mark.parametrize(("world", "steps"), [pytest.param(w, s, id=name) for name, w, s in table.STEPS])
def test_trail(world, steps):
    table.check_steps(REAL, world, steps)


def test_every_reason_has_an_example():
    assert {expected[0] for _, _, expected in table.EXAMPLES} == set(decision.Reason)


def test_the_border_is_the_first_sentence():
    border = "The HPA owns the replicas from max(minReplicaCount, 1) upwards; we own the steps below"
    assert decision.__doc__.startswith(border)


def test_every_reason_has_a_trail():
    assert {decided(world).reason for _, world, _ in table.STEPS} == set(decision.Reason)


def decided(world):
    return world.decide(REAL)


def test_the_message_names_the_trigger_the_cause_and_the_counts():
    assert decided(World({}, (outcome(active=True),), 0)).message == "work in s0-jobs; from 0 to 1"
    assert decided(World({}, (failed(2),), 0)).message == "s2-jobs: Unavailable connection refused"
    cooling = decided(World({}, (outcome(),), 4, last_active=NOW)).message
    assert cooling == "no work; from 4 to 0 after 2026-01-05T12:05:00Z"
    assert decided(World({}, (outcome(),), 4, pause={"full": True})).message == "paused; at 4"
    elsewhere = World({}, (outcome(),), 4, pause={"full": True, "replicas": 9})
    assert decided(elsewhere).message == "paused; from 4 to 9"
    assert decided(elsewhere.but(replicas=9)).message == "paused; at 9"
    assert (
        decided(World({"forced": True}, (), 0)).message == "activation is forced by annotation; from 0 to 1"
    )
    both = World({"forced": True}, (outcome(active=True),), 2)
    assert decided(both).message == "work in s0-jobs; at 2 the HPA decides"
    assert decided(World({}, (cpu(),), 0)).message == "work in cpu or memory; from 0 to 1"


def test_the_message_names_what_is_waited_for():
    busy, quiet = World({}, (outcome(active=True),), 0), World({}, (outcome(),), 3)
    after = NOW + timedelta(minutes=1)
    assert [
        decided(busy.but(pause={"scale_out": True})).message,
        decided(busy.but(restraint={"awaits_budget": True})).message,
        decided(quiet.but(pause={"scale_in": True})).message,
        decided(quiet.but(policy={"after_scale_in": True})).message,
        decided(quiet.but(restraint={"not_before": after})).message,
    ] == [
        "work in s0-jobs; scale-out is paused at 0",
        "work in s0-jobs; waits for the budget of new pods",
        "no work; from 3 to 0 once scale-in is no longer paused",
        "no work; from 3 to 0 once the HPA has scaled in to 1",
        "no work; from 3 to 0 after 2026-01-05T12:01:00Z: many fell to zero at once",
    ]


def test_a_failure_says_since_when():
    since = NOW - timedelta(minutes=2)
    told = decided(World({}, (failed(0, since=since),), 0)).message
    assert told == "s0-jobs: Unavailable since 2026-01-05T11:58:00Z connection refused"
