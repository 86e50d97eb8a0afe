"""Worked examples of the brake. Each takes the module to judge: scaler.core.brake, or a mutant of it or of its parts."""

import math

ROUND = 30.0
COOLDOWN = 300.0
MINUTE = 60.0


class World:
    """A brake, and objects that are polled every ROUND seconds, in the order of their numbers, evenly spread."""

    def __init__(self, module, count=0, *, start=0.0, source="redis", first=0, **settings):
        self.module = module
        self.brake = module.Brake(module.BrakeSettings(**settings))
        self.edges = []
        self.fell = {}
        if count:
            self.poll(range(first, first + count), start, source=source)

    def read(self, number, above, now, *, source="redis", index=0, interval=ROUND):
        edge = self.brake.read(uid(number), source, index, above=above, interval=interval, now=now)
        if not above:
            self.fell.setdefault(number, now)
        self.note(edge)
        return edge

    def poll(self, numbers, now, *, above=lambda _: True, spread=ROUND, **kwargs):
        """One round of polls, from `now` on."""
        numbers = list(numbers)
        for place, number in enumerate(numbers):
            self.read(number, above(number), now + spread * place / len(numbers), **kwargs)

    def note(self, edge):
        if edge is not None:
            self.edges.append(edge)

    def drained(self, numbers, now, **kwargs):
        self.poll(numbers, now, above=lambda _: False, **kwargs)

    def rest(self, numbers):
        for number in numbers:
            self.note(self.brake.at_rest(uid(number)))

    def slots(self, numbers, now):
        return [self.brake.slot(uid(number), now) for number in numbers]

    @property
    def engaged(self):
        return [edge for edge in self.edges if type(edge).__name__ == "Engaged"]

    @property
    def ended(self):
        return [edge for edge in self.edges if type(edge).__name__ == "Ended"]

    def said(self):
        return [(e.source, e.fell, e.of) for e in self.engaged], [(e.source, e.through) for e in self.ended]


def uid(number):
    return f"uid-{number}"


def busiest(slots):
    """The most slots in any minute [t, t + 60)."""
    ordered = sorted(slots)
    return max(sum(1 for slot in ordered if start <= slot < start + MINUTE) for start in ordered)


# When it engages.


def a_thousand_that_answer_zero_at_once_are_one_event(module):
    world = World(module, 1000)
    world.drained(range(1000), ROUND)
    assert world.edges == [module.Engaged("redis", 501, 1000)]
    assert world.brake.engaged() == {"redis": 1000}
    ends = [world.fell[number] + COOLDOWN for number in range(1000)]
    slots = [world.brake.slot(uid(n), ends[n]) for n in range(1000)]
    assert all(slot >= end for slot, end in zip(slots, ends, strict=True))
    assert slots[0] == ends[0]
    assert busiest(slots) == 100
    assert max(slots) < ends[0] + 11 * MINUTE
    for number in sorted(range(1000), key=slots.__getitem__):
        assert world.slots([number], 1e6) == [slots[number]], "assigned once"
        assert world.brake.engaged()
        world.rest([number])
    assert world.brake.engaged() == {}
    assert world.edges[1:] == [module.Ended("redis", 1000)]


def in_one_batch_it_is_the_same(module):
    world = World(module)
    world.poll(range(1000), 0.0, spread=0.0)
    world.drained(range(1000), ROUND, spread=0.0)
    assert world.edges == [module.Engaged("redis", 501, 1000)]
    assert world.brake.engaged() == {"redis": 1000}
    assert busiest(world.slots(range(1000), ROUND + COOLDOWN)) == 100


def half_is_not_more_than_half(module):
    world = World(module, 100)
    world.drained(range(50), ROUND)
    assert not world.edges
    world.read(50, above=False, now=2 * ROUND - 5)
    assert world.said()[0] == [("redis", 51, 100)]


def nineteen_are_too_few(module):
    world = World(module, 25)
    world.drained(range(19), ROUND)
    assert not world.edges
    world.read(19, above=False, now=ROUND + 22.8)
    assert world.said()[0] == [("redis", 20, 25)]


