"""The tests' own clock keeps its promises, since so much is judged by it."""

import asyncio

import pytest
from fake_clock import FakeClock


async def test_sleepers_wake_in_the_order_they_are_due(fake_clock):
    seen = []

    async def sleeper(name, seconds):
        await fake_clock.sleep(seconds)
        seen.append((name, fake_clock.monotonic() - 1000))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3), ("a", 1), ("b", 1), ("now", 0)):
            group.create_task(sleeper(name, seconds))
        await fake_clock.advance(2)
        assert seen == [("now", 0), ("a", 1), ("b", 1)]
        await fake_clock.advance(1)
    assert seen[-1] == ("c", 3)
    assert fake_clock.sleepers == 0


async def test_one_advance_carries_a_periodic_sleeper_through_all_its_periods(fake_clock):
    ticks = []

    async def periodic():
        for _ in range(4):
            await fake_clock.sleep(10)
            ticks.append(fake_clock.now().second)

    task = asyncio.create_task(periodic())
    await fake_clock.advance(30)
    assert ticks == [10, 20, 30]
    assert fake_clock.next_due == 10
    await fake_clock.advance(10)
    await task


async def test_a_cancelled_sleeper_leaves_nothing_behind(fake_clock):
    task = asyncio.create_task(fake_clock.sleep(5))
    await fake_clock.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert fake_clock.sleepers == 0


async def test_virtual_deadlines_follow_fake_time():
    clock = FakeClock(virtual_io=True)

    async def read():
        async with clock.deadline(3):
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await clock.advance(2.9)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(TimeoutError):
        await task
    async with clock.deadline(3):
        await clock.settle()
    assert clock.sleepers == 0


async def test_until_stops_at_the_moment_the_condition_holds(fake_clock):
    ticks = []

    async def periodic():
        while True:
            await fake_clock.sleep(1)
            ticks.append(1)

    task = asyncio.create_task(periodic())
    await fake_clock.until(lambda: len(ticks) == 5, within=10)
    assert fake_clock.elapsed == 5
    with pytest.raises(AssertionError, match="not reached within 2 s"):
        await fake_clock.until(lambda: len(ticks) == 50, within=2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
