"""Fresh values on demand: refreshes that join, rereads, and settling before an activation."""

import asyncio

import pytest
from scripted_scalers import Server, World

from scaler.control.sources import TriggerKey
from scalers.sdk import Unavailable

X, Y = TriggerKey("x", 0), TriggerKey("y", 0)


async def test_a_refresh_reads_in_one_batch_and_returns_when_it_is_done(world: World):
    for uid in "xyz":
        world.want(uid, uid)
    await world.advance(10)
    world.server.latency = 0.2
    refresh = asyncio.create_task(world.sources.refresh([X, Y]))
    await world.advance(0.1)
    assert not refresh.done()
    assert world.server.calls[1:] == [("x", "y")]
    await world.advance(0.2)
    assert refresh.done()
    assert world.results.causes("x") == ["poll", "refresh"]
    assert len(world.results.of("z")) == 1


@pytest.mark.parametrize("world", [{"herd": 1000}], indirect=True)
async def test_refreshes_of_the_same_moment_share_one_batch(world: World):
    uids = [f"o{n}" for n in range(50)]
    for uid in uids:
        world.want(uid, uid)
    await world.advance(10)
    refreshes = [asyncio.create_task(world.sources.refresh(world.keys([uid]))) for uid in uids]
    await world.advance(0.001)
    refreshes.append(asyncio.create_task(world.sources.refresh(world.keys(["o0"]))))
    await world.advance(0.01)
    assert all(refresh.done() for refresh in refreshes)
    assert [len(call) for call in world.server.calls[1:]] == [50]


async def test_a_refresh_joins_a_read_under_way(world: World):
    world.server.latency = 1.0
    world.want("x", "a")
    await world.advance(0.5)
    refresh = asyncio.create_task(world.sources.refresh([X]))
    await world.advance(0.6)
    assert refresh.done()
    assert world.server.reads("a") == 1


async def test_a_refresh_postpones_the_next_poll(world: World):
    world.want("x", "a")
    await world.advance(20)
    refresh = asyncio.create_task(world.sources.refresh([X]))
    await world.advance(29)
    assert refresh.done()
    assert world.server.reads("a") == 2
    await world.advance(1.1)
    assert world.results.causes("x") == ["poll", "refresh", "poll"]


async def test_a_refresh_of_many_sources_reads_each_once(world: World):
    other = Server(world.clock, "other")
    world.want("x", "a")
    world.want("y", "b", server=other)
    await world.advance(10)
    refresh = asyncio.create_task(world.sources.refresh([X, Y]))
    await world.advance(0.01)
    assert refresh.done()
    assert (len(world.server.calls), len(other.calls)) == (2, 2)


async def test_a_failed_refresh_returns_and_raises_nothing(world: World):
    world.want("x", "a")
    await world.advance(10)
    world.server.raises = RuntimeError("boom")
    refresh = asyncio.create_task(world.sources.refresh([X]))
    await world.advance(0.01)
    assert refresh.done()
    assert refresh.exception() is None
    assert world.results.causes("x") == ["poll", "refresh"]


async def test_a_refresh_returns_at_once_while_the_breaker_is_open(world: World):
    world.server.down = True
    world.want("x", "a")
    await world.read()
    reads = world.server.reads("a")
    assert world.sources.backing_off(X)
    await asyncio.wait_for(world.sources.refresh([X]), 1)
    assert world.server.reads("a") == reads


async def test_a_refresh_returns_at_once_for_the_one_that_backs_off_and_reads_the_other(world: World):
    world.server.values["a"] = Unavailable("busy")
    world.want("x", "a")
    world.want("y", "b")
    await world.read()
    refresh = asyncio.create_task(world.sources.refresh([X, Y]))
    await world.advance(0.01)
    assert refresh.done()
    assert world.server.calls[1:] == [("b",)]


async def test_a_refresh_that_waits_when_the_breaker_opens_returns(world: World):
    world.want("x", "a", scaler=world.single)
    world.want("y", "b", scaler=world.single)
    await world.advance(10)
    world.server.down = True
    refresh = asyncio.create_task(world.sources.refresh([X, Y]))
    await world.advance(0.01)
    assert refresh.done()


async def test_refreshing_the_unknown_returns_at_once(world: World):
    await asyncio.wait_for(world.sources.refresh([TriggerKey("nobody", 3)]), 1)
    await asyncio.wait_for(world.sources.refresh([]), 1)


async def test_one_caller_who_gives_up_does_not_end_the_read_for_others(world: World):
    world.want("x", "a")
    await world.advance(10)
    world.server.latency = 1.0
    hasty = asyncio.create_task(world.sources.refresh([X]))
    patient = asyncio.create_task(world.sources.refresh([X]))
    await world.advance(0.5)
    hasty.cancel()
    await world.advance(0.6)
    assert hasty.cancelled()
    assert patient.done()
    assert len(world.results.of("x")) == 2