def settings_count(module):
    world = World(module, 10, share=0.25, least=3)
    world.drained(range(2), ROUND)
    assert not world.edges
    world.read(2, above=False, now=ROUND + 6)
    assert world.said()[0] == [("redis", 3, 10)]
    off = World(module, 100, share=1.0)
    off.drained(range(100), ROUND)
    assert not off.edges
    assert off.slots(range(100), 2 * ROUND) == [2 * ROUND] * 100
    half = World(module, 100, pace=0.5)
    half.drained(range(100), ROUND)
    assert busiest(half.slots(range(100), 1000.0)) == 50


def queues_that_drain_one_by_one_are_no_event(module):
    world = World(module, 100)
    for turn in range(1, 10):
        world.poll(range(100), turn * ROUND, above=lambda number, turn=turn: number >= 10 * turn)
    assert not world.edges
    assert world.slots(range(90), 1000.0) == [1000.0] * 90


def two_rounds_do_not_add_up(module):
    """Less than half falls in each; a sleep is late by a hair, and polls come a tenth early to share a batch."""
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0)
    for turn, late, fallen in ((1, 0.004, 30), (2, 0.001, 60), (3, -0.1 * ROUND, 79)):
        world.poll(range(100), turn * ROUND + late, above=lambda n, f=fallen: n >= f, spread=0.0)
    assert not world.edges


def a_fall_of_long_ago_does_not_count(module):
    world = World(module, 100)
    world.drained(range(40), ROUND)
    for turn in range(2, 20):
        world.poll(range(40, 100), turn * ROUND)
    world.drained(range(40, 70), 20 * ROUND)
    assert not world.edges
    world.read(70, above=False, now=21 * ROUND - 15)
    assert world.said()[0] == [("redis", 31, 60)]


def first_reads_are_no_falls(module):
    world = World(module)
    world.drained(range(100), 0.0)
    world.drained(range(100), ROUND)
    assert not world.edges
    assert world.slots(range(100), 2 * ROUND) == [2 * ROUND] * 100


def an_outage_between_makes_no_difference(module):
    """The source failed over, and for ten minutes nothing could be read. Those polled last before fell as well."""
    world = World(module, 100)
    world.drained(range(100), 600.0, spread=5.0)
    assert world.said()[0] == [("redis", 51, 100)]


def what_is_read_more_often_falls_at_once_too(module):
    """Refreshes read every object each second: the event takes three of them, and one poll."""
    world = World(module)
    for second in range(40):
        world.poll(range(100), float(second), spread=0.0)
    for second in range(4):
        world.poll(range(100), 40.0 + second, above=lambda n, s=second: n >= 25 * (s + 1), spread=0.0)
    assert world.said()[0] == [("redis", 51, 100)]


def different_intervals_meet_in_one_moment(module):
    """Half is polled every second and half every minute; the event is at 100 s. Ten drained a while before."""
    world = World(module)
    fast, slow, early = range(50), range(50, 100), range(100, 110)
    for second in range(101):
        world.poll(fast, float(second), spread=0.0, interval=1.0)
        world.poll(early, float(second), above=lambda n, s=second: s < n - 25, spread=0.0, interval=1.0)
    world.poll(slow, 45.0, spread=20.0, interval=60.0)
    world.drained(fast, 101.0, spread=0.0, interval=1.0)
    world.drained([50], 105.0, interval=60.0)
    assert world.said()[0] == [("redis", 51, 100)]


def a_long_interval_does_not_gather_the_short_ones(module):
    """One object is polled once an hour: those that drained in that hour one by one did not fall with it."""
    world = World(module)
    world.poll(range(101), 0.0, spread=0.0)
    for turn in range(1, 71):
        world.poll(range(1, 101), turn * ROUND, above=lambda n, t=turn: n > t, spread=0.0)
    world.read(0, above=False, now=3600.0, interval=3600.0)
    assert not world.edges


def a_long_interval_does_not_join_two_rounds(module):
    """Of 101, 30 fell in each of two rounds that meet at 30 s; one polled once an hour fell with either of them."""
    world = World(module)
    world.poll(range(101), 0.0, spread=0.0)
    world.poll(range(1, 101), 30.0, above=lambda n: n > 30, spread=0.0)
    world.poll(range(31, 101), 60.0, above=lambda n: n > 60, spread=0.0)
    world.read(0, above=False, now=61.0, interval=3600.0)
    assert not world.edges


