"""`decide` by worked example: at least one for every row of its table. The examples are in table.py."""

import pytest
import table
from worlds import NOW, World, failed, outcome

from scaler.core import decision


@pytest.mark.parametrize(
    ("world", "expected"), [pytest.param(w, e, id=name) for name, w, e in table.EXAMPLES]
)
def test_decision(world, expected):
    table.check(decision, world, expected)


@pytest.mark.parametrize(
    ("given", "expected"), [pytest.param(g, e, id=name) for name, g, e in table.FIRST_WRITES]
)
def test_first_write(given, expected):
    table.check_first_write(decision, given, expected)


def test_every_reason_has_an_example():
    assert {expected[0] for _, _, expected in table.EXAMPLES} == set(decision.Reason)


def test_the_border_is_the_first_sentence():
    border = "The HPA owns the replicas from max(minReplicaCount, 1) upwards; we own the steps below"
    assert decision.__doc__.startswith(border)


def decided(world):
    return decision.decide(
        decision.Policy(**world.policy),
        [decision.Outcome(**each) for each in world.outcomes],
        world.replicas,
        decision.Times(world.created, world.last_active),
        world.now,
    )


def test_the_message_names_the_trigger_the_cause_and_the_counts():
    assert decided(World({}, (outcome(active=True),), 0)).message == "work in s0-jobs; from 0 to 1"
    assert decided(World({}, (failed(2),), 0)).message == "s2-jobs: Unavailable connection refused"
    cooling = decided(World({}, (outcome(),), 4, last_active=NOW)).message
    assert cooling == "no work; from 4 to 0 after 2026-01-05T12:05:00Z"