async def test_forgetting_before_the_read_is_sent_answers_those_who_wait(world: World):
    world.want("x", "a")
    world.want("y", "b")
    await world.advance(10)
    refresh = asyncio.create_task(world.sources.refresh([X]))
    await world.clock.settle()
    world.sources.forget("x")
    await world.advance(0.01)
    assert refresh.done()
    assert world.server.reads("a") == 1


async def test_forgetting_and_closing_answer_those_who_wait(world: World):
    world.want("x", "a")
    world.want("y", "b")
    await world.advance(10)
    world.server.hanging.add("a")
    waiting = [asyncio.create_task(world.sources.refresh([X])), asyncio.create_task(world.sources.reread(X))]
    await world.advance(0.1)
    world.sources.forget("x")
    await world.advance(3.1)
    assert all(task.done() for task in waiting)

    world.server.hanging.add("b")
    waiting = [asyncio.create_task(world.sources.refresh([Y])), asyncio.create_task(world.sources.reread(Y))]
    await world.advance(0.1)
    closing = asyncio.create_task(world.sources.close())
    await world.advance(5)
    assert closing.done()
    assert all(task.done() for task in waiting)
    assert waiting[1].result().error is not None


# Rereads.


async def test_a_reread_is_a_new_read_sent_after_the_call(world: World):
    world.server.latency = 1.0
    world.server.values["a"] = 1
    world.want("x", "a")
    await world.advance(0.5)
    reread = asyncio.create_task(world.sources.reread(X))
    await world.advance(0.6)
    assert not reread.done()
    world.server.values["a"] = 2
    await world.advance(1)
    result = reread.result()
    assert result.readings[0].value == 2
    assert result.cause == "settle"
    assert result.at >= 1000.5
    assert world.server.reads("a") == 2
    assert world.results.of("x")[-1].cause == "settle"


async def test_a_reread_of_what_is_unknown_or_unreachable_is_an_error_at_once(world: World):
    result = await asyncio.wait_for(world.sources.reread(X), 1)
    assert "no longer wanted" in str(result.error)
    world.server.down = True
    world.want("x", "a")
    await world.read()
    result = await asyncio.wait_for(world.sources.reread(X), 1)
    assert str(result.error) == "not tried: connection refused"


# Settling.


async def test_settling_reads_until_two_agree(world: World):
    world.server.values["a"] = 1
    world.want("x", "a")
    await world.advance(5)
    numbers = iter([3, 9, 20])
    world.server.values["a"] = lambda: next(numbers, 20)
    begun = world.clock.elapsed
    settling = asyncio.create_task(world.sources.settle(X, 1))
    await world.advance(0.1)
    assert settling.result().readings[0].value == 20
    assert world.server.reads("a") == 1 + 4
    assert world.server.times[-1] - begun == pytest.approx(0.02, abs=0.001)


async def test_settling_ends_at_once_when_the_first_read_agrees(world: World):
    world.server.values["a"] = 5
    world.want("x", "a")
    await world.advance(5)
    settling = asyncio.create_task(world.sources.settle(X, 5))
    await world.advance(0.006)
    assert settling.result().readings[0].value == 5


async def test_settling_takes_no_longer_than_its_limit(world: World):
    numbers = iter(range(1000))
    world.server.values["a"] = lambda: next(numbers)
    world.want("x", "a")
    await world.advance(5)
    settling = asyncio.create_task(world.sources.settle(X, 0))
    await world.advance(0.051)
    assert settling.done()
    assert settling.result().readings[0].value == world.results.values("x")[-1]
    assert 8 <= world.server.reads("a") <= 11


async def test_settling_on_a_slow_or_failing_source_keeps_the_number_known(world: World):
    world.server.values["a"] = 7
    world.want("x", "a")
    await world.advance(5)
    world.server.latency = 1.0
    slow = asyncio.create_task(world.sources.settle(X, 7))
    await world.advance(0.06)
    assert slow.result().readings[0].value == 7
    world.server.latency = 0.0
    await world.advance(5)
    world.server.values["a"] = Unavailable("busy")
    failing = asyncio.create_task(world.sources.settle(X, 7))
    await world.advance(0.06)
    assert failing.result().readings[0].value == 7


async def test_settling_what_was_never_read_is_an_error(world: World):
    world.server.hanging.add("a")
    world.want("x", "a")
    await world.advance(1)
    settling = asyncio.create_task(world.sources.settle(X, 1))
    await world.advance(0.06)
    assert settling.result().error is not None
    unknown = asyncio.create_task(world.sources.settle(Y, 1))
    await world.advance(0.06)
    assert unknown.result().error is not None


@pytest.mark.parametrize("world", [{"herd": 1000}], indirect=True)
async def test_a_thousand_objects_settle_in_a_few_batches(world: World):
    uids = [f"o{n}" for n in range(1000)]
    for uid in uids:
        world.want(uid, uid)
    await world.advance(5)
    before = len(world.server.calls)
    settling = [asyncio.create_task(world.sources.settle(key, 1)) for key in world.keys(uids)]
    await world.advance(0.06)
    assert all(task.done() for task in settling)
    assert len(world.server.calls) - before <= 12