def half_that_fell_at_once_and_one_beside_it_are_not_more(module):
    """Of 100, 49 fell by 30 s, one by itself a second later, and one read late fell with the 49."""
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0)
    world.read(50, above=True, now=30.5, interval=1.0)
    world.drained(range(49), 30.0, spread=0.0)
    world.read(50, above=False, now=31.5, interval=1.0)
    world.read(49, above=False, now=32.0)
    assert not world.edges
    world.read(51, above=False, now=32.0)
    assert world.said()[0] == [("redis", 51, 100)]


def nineteen_and_one_beside_them_are_too_few(module):
    world = World(module)
    world.poll(range(25), 0.0, spread=0.0)
    world.drained(range(18), 30.0, spread=0.0)
    world.read(19, above=True, now=30.5, interval=1.0)
    world.read(19, above=False, now=31.5, interval=1.0)
    world.read(18, above=False, now=32.0)
    assert not world.edges
    world.read(20, above=False, now=32.0)
    assert world.said()[0] == [("redis", 20, 25)]


def a_long_interval_does_not_undo_that_work_comes_and_goes(module):
    """Of 200 most drained one by one; of 80 a half has work at any time. One more is polled once an hour."""
    world = World(module)
    world.poll(range(201), 0.0, spread=0.0)
    for turn in range(1, 41):
        world.poll(range(1, 201), turn * ROUND, above=lambda n, t=turn: n <= 80 or n > 80 + 3 * t, spread=0.0)
    for turn in (41, 42):
        world.poll(range(1, 81), turn * ROUND, above=lambda n, t=turn: n > 20 * (t - 40), spread=0.0)
    for turn in range(43, 47):
        pairs = [number for pair in zip(range(1, 41), range(41, 81), strict=True) for number in pair]
        world.poll(pairs, turn * ROUND, above=lambda n, t=turn: (n <= 40) == (t % 2 == 1), spread=0.0)
    assert not world.edges
    world.read(0, above=False, now=46 * ROUND + 1, interval=3600.0)
    assert not world.edges


def what_had_work_meanwhile_counts_as_active(module):
    """Of 40, 20 fell by 30 s, then 60 others had work for a while, and then one is read late that fell with the 20."""
    world = World(module)
    world.poll(range(40), 0.0, spread=0.0)
    world.drained(range(20), 30.0, spread=0.0)
    world.poll(range(40, 100), 31.0, spread=0.0, interval=1.0)
    for second in range(32, 47):
        world.poll(
            range(40, 100),
            float(second),
            above=lambda n, s=second: n >= 40 + 4 * (s - 31),
            spread=0.0,
            interval=1.0,
        )
    world.read(20, above=False, now=50.0)
    assert not world.edges


def short_work_comes_and_goes(module):
    """Each queue is seen with work in every second round: all that are active fall in each, as many rise."""
    world = World(module)
    for turn in range(12):
        world.poll(range(100), turn * ROUND, above=lambda n, t=turn: (n + t) % 2 == 0)
    assert not world.edges
    assert world.slots(range(100), 12 * ROUND) == [12 * ROUND] * 100


def who_rose_again_did_not_fall(module):
    world = World(module, 100)
    world.drained(range(50), ROUND)
    world.read(0, above=True, now=2 * ROUND - 14)
    world.read(50, above=False, now=2 * ROUND - 13)
    assert not world.edges
    world.read(51, above=False, now=2 * ROUND - 12)
    assert world.said()[0] == [("redis", 51, 99)]


# Sources and the controller.


def small_sources_are_seen_together(module):
    world = World(module)
    for number in range(60):
        world.read(number, above=True, now=number / 10, source=f"db-{number // 5}")
    for number in range(60):
        world.read(number, above=False, now=ROUND + number / 10, source=f"db-{number // 5}")
    assert world.edges == [module.Engaged(None, 31, 60)]
    assert world.brake.engaged() == {None: 60}
    world.rest(range(60))
    assert world.edges[1:] == [module.Ended(None, 0)]


