"""`decide` by law (laws.py), over worlds drawn near the border and in every mood (worlds.py)."""

import json
from collections import Counter

import laws
import pytest
from cores import REAL
from hypothesis import HealthCheck, event, given, settings
from worlds import a_world, jumps, spread, worlds

from scaler.core import decision, record


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@given(world=worlds())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_law(law, world):
    event(laws.decide(REAL, world).reason)
    law(REAL, world)


@pytest.mark.parametrize("law", laws.JUMP_LAWS, ids=lambda law: law.__name__)
@given(jump=jumps())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_law_of_the_first_write(law, jump):
    law(REAL, jump)


def test_the_worlds_reach_every_reason_often():
    """A law is silent where no world goes: each reason must be met in at least one world of fifty."""
    met = Counter(laws.decide(REAL, world).reason for world in spread(a_world, 2000))
    rare = {reason: met[reason] for reason in decision.Reason if met[reason] < met.total() / 50}
    assert not rare


def test_the_jumps_reach_the_floor_the_maximum_and_between():
    met = Counter()

    @given(jump=jumps())
    @settings(max_examples=600, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
    def meet(jump):
        written = laws.first_write(REAL, jump)
        floor = max(jump.minimum, 1)
        met["floor" if written == floor else "maximum" if written == jump.maximum else "between"] += 1
        met["limited"] += written < min(laws.needed(jump), jump.maximum)

    meet()
    assert min(met["floor"], met["maximum"], met["between"], met["limited"]) > 20


@given(world=worlds(), jump=jumps())
def test_a_recorded_decision_replays_exactly(world, jump):
    rules = None
    if jump.up is not None:
        select, window, rates = jump.up
        rates = tuple(decision.desired.Rate(*rate) for rate in rates)
        rules = decision.desired.Rules(select=select, window=window, rates=rates)
    policy = decision.Policy(
        **world.policy, activation="desired", scale_up=rules, pause=REAL.Pause(**world.pause)
    )
    outcomes = [decision.Outcome(**each) for each in (*world.outcomes, *jump.outcomes)]
    times = decision.Times(world.created, world.last_active)
    restraint = decision.Restraint(**world.restraint)
    decided = decision.decide(policy, outcomes, world.replicas, times, world.now, restraint=restraint)
    given_by = record.Given(
        policy=policy,
        outcomes=tuple(outcomes),
        replicas=world.replicas,
        times=times,
        now=world.now,
        restraint=restraint,
    )
    assert given_by.decide() == decided
    line = json.dumps(record.to_record(given_by, decided))
    assert record.replay(json.loads(line)) == decided
    assert record.recorded(json.loads(line)) == decided


def test_what_is_no_record_is_refused_with_the_field():
    with pytest.raises(ValueError, match="given"):
        record.replay({})
