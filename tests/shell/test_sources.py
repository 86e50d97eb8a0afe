"""Who is read when: sharing, batches, schedules; joining and leaving."""

import asyncio
import itertools

import pytest
from scripted_scalers import Server, Together, World

from scaler.control.sources import Result, TriggerKey, Wanted


async def test_a_trigger_is_read_at_once_and_then_every_interval(world: World):
    world.server.values["a"] = 7
    world.want("x", "a", interval=30)
    await world.read()
    assert world.results.values("x") == [7]
    (first,) = world.results.of("x")
    assert (first.cause, first.error, first.pushed) == ("poll", None, False)

    world.server.values["a"] = 8
    await world.advance(29.9)
    assert world.results.values("x") == [7]
    await world.advance(0.2)
    assert world.results.values("x") == [7, 8]
    await world.advance(60)
    assert world.results.causes("x") == ["poll"] * 4


async def test_a_result_carries_the_time_it_was_sent_and_the_time_it_was_answered(world: World):
    world.server.latency = 2.0
    world.want("x", "a")
    await world.advance(5)
    (result,) = world.results.of("x")
    assert result.at == pytest.approx(1000.005)
    assert (result.moment - world.clock.start).total_seconds() == pytest.approx(2.005)


async def test_a_thousand_triggers_are_one_client_and_one_read(world: World):
    for n in range(1000):
        world.want(f"object-{n}", f"queue-{n}")
    await world.read()
    assert world.server.opened == 1
    assert [len(call) for call in world.server.calls] == [1000]
    assert len(world.results.all) == 1000
    (info,) = world.sources.sources()
    assert (info.describe, info.kind, info.triggers, info.queries) == (
        "server",
        "ScriptedConnection",
        1000,
        1000,
    )
    assert (info.connected, info.clients, info.breaker, info.reads) == (True, 1, "closed", 1000)


async def test_what_is_wanted_within_milliseconds_shares_the_first_read(world: World):
    for n in range(4):
        world.want(f"object-{n}", f"queue-{n}")
        await world.advance(0.001)
    await world.read()
    assert [len(call) for call in world.server.calls] == [4]


async def test_afterwards_a_herd_is_spread_over_the_interval_in_small_batches(world: World):
    for n in range(1000):
        world.want(f"object-{n}", f"queue-{n}", interval=30)
    await world.advance(30.2)
    later = world.server.calls[1:]
    assert len({queue for call in later for queue in call}) == 1000
    assert sum(len(call) for call in later) < 1050
    assert max(len(call) for call in later) < 20
    assert len(later) < 300

    # The spread lasts, and every trigger keeps its interval.
    seen, polls = len(world.server.calls), {}
    await world.advance(60)
    for time, call in zip(world.server.times[seen:], world.server.calls[seen:], strict=True):
        for queue in call:
            polls.setdefault(queue, []).append(time)
    assert len(polls) == 1000
    assert all(len(times) == 2 for times in polls.values())
    gaps = [b - a for times in polls.values() for a, b in itertools.pairwise(times)]
    assert min(gaps) > 29.8
    assert max(gaps) < 30.2


async def test_a_scaler_that_reads_together_has_no_spread_whenever_its_triggers_came(world: World):
    together = Together()
    for n in range(100):
        world.want(f"object-{n}", f"queue-{n}", interval=30, scaler=together)
        await world.advance(0.7)
    await world.advance(30)
    seen = len(world.server.calls)
    await world.advance(120)
    assert [len(call) for call in world.server.calls[seen:]] == [100] * 4
    times = world.server.times[seen:]
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([30] * 3, abs=0.2)


async def test_readers_together_with_other_intervals_meet_where_these_do(world: World):
    together = Together()
    for n in range(20):
        world.want(f"slow-{n}", f"slow-{n}", interval=60, scaler=together)
        world.want(f"quick-{n}", f"quick-{n}", interval=20, scaler=together)
        await world.advance(1.1)
    await world.advance(60)
    seen = len(world.server.calls)
    await world.advance(120)
    assert sorted(len(call) for call in world.server.calls[seen:]) == [20] * 4 + [40] * 2