def a_source_that_tells_is_not_told_again(module):
    """Of 100 on the controller 90 are on one Source; the ten others come and go as ever."""
    world = World(module, 90)
    world.poll(range(90, 100), 0.0, source="kafka")
    world.drained(range(90), ROUND)
    world.poll(range(90, 100), ROUND, source="kafka", above=lambda n: n >= 95)
    assert world.said()[0] == [("redis", 46, 90)]
    assert world.brake.engaged() == {"redis": 90}
    assert world.slots(range(90, 95), 1000.0) == [1000.0] * 5


def what_falls_under_a_source_does_not_count_for_the_controller(module):
    """Redis has told; then 15 more fall there and 18 on small sources: the controller tells of no 33 of 60."""
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0)
    for number in range(100, 120):
        world.read(number, above=True, now=0.0, source=f"db-{number}")
    world.poll(range(100), ROUND, above=lambda n: n >= 60, spread=0.0)
    for number in range(100, 120):
        world.read(number, above=True, now=ROUND, source=f"db-{number}")
    world.drained(range(60, 75), 2 * ROUND, spread=0.0)
    for number in range(100, 118):
        world.read(number, above=False, now=2 * ROUND, source=f"db-{number}")
    assert world.said()[0] == [("redis", 51, 100)]
    assert world.brake.engaged() == {"redis": 75}


def each_large_source_tells_for_itself(module):
    world = World(module, 60)
    world.poll(range(60, 120), 0.0, source="kafka")
    for number in range(60):
        world.read(number, above=False, now=ROUND + number / 100)
        world.read(60 + number, above=False, now=ROUND + number / 100, source="kafka")
    assert world.said()[0] == [("redis", 31, 60), ("kafka", 31, 60)]
    assert world.brake.engaged() == {"redis": 60, "kafka": 60}


def the_rest_of_the_controller_may_tell_after_a_source(module):
    """Redis tells; what fell there is left out when the small ones are counted: 28 of 55 is a half and more."""
    world = World(module, 500)
    for number in range(500, 555):
        world.read(number, above=True, now=1.0, source=f"db-{number % 11}")
    for number in range(500, 527):
        world.read(number, above=False, now=ROUND - 1, source=f"db-{number % 11}")
    world.drained(range(500), ROUND, spread=1.0)
    assert world.said()[0] == [("redis", 251, 500)]
    world.read(527, above=False, now=ROUND + 2, source=f"db-{527 % 11}")
    assert world.said()[0] == [("redis", 251, 500), (None, 28, 55)]


def what_the_controller_has_told_its_sources_do_not(module):
    world = World(module)
    for number in range(200):
        world.read(number, above=True, now=0.0, source="redis" if number < 60 else f"db-{number % 20}")
    for number in [*range(60, 200), *range(60)]:
        world.read(
            number,
            above=False,
            now=ROUND - number / 1e3,
            source="redis" if number < 60 else f"db-{number % 20}",
        )
    assert world.said()[0] == [(None, 101, 200)]
    assert world.brake.engaged() == {None: 200}


def what_falls_later_under_the_controllers_brake_is_not_told(module):
    """The small sources fell; a round later so does the only large one."""
    world = World(module)
    for number in range(200):
        world.read(number, above=True, now=0.0, source="redis" if number < 60 else f"db-{number % 20}")
    world.poll(range(60), ROUND, spread=0.0)
    for number in range(60, 200):
        world.read(number, above=False, now=ROUND, source=f"db-{number % 20}")
    assert world.said()[0] == [(None, 101, 200)]
    world.drained(range(60), 2 * ROUND, spread=0.0)
    assert world.said()[0] == [(None, 101, 200)]
    world.rest(range(60, 200))
    assert not world.ended, "that event holds it too"


def what_the_controller_has_told_its_sources_do_not_when_it_is_over(module):
    """Half of redis fell with the small sources. When all are at rest, one is read late that fell with them."""
    world = World(module)
    for number in range(200):
        world.read(number, above=True, now=0.0, source="redis" if number < 60 else f"db-{number % 20}")
    world.poll(range(60), ROUND, above=lambda n: n >= 30, spread=0.0)
    for number in range(60, 200):
        world.read(number, above=False, now=ROUND, source=f"db-{number % 20}")
    world.rest(range(200))
    assert world.said() == ([(None, 101, 200)], [(None, 0)])
    world.read(30, above=False, now=60.0, interval=60.0)
    assert len(world.edges) == 2


