"""The mass-event brake: worked examples, and properties of random lives against the plainest possible reading."""

import brake_laws
import pytest
from brake_laws import MINUTE, World, busiest, uid
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.core import brake
from scaler.core.pacing import Pacing


@pytest.mark.parametrize("example", brake_laws.EXAMPLES, ids=lambda example: example.__name__)
def test_example(example):
    example(brake)


class Plain:
    """The rule, by going through every moment at every fall. One source, one trigger each."""

    def __init__(self, share, least, interval):
        self.share, self.least, self.reach = share, least, 0.8 * interval
        self.above, self.last, self.fallen, self.counts = set(), {}, {}, []

    def read(self, number, above, now):
        """Is there an event?"""
        if above:
            self.above.add(number)
            self.last[number] = now
            self.fallen.pop(number, None)
        elif number in self.above:
            self.counts.append((now, len(self.above)))
            self.above.discard(number)
            after = min(self.last[number], now - self.reach)
            self.fallen[number] = (after, now)
            return any(self.event(at) for _, at in self.fallen.values() if at > after)
        return False

    def event(self, moment):
        fell = sum(1 for after, at in self.fallen.values() if after < moment <= at)
        of = max([count for at, count in self.counts if at >= moment] + [len(self.above)])
        return fell >= self.least and min(fell, of - len(self.above)) > self.share * of


LIVES = st.lists(
    st.lists(st.integers(0, 3), min_size=12, max_size=12), min_size=1, max_size=14
)  # By poll: 0 nothing, 1 work, 2 unknown, 3 as before


@settings(deadline=None)
@given(LIVES, st.sampled_from([0.3, 0.5, 0.7]), st.integers(2, 6), st.sampled_from([0.0, 3.0, 10.0]))
def test_it_engages_exactly_when_the_plain_rule_says(lives, share, least, spread):
    """Up to the first event; sources of one and a plain rule for it."""
    world, plain = World(brake, share=share, least=least), Plain(share, least, 10.0)
    before = [0] * 12
    for turn, polls in enumerate(lives):
        for number, seen in enumerate(polls):
            if seen == 2:
                continue
            above = bool(seen) if seen < 2 else bool(before[number])
            before[number] = above
            now = 10.0 * turn + spread * number / 12
            event = plain.read(number, above, now)
            edge = world.read(number, above, now, interval=10.0)
            assert isinstance(edge, brake.Engaged) == event
            if event:
                return


@st.composite
def moves(draw):
    """What happens to a dozen objects on two sources: reads, asks, rests, releases, deletions, edits, restarts."""
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["above", "zero", "zero", "zero", "ask", "ask", "rest", "release", "forget", "edit"]
                ),
                st.integers(0, 11),
                st.floats(0, 30),
                st.booleans(),
            ),
            max_size=150,
        )
    )


@settings(deadline=None)
@given(moves(), st.sampled_from([0.1, 0.25, 0.5]))
def test_a_random_life_keeps_the_promises(happenings, pace):
    world = World(brake, share=0.4, least=3, pace=pace)
    world.poll(range(12), 0.0, source="a")
    now, asked, engaged, known = 30.0, {}, set(), set(range(12))
    for what, number, later, every in happenings:
        now += later
        numbers = range(12) if every else [number]
        before = len(world.edges)
        for one in numbers:
            source = "a" if one % 4 else "b"
            if what in {"above", "zero"}:
                known.add(one)
                world.read(one, what == "above", now, source=source)
                if what == "above":
                    asked.pop(one, None)
            elif what == "ask":
                slot = world.brake.slot(uid(one), now)
                was_held = (
                    world.brake._objects.get(uid(one)) is not None
                    and slot == world.brake._objects[uid(one)].held
                )
                assert slot >= now or asked.get(one) == slot or was_held
                if one in asked:
                    assert slot == asked[one], "assigned once"
                if world.brake._objects.get(uid(one)) and world.brake._objects[uid(one)].slot is not None:
                    asked[one] = slot
            elif what == "rest":
                world.note(world.brake.at_rest(uid(one)))
                asked.pop(one, None)
            elif what == "release":
                world.note(world.brake.release(uid(one)))
                assert world.brake.slot(uid(one), now) == now or one not in known
                asked.pop(one, None)
            elif what == "forget":
                world.note(world.brake.forget(uid(one)))
                asked.pop(one, None)
                known.discard(one)
            else:
                world.brake.edit(uid(one), [])
        for edge in world.edges[before:]:  # Engaged and ended take turns.
            if isinstance(edge, brake.Engaged):
                assert edge.source not in engaged
                engaged.add(edge.source)
                assert edge.fell >= 3
                assert edge.fell > 0.4 * edge.of
            else:
                engaged.remove(edge.source)
        assert set(world.brake.engaged()) == engaged
        assert all(count > 0 for count in world.brake.engaged().values())
    for number in range(12):
        world.note(world.brake.forget(uid(number)))
    assert world.brake.engaged() == {}
    assert (world.brake._objects, world.brake._scopes) == ({}, {})
    assert world.brake._whole.falls.active == 0


@given(
    st.lists(st.floats(0, 40), min_size=1, max_size=80),
    st.integers(1, 300),
    st.sampled_from([0.1, 0.3, 1.0]),
    st.lists(st.floats(-90, 0), max_size=20),
)
def test_never_more_than_the_pace_in_any_minute_and_all_in_the_end(gaps, affected, pace, passed):
    """Asked at any moments; those that passed before count too, as far as they kept the pace themselves."""
    rate = max(1, int(pace * affected))
    passed = sorted(passed)[:rate]
    pacing = Pacing()
    pacing.count(passed)
    now, slots = 0.0, list(passed)
    for gap in gaps:
        now += gap
        slot = pacing.slot(affected - pacing.through, pace, now)
        assert now <= slot <= now + MINUTE * (len(slots) + 1) / rate + MINUTE
        slots.append(slot)
    assert slots[len(passed) :] == sorted(slots[len(passed) :])
    assert busiest(slots) <= rate


@given(st.integers(20, 120), st.integers(0, 120), st.floats(0, 29))
def test_a_mass_event_is_paced_whatever_falls_beside_it(mass, beside, spread):
    world = World(brake)
    world.poll(range(mass + beside), 0.0, spread=spread)
    world.drained(range(mass), 30.0, spread=spread)
    world.poll(range(mass, mass + beside), 30.0, spread=spread)
    event = mass > (mass + beside) / 2
    assert len(world.engaged) == event
    slots = world.slots(range(mass), 360.0)
    if event:
        assert busiest(slots) == max(1, mass // 10)
    else:
        assert slots == [360.0] * mass
    world.rest(range(mass))
    assert world.brake.engaged() == {}
    assert len(world.ended) == event