async def test_a_refresh_between_polls_leaves_readers_together(world: World):
    together = Together()
    for n in range(20):
        world.want(f"object-{n}", f"queue-{n}", interval=30, scaler=together)
    await world.advance(31)
    asking = asyncio.ensure_future(world.sources.refresh(world.keys(["object-3"])))
    await world.read()
    await asking
    seen = len(world.server.calls)
    await world.advance(60)
    assert [len(call) for call in world.server.calls[seen:]] == [20] * 2


async def test_the_spread_is_the_same_in_every_process():
    async def times() -> list[float]:
        world = World(herd=0)
        for n in range(5):
            world.want(f"object-{n}", f"queue-{n}")
        await world.advance(31)
        await world.sources.close()
        return world.server.times

    assert await times() == await times()


async def test_a_few_triggers_are_no_herd_and_keep_the_interval(world: World):
    for n in range(10):
        world.want(f"object-{n}", f"queue-{n}", interval=30)
    await world.advance(29.8)
    assert len(world.server.calls) == 1
    await world.advance(0.3)
    assert [len(call) for call in world.server.calls] == [10, 10]


async def test_slow_answers_do_not_add_up_to_a_slower_rhythm(world: World):
    world.server.latency = 0.5
    world.want("x", "a", interval=10)
    await world.advance(101)
    assert world.server.times[-1] == pytest.approx(100, abs=0.1)


async def test_delivering_a_thousand_results_leaves_the_loop_to_others(world: World):
    turns = 0
    counting: list[asyncio.Task[None]] = []

    async def others() -> None:
        nonlocal turns
        while len(world.results.all) < 1000:
            turns += 1
            await asyncio.sleep(0)

    def sink(key: TriggerKey, result: Result) -> None:
        world.results(key, result)
        if not counting:
            counting.append(asyncio.create_task(others()))

    world.sources._sink = sink
    for n in range(1000):
        world.want(f"object-{n}", f"queue-{n}")
    await world.read()
    await counting[0]
    assert turns >= 8


async def test_an_interval_of_zero_is_no_busy_loop(world: World):
    world.want("x", "a", interval=0)
    await world.advance(1.05)
    assert 8 <= len(world.server.calls) <= 13


@pytest.mark.parametrize("world", [{"batch_size": 500}], indirect=True)
async def test_a_batch_has_a_limit(world: World):
    for n in range(1200):
        world.want(f"object-{n}", f"queue-{n}")
    await world.read()
    assert [len(call) for call in world.server.calls] == [500, 500, 200]


async def test_without_measure_many_reads_run_at_once_but_not_too_many(world: World):
    world.server.latency = 0.1
    for n in range(50):
        world.want(f"object-{n}", f"queue-{n}", scaler=world.single)
    await world.advance(0.35)
    assert world.server.most_concurrent == 20
    assert len(world.results.all) == 50


async def test_equal_triggers_are_read_once_for_all(world: World):
    world.server.values["a"] = 5
    world.want("x", world.server.metadata("a", activation=1))
    world.want("y", world.server.metadata("a", activation=4))
    await world.read()
    assert world.server.calls == [("a",)]
    assert world.results.values("x") == world.results.values("y") == [5]


async def test_a_shared_query_is_polled_as_often_as_its_busiest_trigger_wants(world: World):
    world.want("slow", "a", interval=30)
    world.want("fast", "a", interval=10)
    await world.advance(25)
    assert world.server.times == pytest.approx([0.005, 10.005, 20.005], abs=0.01)
    # The slow one gets every number, but its own poll was due only once.
    assert world.results.causes("fast") == ["poll"] * 3
    assert world.results.causes("slow") == ["poll", "refresh", "refresh"]


async def test_a_different_scaler_on_the_same_connection_reads_for_itself(world: World):
    world.want("x", "a")
    world.want("y", "a", scaler=world.single)
    await world.read()
    assert sorted(world.server.calls) == [("a",), ("a",)]
    assert world.server.opened == 1


async def test_different_connections_share_nothing(world: World):
    other = Server(world.clock, "other")
    other.hanging.add("a")
    world.want("x", "a")
    world.want("y", "a", server=other)
    await world.read()
    assert world.server.opened == other.opened == 1
    assert len(world.results.of("x")) == 1
    assert not world.results.of("y")
    assert sorted(info.describe for info in world.sources.sources()) == ["other", "server"]


async def test_wanting_the_same_again_changes_no_schedule(world: World):
    world.want("x", "a", "b")
    await world.advance(10)
    world.want("x", "a", "b")
    await world.advance(15)
    assert len(world.server.calls) == 1
    await world.advance(5.1)
    assert len(world.server.calls) == 2