def the_controller_too_counts_a_poll_round(module):
    """As for a source: refreshes read every object each second."""
    world = World(module)
    for second in range(44):
        for number in range(100):
            above = number >= 25 * (second - 39)
            world.read(number, above=above, now=float(second), source=f"db-{number % 20}")
    assert world.said()[0] == [(None, 51, 100)]


def a_failover_in_stages_is_told_once(module):
    """Shard after shard: the second half falls in polls that began after the first had fallen."""
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0)
    world.poll(range(100), ROUND, above=lambda n: n >= 60, spread=0.0)
    world.drained(range(60, 100), 2 * ROUND, spread=0.0)
    assert world.said()[0] == [("redis", 51, 100)]
    world.rest(range(81))
    assert not world.ended, "the second stage holds it too, also those seen last"
    world.rest(range(81, 100))
    assert world.said()[1] == [("redis", 0)]


def of_a_later_stage_all_hold(module):
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0)
    world.poll(range(100), ROUND, above=lambda n: n >= 60, spread=0.0)
    world.drained(range(60, 100), 2 * ROUND, spread=0.0)
    world.rest([*range(60), *range(81, 100)])
    assert not world.ended
    world.rest(range(60, 81))
    assert world.said() == ([("redis", 51, 100)], [("redis", 0)])


# Who is braked, and until when.


