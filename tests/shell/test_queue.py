"""The work queue's promises, in fake time."""

import asyncio

import pytest
from fake_clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.control.queue import QueueClosed, WorkQueue


@pytest.fixture
def queue(fake_clock):
    queue = WorkQueue(fake_clock)
    yield queue
    queue.close()


async def take(queue):
    """Everything that is ready now, in order; nothing is done with it."""
    keys = []
    while len(queue):
        keys.append(await queue.get())
    return keys


async def test_a_key_waits_only_once(queue):
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert await take(queue) == ["a", "b"]


async def test_the_earliest_due_time_wins(queue, fake_clock):
    queue.add("a", 30)
    queue.add("a", 10)
    queue.add("a", 20)
    assert queue.delayed == 1
    await fake_clock.advance(9.9)
    assert not len(queue)
    await fake_clock.advance(0.1)
    assert await take(queue) == ["a"]
    queue.done("a")
    await fake_clock.advance(60)
    assert not len(queue), "the later requests went with the earliest"


async def test_a_waiting_key_can_be_expedited(queue, fake_clock):
    queue.add("a", 300)
    queue.add("a")
    assert await take(queue) == ["a"]
    queue.done("a")
    await fake_clock.advance(300)
    assert not len(queue)


async def test_equal_due_times_come_in_the_order_they_were_asked_for(queue, fake_clock):
    for key in "cab":
        queue.add(key, 5)
    await fake_clock.advance(5)
    assert await take(queue) == ["c", "a", "b"]


async def test_a_key_asked_for_while_it_is_processed_comes_again_afterwards(queue, fake_clock):
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a", 5)
    queue.add("a")
    queue.add("a")
    assert not len(queue)
    assert queue.active == 1
    queue.done("a")
    assert await take(queue) == ["a"]
    queue.done("a")
    assert not len(queue)


async def test_a_delay_asked_for_while_it_is_processed_counts_from_then(queue, fake_clock):
    queue.add("a")
    await queue.get()
    queue.add("a", 10)
    await fake_clock.advance(8)
    queue.done("a")
    await fake_clock.advance(1.9)
    assert not len(queue)
    await fake_clock.advance(0.1)
    assert await take(queue) == ["a"]


async def test_back_off_doubles_to_its_cap_and_is_reset(fake_clock):
    queue = WorkQueue(fake_clock)
    delays = [queue.retry("a") for _ in range(20)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 300
    assert queue.failures("a") == 20
    assert queue.retry("b") == 0.005
    queue.forget("a")
    assert queue.retry("a") == 0.005
    for _ in range(2000):
        queue.retry("a")  # Does not overflow.
    queue.close()


async def test_discard_takes_back_what_waits(queue, fake_clock):
    queue.add("ready")
    queue.add("delayed", 5)
    queue.add("active")
    queue.add("other")
    queue.discard("ready")
    assert await queue.get() == "active"
    queue.add("active")
    queue.discard("active")
    queue.discard("delayed")
    queue.done("active")
    await fake_clock.advance(10)
    assert await take(queue) == ["other"]


async def test_a_waiting_getter_is_woken_by_the_clock(queue, fake_clock):
    getter = asyncio.create_task(queue.get())
    queue.add("a", 3600)
    queue.add("b", 7)
    await fake_clock.advance(6.5)
    assert not getter.done()
    await fake_clock.advance(0.5)
    assert getter.result() == "b"


async def test_a_wake_up_is_not_lost_with_a_cancelled_getter(queue, fake_clock):
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await fake_clock.settle()
    queue.add("a")
    first.cancel()
    await fake_clock.settle()
    assert second.result() == "a"
    assert first.cancelled()


async def test_closing_ends_getters_and_the_timer(fake_clock):
    queue = WorkQueue(fake_clock)
    queue.add("a", 5)
    getter = asyncio.create_task(queue.get())
    await fake_clock.settle()
    queue.close()
    with pytest.raises(QueueClosed):
        await getter
    with pytest.raises(QueueClosed):
        await queue.get()
    queue.add("b")
    assert not len(queue)
    assert fake_clock.sleepers == 0


async def test_workers_process_in_parallel_but_never_the_same_key(fake_clock):
    queue = WorkQueue(fake_clock)
    running, most, seen = set(), 0, []

    async def handler(key):
        nonlocal most
        assert key not in running
        running.add(key)
        most = max(most, len(running))
        queue.add(key) if len(seen) < 10 else None
        await fake_clock.sleep(1)
        running.remove(key)
        seen.append(key)

    task = asyncio.create_task(queue.run(3, handler))
    for key in "abcde":
        queue.add(key)
    await fake_clock.advance(20)
    assert most == 3
    assert set(seen) == set("abcde")
    assert len(seen) >= 10
    queue.close()
    await task


async def test_a_failing_key_is_retried_alone_and_success_resets_its_back_off(fake_clock):
    queue = WorkQueue(fake_clock, base=1, cap=4)
    attempts = []

    async def handler(key):
        if key == "good":
            return 3
        attempts.append(fake_clock.elapsed)
        if len(attempts) in (1, 2, 3, 4, 6):
            raise ValueError("broken")
        return None

    task = asyncio.create_task(queue.run(2, handler))
    queue.add("bad")
    queue.add("good")
    await fake_clock.advance(11)
    assert attempts == [0, 1, 3, 7, 11], "1, 2, 4, capped at 4"
    assert queue.failures("bad") == 0
    queue.add("bad")
    await fake_clock.advance(1)
    assert attempts[5:] == [11, 12]
    queue.close()
    await task


async def test_a_handler_that_retries_itself_keeps_its_back_off(fake_clock):
    queue = WorkQueue(fake_clock, base=1)
    attempts = []

    async def handler(key):
        attempts.append(fake_clock.elapsed)
        if len(attempts) < 4:
            queue.retry(key)

    task = asyncio.create_task(queue.run(1, handler))
    queue.add("a")
    await fake_clock.advance(60)
    assert attempts == [0, 1, 3, 7]
    assert queue.failures("a") == 0
    queue.close()
    await task


async def test_closing_lets_workers_finish_what_they_have_begun(fake_clock):
    queue = WorkQueue(fake_clock)
    finished = []

    async def handler(key):
        await fake_clock.sleep(5)
        finished.append(key)

    task = asyncio.create_task(queue.run(2, handler))
    for key in "abc":
        queue.add(key)
    await fake_clock.advance(1)
    queue.close()
    await fake_clock.advance(1)
    assert not task.done()
    await fake_clock.advance(3)
    await task
    assert finished == ["a", "b"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc"), st.sampled_from([0, 1, 2, 5])),
        st.tuples(st.just("pass"), st.sampled_from([0, 1, 3])),
        st.tuples(st.just("get")),
        st.tuples(st.just("done")),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(STEPS)
async def test_no_request_is_lost_and_none_is_early(steps):
    """Against a plain model: per key the earliest time asked for since it was last handed out."""
    clock = FakeClock()
    queue = WorkQueue(clock)
    asked, active = {}, []
    for step, *arguments in steps:
        if step == "add":
            key, after = arguments
            queue.add(key, after)
            asked[key] = min(clock.elapsed + after, asked.get(key, float("inf")))
        elif step == "pass":
            await clock.advance(arguments[0])
        elif step == "done" and active:
            queue.done(active.pop(0))
        elif step == "get" and len(queue):
            key = await queue.get()
            assert key not in active
            assert asked.pop(key) <= clock.elapsed
            active.append(key)
        due = {key for key, when in asked.items() if when <= clock.elapsed and key not in active}
        assert len(queue) == len(due)
    queue.close()