async def test_a_new_trigger_of_an_object_is_read_at_once_and_the_dropped_one_no_more(world: World):
    world.want("x", "a", "b")
    await world.advance(10)
    world.want("x", "a", "c")
    await world.read()
    assert world.server.calls[1:] == [("c",)]
    await world.advance(60)
    assert world.server.reads("b") == 1


async def test_a_shorter_interval_holds_at_once(world: World):
    world.want("x", "a", interval=300)
    await world.advance(10)
    world.want("x", "a", interval=5)
    await world.advance(5.1)
    assert world.server.reads("a") == 2


async def test_a_trigger_with_a_new_activation_is_judged_by_a_new_read(world: World):
    world.want("x", world.server.metadata("a", activation=1), "b")
    await world.advance(10)
    world.want("x", world.server.metadata("a", activation=9), "b")
    await world.read()
    assert world.server.calls == [("a", "b"), ("a",)]


async def test_a_source_closes_with_its_last_trigger(world: World):
    world.want("x", "a")
    world.want("y", "b")
    await world.read()
    world.sources.forget("x")
    await world.advance(31)
    assert world.server.closed == 0
    assert world.server.reads("a") == 1
    world.sources.forget("y")
    await world.advance(1)
    assert world.server.closed == 1
    assert world.sources.sources() == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_forgetting_during_a_read_drops_its_result(world: World):
    world.server.latency = 1.0
    world.want("x", "a")
    world.want("y", "b")
    await world.advance(0.5)
    world.sources.forget("x")
    await world.advance(1)
    assert world.results.of("x") == []
    assert len(world.results.of("y")) == 1
    await world.advance(60)
    assert world.server.reads("a") == 1


async def test_forgetting_the_only_trigger_during_a_read_ends_the_read(world: World):
    world.server.hanging.add("a")
    world.want("x", "a")
    await world.advance(0.5)
    world.sources.forget("x")
    await world.clock.settle()
    assert world.server.closed == 1
    assert world.results.all == []


async def test_a_rotated_secret_is_another_source_and_the_old_one_serves_until_then(world: World):
    world.want("x", world.server.metadata("a", password="old"))
    world.want("y", world.server.metadata("b", password="old"))
    await world.advance(40)
    assert world.server.opened == 1

    world.want("x", world.server.metadata("a", password="new"))
    await world.read()
    assert (world.server.opened, world.server.closed) == (2, 0)
    assert len(world.results.of("x")) == 3

    world.want("y", world.server.metadata("b", password="new"))
    await world.read()
    assert (world.server.opened, world.server.closed) == (2, 1)
    assert len(world.results.of("y")) == 3


async def test_a_sink_that_fails_stops_nothing(world: World):
    def bad_sink(key: TriggerKey, _: object) -> None:
        world.results.all.append((key, _))
        raise RuntimeError("a bug of ours")

    world.sources._sink = bad_sink
    world.want("x", "a", "b")
    await world.advance(35)
    assert len(world.results.of("x", 0)) == len(world.results.of("x", 1)) == 2


async def test_the_sink_may_forget_while_it_is_told(world: World):
    def sink(key: TriggerKey, _: object) -> None:
        world.results.all.append((key, _))
        world.sources.forget("y" if key.uid == "x" else "x")

    world.sources._sink = sink
    world.want("x", "a")
    world.want("y", "a")
    await world.advance(1)
    assert len(world.results.all) == 1


async def test_a_trigger_without_a_usable_query_is_read_for_itself(world: World):
    class Odd(type(world.server.metadata("a"))):
        def query(self):
            return ["no", "hash"]

    connection = world.server.metadata("a").connection
    for uid in ("x", "y"):
        odd = Odd(connection=connection, queue="a", activation_value=0)
        wanted = Wanted(key=TriggerKey(uid, 0), scaler=world.batch, metadata=odd, interval=30)
        world.sources.want(uid, [wanted])
        world.sources.want(uid, [wanted])
    await world.read()
    assert world.server.calls == [("a", "a")]


async def test_after_close_nothing_happens_any_more(world: World):
    world.want("x", "a")
    await world.read()
    await world.sources.close()
    world.want("y", "b")
    await world.advance(60)
    assert world.server.reads("a") == 1
    assert world.server.reads("b") == 0