def who_has_work_again_leaves(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    first = world.slots(range(30), 400.0)
    assert first[-1] > 500.0
    world.read(29, above=True, now=401.0)
    assert world.brake.engaged() == {"redis": 99}
    world.poll(range(29), 402.0, spread=1.0)
    assert not world.ended
    world.poll(range(30, 100), 404.0, spread=1.0)
    assert world.said()[1] == [("redis", 0)]
    assert world.brake.engaged() == {}
    world.drained([0], 1000.0)
    assert world.slots([0], 1500.0) == [1500.0]


def who_is_paused_stays_braked_and_does_not_prolong(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    assert world.brake.excuse(uid(99)) is None
    assert world.brake.excuse("nobody") is None
    assert world.brake.engaged() == {"redis": 100}
    world.rest(range(98))
    assert not world.ended
    ended = world.brake.excuse(uid(98))
    assert (ended.source, ended.through) == ("redis", 0)
    assert world.brake.engaged() == {}
    assert world.brake.excuse(uid(98)) is None
    assert world.slots([98, 99], 900.0) == [900.0, 900.0]


def who_falls_meanwhile_is_braked_and_does_not_prolong(module):
    world = World(module, 100)
    world.poll(range(100), ROUND, above=lambda n: n >= 60)
    world.poll(range(60, 100), 2 * ROUND)
    world.drained(range(60, 70), 4 * ROUND)
    assert world.brake.engaged() == {"redis": 70}
    early = world.slots(range(60), 400.0)
    assert busiest(early) == 7
    (kept,) = world.slots([60], 400.0)
    assert kept >= max(early) + MINUTE / 7
    world.rest(range(60))
    assert world.said() == ([("redis", 51, 100)], [("redis", 60)])
    assert world.slots([60], 410.0) == [kept], "who has a slot keeps it"
    assert world.slots([61], 410.0) == [410.0]
    world.rest([60])
    assert world.slots([60], 420.0) == [420.0]


def those_seen_late_belong_to_the_event(module):
    world = World(module, 100)
    world.drained(range(51), ROUND)
    assert len(world.engaged) == 1
    world.drained(range(51, 100), ROUND + 15)
    world.rest(range(51))
    assert not world.ended
    world.rest(range(51, 100))
    assert world.said()[1] == [("redis", 0)]


def what_has_nothing_to_take_away_is_not_affected(module):
    """Of 100 only ten may go to zero; a tenth of those is one a minute."""
    world = World(module, 100)
    world.drained(range(100), ROUND)
    world.rest(range(5, 100))
    assert world.brake.engaged() == {"redis": 5}
    assert world.slots(range(5), 400.0) == [400.0 + MINUTE * n for n in range(5)]


def who_recovered_is_no_longer_counted(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    world.poll(range(50, 100), 3 * ROUND)
    assert busiest(world.slots(range(50), 400.0)) == 5
    world.rest(range(50))


def who_went_still_counts(module):
    """The pace is a tenth of all affected, not of those that are left."""
    world = World(module, 100)
    world.drained(range(100), ROUND)
    slots = world.slots(range(60), 400.0)
    world.rest(range(60))
    slots += world.slots(range(60, 100), max(slots))
    assert busiest(slots) == 10
    assert max(slots) < 400.0 + 10.01 * MINUTE


def a_person_lets_one_through(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    world.slots(range(100), 400.0)
    assert world.slots([50], 400.0)[0] > 401.0
    assert world.brake.braked(uid(50))
    world.note(world.brake.release(uid(50)))
    assert not world.brake.braked(uid(50))
    assert not world.brake.braked("nobody")
    assert world.slots([50], 401.0) == [401.0]
    assert world.brake.engaged() == {"redis": 99}
    for number in range(100):
        world.note(world.brake.release(uid(number)))
    assert world.said()[1] == [("redis", 0)]
    assert world.slots(range(100), 402.0) == [402.0] * 100


def who_was_let_through_is_not_braked_later_but_after_new_work(module):
    world = World(module, 100)
    world.drained(range(40), ROUND)
    for number in range(40):
        assert world.brake.release(uid(number)) is None
    world.drained(range(40, 100), ROUND + 12)
    assert world.brake.engaged() == {"redis": 60}
    assert world.slots([0], 70.0) == [70.0]
    world.read(0, above=True, now=71.0)
    world.read(0, above=False, now=101.0)
    assert world.brake.engaged() == {"redis": 61}


def the_deleted_leave(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    for number in range(100):
        world.note(world.brake.forget(uid(number)))
    assert world.said()[1] == [("redis", 0)]
    assert world.brake.engaged() == {}
    assert world.brake.forget(uid(0)) is world.brake.at_rest(uid(0)) is world.brake.release(uid(0)) is None
    assert world.slots([0], 5.0) == [5.0]


def a_namespace_that_is_deleted_is_no_event(module):
    world = World(module, 100)
    for number in range(60):
        world.brake.forget(uid(number))
    world.drained(range(60, 80), ROUND, spread=10.0)
    assert not world.edges
    world.read(80, above=False, now=ROUND + 10)
    assert world.said()[0] == [("redis", 21, 40)]


# A cooldown shorter than the round.


def at_most_a_tenth_goes_before_the_event_is_known(module):
    """No cooldown: each asks as soon as it fell, and again at every poll."""
    world = World(module, 1000)
    went = {}
    for turn in range(1, 40):
        for number in range(1000):
            now = turn * ROUND + ROUND * number / 1000
            world.read(number, above=False, now=now)
            if number not in went and world.brake.slot(uid(number), now) <= now:
                went[number] = now
            if number in went:
                world.rest([number])
    assert len(went) == 1000
    begin = ROUND
    assert sum(1 for now in went.values() if now < begin + MINUTE) == 100
    assert busiest(went.values()) <= 150, "slots keep the pace; polls that come late to them may bunch"
    assert world.said() == ([("redis", 501, 1000)], [("redis", 1000)])


def a_tenth_that_falls_does_not_wait(module):
    world = World(module, 100)
    for number in range(10):
        now = ROUND + ROUND * number / 100
        world.read(number, above=False, now=now)
        assert world.slots([number], now) == [now]
    world.read(10, above=False, now=33.3)
    assert world.slots([10], 34.0) == [33.3 + ROUND]
    assert world.slots([10], 33.3 + ROUND) == [33.3 + ROUND]
    world.read(11, above=False, now=33.6)
    world.brake.release(uid(11))
    assert world.slots([11], 34.0) == [34.0]
    world.poll(range(12), 34.0, spread=1.0)
    world.read(10, above=False, now=36.0)
    assert world.slots([10], 36.0) == [36.0]
    world.poll(range(12), 37.0, spread=1.0)
    for number in range(10):
        world.read(number, above=False, now=70.0)
        world.slots([number], 70.0)
    world.drained(range(10, 100), 71.0, spread=1.0)
    assert world.brake.engaged() == {"redis": 90}, "ten passed"


def what_drained_long_ago_makes_nobody_wait(module):
    world = World(module, 100)
    for turn in range(1, 9):
        world.poll(range(100), turn * ROUND, above=lambda n, t=turn: n >= 5 * t)
    for number in range(40, 44):
        now = 9 * ROUND + ROUND * number / 100
        world.read(number, above=False, now=now)
        assert world.slots([number], now) == [now]


def among_few_nobody_waits(module):
    world = World(module, 19)
    world.drained(range(19), ROUND)
    assert world.slots(range(19), 2 * ROUND) == [2 * ROUND] * 19


# Triggers.


def all_triggers_on_a_source_must_fall(module):
    world = World(module, 60)
    world.poll(range(60), 1.0, index=1)
    world.drained(range(60), ROUND)
    assert not world.edges
    world.drained(range(60), ROUND + 1, index=1)
    assert world.said()[0] == [("redis", 31, 60)]
    assert world.brake.engaged() == {"redis": 60}
    world.read(7, above=True, now=70.0, index=1)
    assert world.brake.engaged() == {"redis": 59}


def who_has_work_elsewhere_is_braked_when_that_ends(module):
    world = World(module, 100)
    world.poll(range(10), 0.0, source="kafka", index=1)
    world.drained(range(100), ROUND)
    assert world.said()[0] == [("redis", 51, 100)]
    assert world.brake.engaged() == {"redis": 90}
    world.read(3, above=False, now=200.0, source="kafka", index=1)
    assert world.brake.engaged() == {"redis": 91}
    world.rest(range(10, 100))
    assert world.said()[1] == [("redis", 0)], "it did not fall in the event"


def where_all_have_work_elsewhere_nobody_is_braked(module):
    world = World(module, 100)
    world.poll(range(90), 0.0, source="kafka", index=1)
    world.drained(range(90), ROUND, spread=1.0)
    assert not world.edges
    assert world.brake.engaged() == {}
    world.read(95, above=False, now=ROUND + 2)
    assert world.said()[0] == [("redis", 91, 100)], "it is in danger"
    assert world.brake.engaged() == {"redis": 1}


def for_the_controller_only_those_fell_that_work_nowhere(module):
    """Of 50 on small sources 40 have work on another one, too."""
    world = World(module)
    for number in range(50):
        world.read(number, above=True, now=0.0, source=f"db-{number // 5}")
        world.read(number, above=number < 40, now=0.0, source=f"kafka-{number // 5}", index=1)
    for number in reversed(range(50)):
        world.read(number, above=False, now=ROUND, source=f"db-{number // 5}")
    assert not world.edges


def an_object_falls_where_it_was_seen_last(module):
    """Each has a source that is seldom read and one that is polled: it worked until nothing was seen in the latter."""
    world = World(module)
    for number in range(30):
        world.read(number, above=True, now=0.0, source=f"seldom-{number}", index=1)
    for turn in range(8):
        for number in range(30):
            above = number >= 5 * turn
            fell = not above and number >= 5 * (turn - 1)
            world.read(number, above=above, now=turn * ROUND, source=f"polled-{number}")
            if fell:
                world.read(number, above=False, now=turn * ROUND, source=f"seldom-{number}", index=1)
    assert not world.edges


def a_schedule_does_not_hide_what_falls(module):
    """Ten of 60 on small sources are awake by schedule as well."""
    world = World(module)
    for number in range(60):
        world.read(number, above=number < 10, now=0.0, source=None, index=1)
        world.read(number, above=True, now=0.0, source=f"db-{number // 5}")
    for number in range(60):
        world.read(number, above=False, now=ROUND, source=f"db-{number // 5}")
    assert world.said()[0] == [(None, 31, 60)]
    assert world.brake.engaged() == {None: 50}


def a_schedule_that_ends_is_a_plan_and_no_sign(module):
    world = World(module, 100, source=None)
    world.drained(range(100), ROUND, source=None)
    assert not world.edges
    assert world.slots(range(100), 2 * ROUND) == [2 * ROUND] * 100
    world.poll(range(100), 100.0)
    world.poll([0, 1], 100.0, source=None, index=1)
    world.drained(range(100), 100.0 + ROUND)
    assert world.said()[0] == [("redis", 51, 100)]
    assert world.brake.engaged() == {"redis": 98}, "who is awake by schedule has work"
    world.read(0, above=False, now=500.0, source=None, index=1)
    assert world.brake.engaged() == {"redis": 99}


def what_moves_to_another_source_does_not_fall(module):
    world = World(module, 100)
    world.drained(range(100), ROUND, source="kafka")
    world.drained(range(100), 2 * ROUND)
    assert not world.edges
    assert world.slots(range(100), 3 * ROUND) == [3 * ROUND] * 100
    world.poll(range(100), 4 * ROUND)
    world.drained(range(100), 5 * ROUND)
    assert world.said()[0] == [("redis", 51, 100)]


def what_is_edited_away_does_not_fall(module):
    """Each has two triggers; that with work is edited, or taken out, and what is left never had any."""
    world = World(module, 100)
    world.drained(range(100), 1.0, index=1)
    for number in range(100):
        world.brake.edit(uid(number), [1])
    world.drained(range(100), ROUND)
    world.drained(range(100), ROUND + 1, index=1)
    assert not world.edges
    world.poll(range(50), 3 * ROUND)
    world.drained(range(50), 4 * ROUND)
    assert world.said()[0] == [("redis", 26, 50)]


def what_is_edited_away_no_longer_counts_for_the_controller(module):
    world = World(module, 100)
    for number in range(100):
        world.brake.edit(uid(number), ())
    for number in range(60):
        world.read(200 + number, above=True, now=1.0, source=f"db-{number // 5}")
    for number in range(60):
        world.read(200 + number, above=False, now=1.0 + ROUND, source=f"db-{number // 5}")
    assert world.said()[0] == [(None, 31, 60)]


def a_braked_object_stays_so_when_it_is_edited(module):
    world = World(module, 100)
    world.drained(range(100), ROUND)
    for number in range(100):
        world.brake.edit(uid(number), ())
    world.drained(range(100), 100.0, source="redis with another password")
    assert busiest(world.slots(range(100), 400.0)) == 10
    assert sum(world.brake.engaged().values()) == 100
    world.rest(range(100))
    assert world.said() == ([("redis", 51, 100)], [("redis", 100)])
    assert world.brake.engaged() == {}


def a_restart_forgets_no_brake(module):
    world = World(module)
    for number in range(100):
        world.brake.resume(uid(number))
    world.drained(range(100), 0.0)
    assert world.brake.engaged() == {None: 100}
    assert busiest(world.slots(range(50), 10.0)) == 10
    world.rest([70])
    assert not world.edges
    world.poll(range(100), 20.0)
    assert world.edges == [module.Ended(None, 0)]
    world.brake.resume(uid(0))
    assert world.brake.engaged() == {}, "it has work"


def nothing_is_kept_of_what_is_gone(module):
    world = World(module)
    for turn in range(50):
        world.poll(range(100), turn * 100.0, source=f"s{turn % 3}", spread=1.0)
        world.drained(range(100), turn * 100.0 + 30, source=f"s{turn % 3}", spread=1.0)
        world.rest(range(100))
    for number in range(100):
        world.note(world.brake.forget(uid(number)))
    brake = world.brake
    assert (brake._objects, brake._scopes) == ({}, {})
    falls = brake._whole.falls
    assert (falls.objects, falls.active, falls.fallen) == (0, 0, {})
    assert max(len(falls._times), len(falls._peaks)) <= 64
    assert len(world.engaged) == len(world.ended) == 50


def time_that_goes_back_counts_as_the_latest(module):
    world = World(module, 100)
    world.drained(range(100), ROUND, spread=-1.0)
    assert world.said()[0] == [("redis", 51, 100)]


def an_interval_of_nothing_is_a_short_one(module):
    world = World(module)
    world.poll(range(100), 0.0, spread=0.0, interval=0.0)
    world.drained(range(100), 0.0, spread=0.0, interval=0.0)
    assert world.said()[0] == [("redis", 51, 100)]
    assert math.isfinite(max(world.slots(range(100), 1.0)))


EXAMPLES = [
    value
    for name, value in list(globals().items())
    if callable(value)
    and getattr(value, "__module__", "") == __name__
    and name not in {"World", "uid", "busiest"}
]
