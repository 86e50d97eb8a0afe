"""The rules that hold without a loop: back-off, breaker, schedule, lots; and the small shell parts around them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from scripted_scalers import Batch, Server, Single

from scaler.control.alarm import Alarm
from scaler.control.breaker import CALM, Breaker, State
from scaler.control.host import ClockHost
from scaler.control.lots import lots, shrink
from scaler.control.query import Query, identify
from scaler.control.reader import secrets_of
from scaler.control.results import TriggerKey
from scaler.control.schedule import Schedule, spread
from scaler.control.source_settings import SourceSettings
from scalers.sdk import Scaler, Unavailable

SETTINGS = SourceSettings()


def test_backoff_doubles_up_to_its_cap():
    backoff, now, delays = CALM, 0.0, []
    for _ in range(7):
        backoff = backoff.failed(now, first=0.5, cap=10)
        delays.append(backoff.until - now)
        now = backoff.until
    assert delays == [0.5, 1, 2, 4, 8, 10, 10]
    assert not CALM.open(-1e9)


@given(first=st.floats(0.01, 5), cap=st.floats(0.01, 600), failures=st.integers(1, 2000))
def test_backoff_never_exceeds_its_cap(first: float, cap: float, failures: int):
    backoff = replace(CALM, failures=failures).failed(0, first=first, cap=cap)
    assert 0 < backoff.until <= cap
    assert backoff.open(0)
    assert not backoff.open(cap)


def test_the_breakers_life():
    breaker = Breaker()
    assert breaker.closed
    assert breaker.probe_at is None
    breaker = breaker.failed(100, "refused", first=1, cap=30)
    assert (breaker.state, breaker.probe_at, breaker.error) == (State.OPEN, 101, "refused")
    breaker = breaker.probing()
    assert (breaker.state, breaker.probe_at, breaker.closed) == (State.HALF_OPEN, None, False)
    breaker = breaker.failed(101, "still", first=1, cap=30)
    assert (breaker.state, breaker.probe_at) == (State.OPEN, 103)
    assert breaker.postponed(110).probe_at == 110
    breaker = breaker.probing().succeeded(103)
    assert breaker.closed
    assert breaker.error == ""
    # Again at once: the back-off goes on. After it has lasted for an interval: it starts over.
    assert breaker.failed(104, "x", first=1, cap=30).probe_at == 108
    assert breaker.failed(133, "x", first=1, cap=30).probe_at == 134


@given(
    st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 50))), max_size=60),
    st.integers(0, 50),
)
def test_the_schedule_is_a_mapping_that_knows_its_least_value(steps: list[tuple[int, int | None]], now: int):
    schedule: Schedule[int] = Schedule()
    model: dict[int, int] = {}
    for item, due in steps:
        if due is None:
            schedule.drop(item)
            model.pop(item, None)
        else:
            schedule.put(item, due)
            model[item] = due
        assert schedule.next() == min(model.values(), default=None)
        assert len(schedule) == len(model)
    taken = schedule.take(now)
    assert sorted(taken) == sorted(item for item, due in model.items() if due <= now)
    assert [model[item] for item in taken] == sorted(model[item] for item in taken)
    left = {item: due for item, due in model.items() if due > now}
    assert schedule.next() == min(left.values(), default=None)
    assert len(schedule) == len(left)


def test_what_may_be_early_comes_along_and_the_rest_stays():
    schedule: Schedule[str] = Schedule()
    for item, due in [("due", 10.0), ("early", 10.08), ("exact", 10.05), ("later", 10.2)]:
        schedule.put(item, due)
    slack = {"early": 0.1, "later": 0.1, "due": 0.0, "exact": 0.0}
    assert schedule.take(10.0, 0.1, slack.__getitem__) == ["due", "early"]
    assert schedule.next() == 10.05
    assert len(schedule) == 2


def test_a_schedule_that_is_changed_for_ever_does_not_grow():
    schedule: Schedule[str] = Schedule()
    for n in range(10_000):
        schedule.put("a", 1e9 - n)
        schedule.put("b", float(n))
    assert len(schedule._heap) < 200


def test_the_spread_is_even():
    fractions = sorted(spread(f"uid-{n}/0") for n in range(1000))
    assert 0 < fractions[0] < 0.02
    assert 0.98 < fractions[-1] <= 1
    assert max(abs(fraction - n / 1000) for n, fraction in enumerate(fractions)) < 0.06
    assert spread("uid-1/0") == spread("uid-1/0") != spread("uid-1/1")


def queries(scaler: Scaler, count: int) -> list[Query]:
    server = Server(FakeClock())
    made = [server.metadata(f"q{n}") for n in range(count)]
    return [Query(SETTINGS, identify(scaler, metadata), scaler, metadata, 0.5) for metadata in made]


@given(st.lists(st.floats(0, 40), min_size=1, max_size=20), st.floats(1, 300))
def test_a_query_never_backs_off_longer_than_its_interval(steps: list[float], interval: float):
    (query,) = queries(Batch(), 1)
    now = 0.0
    query.join(TriggerKey("x", 0), interval, now=now, below=False)
    for step in steps:
        now += step
        query.begin(now)
        query.sent(now)
        query.failed(now, Unavailable("no"), lost=False)
        assert now <= query.backoff.until <= now + interval
        plan = query.plan(reachable=True)
        assert plan is not None
        assert now <= plan.due <= now + interval


def test_lots_are_by_scaler_and_singles_without_measure_many():
    one, other = queries(Batch(), 3), queries(Batch(), 2)
    singles = queries(Single(), 2)
    cut = list(lots([*one, *singles, *other], SETTINGS))
    assert cut == [one, [singles[0]], [singles[1]], other]
    assert list(lots(one, replace(SETTINGS, batch_size=2))) == [one[:2], one[2:]]


def test_a_lot_is_cut_further_only_while_others_answer():
    lot = queries(Batch(), 64)
    shrink(lot, SETTINGS, others_answer=False)
    assert {query.lot for query in lot} == {8}
    part = next(lots(lot, SETTINGS))
    shrink(part, SETTINGS, others_answer=False)
    assert {query.lot for query in part} == {8}
    shrink(part, SETTINGS, others_answer=True)
    assert {query.lot for query in part} == {1}
    single = queries(Batch(), 1)
    shrink(single, SETTINGS, others_answer=True)
    assert single[0].lot == 0


def test_triggers_differ_by_scaler_and_by_what_is_asked():
    server, batch, single = Server(FakeClock()), Batch(), Single()
    a, same, b = server.metadata("a", activation=1), server.metadata("a", activation=2), server.metadata("b")
    assert identify(batch, a) == identify(batch, same)
    assert len({identify(batch, a), identify(batch, b), identify(single, a)}) == 3


def test_secrets_are_those_of_metadata_and_connection():
    assert list(secrets_of(Server(FakeClock()).metadata("a", password="pw"))) == ["pw"]
    assert list(secrets_of(object())) == []


async def test_an_alarm_ends_at_its_time_or_when_it_is_rung():
    clock = FakeClock()
    alarm = Alarm(clock)
    waiting = asyncio.create_task(alarm.wait(1010))
    await clock.advance(9.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert waiting.done()

    waiting = asyncio.create_task(alarm.wait(1020))
    await clock.settle()
    alarm.ring(1030)  # Later than it wakes anyway.
    await clock.settle()
    assert not waiting.done()
    alarm.ring(1015)
    await clock.settle()
    assert waiting.done()
    assert clock.sleepers == 0

    alarm.ring()  # Nobody waits: the next one does not.
    await asyncio.wait_for(alarm.wait(None), 1)
    forever = asyncio.create_task(alarm.wait(None))
    await clock.advance(1e6)
    assert not forever.done()
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever


async def test_the_host_is_the_clock():
    clock = FakeClock()
    host = ClockHost(clock, wake_ups=False)
    assert host.now() == clock.now()
    assert host.wake_ups is False
    sleeping = asyncio.create_task(host.sleep_until(clock.now() + timedelta(hours=1)))
    await clock.advance(3599)
    assert not sleeping.done()
    await clock.advance(1)
    assert sleeping.done()
    await asyncio.wait_for(host.sleep_until(clock.now() - timedelta(days=1)), 1)
