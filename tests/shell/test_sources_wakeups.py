"""Knowing sooner: changes a source tells of, what they lead to, and what they must not lead to."""

import asyncio

import pytest
import structlog
from scripted_scalers import World

from scaler.control.sources import TriggerKey
from scalers.sdk import Change, Unavailable


async def listening(world: World, *queues: str, below: bool = True, interval: float = 30) -> None:
    """Objects named as their queues, read once and below (or not below) their floor."""
    for queue in queues:
        world.want(queue, queue, scaler=world.telling, interval=interval)
        world.sources.below_floor(queue, below)
    await world.read()
    assert world.sources.sources()[0].listening == ("Telling",)


async def test_a_change_below_the_floor_is_read_at_once(world: World):
    await listening(world, "a", "b")
    world.server.values["a"] = 1
    now = world.clock.elapsed
    await world.server.tell(world.server.metadata("a"))
    assert world.clock.elapsed == now
    assert world.results.values("a") == [0, 1]
    assert world.results.causes("a")[-1] == "wake-up"
    assert len(world.results.of("b")) == 1
    assert world.sources.sources()[0].wake_ups == 1


async def test_a_wake_up_read_postpones_the_next_poll(world: World):
    await listening(world, "a")
    await world.advance(20)
    await world.server.tell(world.server.metadata("a"))
    await world.advance(29)
    assert world.results.causes("a") == ["poll", "wake-up"]
    await world.advance(1.1)
    assert world.results.causes("a") == ["poll", "wake-up", "poll"]


async def test_equality_decides_whose_change_it_is_and_wakes_all_who_ask_the_same(world: World):
    world.want("x", world.server.metadata("a", activation=3), scaler=world.telling)
    world.want("y", world.server.metadata("a", activation=5), scaler=world.telling)
    world.sources.below_floor("x", True)
    await world.read()
    await world.server.tell(world.server.metadata("a", activation=99))
    assert world.results.causes("x") == world.results.causes("y") == ["poll", "wake-up"]


async def test_changes_of_what_nobody_wants_are_ignored(world: World):
    await listening(world, "a")
    await world.server.tell(world.server.metadata("unknown"))
    await world.advance(1)
    assert world.server.calls == [("a",)]


async def test_at_or_above_the_floor_a_change_does_nothing_and_is_not_lost(world: World):
    await listening(world, "a", below=False)
    world.server.values["a"] = 1
    await world.server.tell(world.server.metadata("a"))
    await world.advance(5)
    assert world.server.reads("a") == 1
    world.sources.below_floor("a", True)
    await world.clock.settle()
    assert world.results.values("a") == [0, 1]
    assert world.results.causes("a")[-1] == "wake-up"


async def test_a_read_after_the_change_clears_the_mark(world: World):
    await listening(world, "a", below=False, interval=10)
    await world.server.tell(world.server.metadata("a"))
    await world.advance(11)
    assert world.server.reads("a") == 2
    world.sources.below_floor("a", True)
    await world.advance(1)
    assert world.server.reads("a") == 2


async def test_coming_below_the_floor_without_a_change_reads_nothing(world: World):
    await listening(world, "a", below=False)
    world.sources.below_floor("a", True)
    await world.advance(1)
    assert world.server.reads("a") == 1


async def test_a_change_during_a_read_is_followed_by_another(world: World):
    await listening(world, "a", interval=10)
    world.server.latency = 1.0
    await world.advance(10.5)
    assert world.server.reads("a") == 2
    await world.server.tell(world.server.metadata("a"))
    assert world.server.reads("a") == 2
    await world.advance(0.6)
    assert world.server.reads("a") == 3


async def test_a_change_during_a_read_at_the_floor_is_only_remembered(world: World):
    await listening(world, "a", below=False, interval=10)
    world.server.latency = 1.0
    await world.advance(10.5)
    await world.server.tell(world.server.metadata("a"))
    await world.advance(5)
    assert world.server.reads("a") == 2
    world.sources.below_floor("a", True)
    await world.clock.settle()
    assert world.server.reads("a") == 3


async def test_a_wake_up_that_had_to_wait_is_dropped_when_the_object_was_activated_meanwhile(world: World):
    await listening(world, "a")
    await world.server.tell(world.server.metadata("a"))
    await world.server.tell(world.server.metadata("a"))  # Has to wait for 50 ms.
    world.sources.below_floor("a", False)
    await world.advance(1)
    assert world.server.reads("a") == 2


async def test_who_leaves_takes_his_floor_with_him(world: World):
    await listening(world, "a")
    world.want("y", "a", scaler=world.telling)
    await world.read()
    world.sources.forget("a")
    reads = world.server.reads("a")
    await world.server.tell(world.server.metadata("a"))
    await world.advance(1)
    assert world.server.reads("a") == reads


async def test_work_that_comes_while_an_object_is_scaled_to_zero_wakes_it(world: World):
    # A read says 0, the executor writes 0 replicas, meanwhile a message comes: the change arrives before below_floor.
    await listening(world, "a", below=False, interval=300)
    assert world.results.values("a") == [0]
    world.server.values["a"] = 1
    await world.server.tell(world.server.metadata("a"))
    await world.advance(2)
    world.sources.below_floor("a", True)
    await world.clock.settle()
    assert world.results.values("a") == [0, 1]


async def test_one_hot_key_is_read_twenty_times_a_second(world: World):
    await listening(world, "hot", "cold")
    numbers = iter(range(10_000))
    world.server.values["hot"] = lambda: next(numbers)  # Changing, so that these are no evictions.
    hot = world.server.metadata("hot")
    for _ in range(200):  # 14,000 changes within a second.
        for _ in range(70):
            world.server.listeners[0].put_nowait(Change(hot))
        await world.advance(0.005)
    assert 18 <= world.server.reads("hot") - 1 <= 21
    assert world.server.reads("cold") == 1
    assert world.sources.sources()[0].dropped > 13_000
    # The trailing edge: the last change is read.
    last = world.server.values["hot"] = 77_777
    await world.server.tell(hot)
    await world.advance(0.06)
    assert world.results.values("hot")[-1] == last


@pytest.mark.parametrize("world", [{"herd": 1000}], indirect=True)
async def test_a_thousand_objects_woken_at_once_are_a_few_reads(world: World):
    await listening(world, *(f"q{n}" for n in range(1000)))
    before = len(world.server.calls)
    for n in range(1000):
        world.server.listeners[0].put_nowait(Change(world.server.metadata(f"q{n}")))
    await world.advance(0.01)
    assert sum(len(call) for call in world.server.calls[before:]) == 1000
    assert len(world.server.calls) - before <= 6


async def test_a_change_of_anything_reads_everything_below_the_floor_in_one_batch(world: World):
    await listening(world, "a", "b", "c")
    world.sources.below_floor("c", False)
    await world.server.tell(Change())
    await world.advance(0.01)
    assert world.server.calls[1:] == [("a", "b")]
    world.sources.below_floor("c", True)
    await world.clock.settle()
    assert world.server.calls[2:] == [("c",)]


async def test_a_pushed_verdict_is_passed_on_without_a_read(world: World):
    await listening(world, "a", below=False)
    await world.server.tell(Change(world.server.metadata("a"), active=True))
    pushed = world.results.of("a")[-1]
    assert (pushed.pushed, pushed.verdict, pushed.readings, pushed.error) == (True, True, (), None)
    await world.server.tell(
        Change(world.server.metadata("a"), active=True)
    )  # The same within 50 ms: no news.
    await world.server.tell(Change(world.server.metadata("a"), active=False))
    assert [result.verdict for result in world.results.of("a")[1:]] == [True, False]
    assert world.server.reads("a") == 1
    await world.advance(30.1)
    assert world.server.reads("a") == 2  # It did not postpone the poll.


async def test_evictions_turn_a_trigger_to_polling_for_a_while_and_are_said_once(world: World):
    await listening(world, "a", "b", interval=300)
    with structlog.testing.capture_logs() as logs:
        for _ in range(40):
            await world.server.tell(world.server.metadata("a"), world.server.metadata("b"))
            await world.advance(0.1)
    assert world.server.reads("a") == world.server.reads("b") == 11
    assert [log["event"] for log in logs if log["event"].startswith("wake_ups")] == [
        "wake_ups_without_change"
    ]

    world.server.values["a"] = 5
    await world.server.tell(world.server.metadata("a"))
    await world.advance(60)  # What changed in the quiet time is read at its end.
    assert world.results.values("a")[-1] == 5
    world.server.values["a"] = 6
    await world.server.tell(world.server.metadata("a"))
    await world.clock.settle()
    assert world.results.values("a")[-1] == 6


async def test_finding_nothing_new_after_a_change_of_anything_is_no_eviction(world: World):
    await listening(world, "a", interval=300)
    for _ in range(15):
        await world.server.tell(Change())
        await world.advance(0.1)
    assert world.server.reads("a") == 16


async def test_wake_ups_with_news_are_no_evictions(world: World):
    await listening(world, "a")
    for n in range(30):
        world.server.values["a"] = n + 1
        await world.server.tell(world.server.metadata("a"))
        await world.advance(0.1)
    assert len(world.results.values("a")) == 31


async def test_a_server_without_the_ability_is_only_polled_and_that_is_said_once(world: World):
    world.server.no_changes = NotImplementedError("unknown subcommand 'TRACKING'")
    with structlog.testing.capture_logs() as logs:
        world.want("x", "a", scaler=world.telling, interval=5)
        await world.advance(30)
        world.server.down = True  # A new client asks again, quietly.
        await world.advance(10)
        world.server.down = False
        await world.advance(20)
    assert world.server.opened > 1
    said = [log for log in logs if log["event"] == "polling_only"]
    assert [(log["why"], log["log_level"]) for log in said] == [("unknown subcommand 'TRACKING'", "info")]
    assert world.sources.sources()[0].listening == ()
    assert world.results.causes("x").count("poll") >= 10


@pytest.mark.parametrize(
    "end", [None, RuntimeError("broken redirect"), Unavailable("gone", connection=True), "garbage"]
)
async def test_listening_that_ends_is_taken_up_again_and_then_all_below_the_floor_is_read(
    world: World, end: object
):
    await listening(world, "a", "b", interval=300)
    world.sources.below_floor("b", False)
    world.server.values["a"] = 4
    await world.server.tell(end)
    assert world.server.listeners == []
    assert world.sources.sources()[0].listening == ()
    assert world.sources.sources()[0].breaker == "closed"
    await world.advance(0.9)
    assert world.server.reads("a") == 1
    await world.advance(0.2)
    assert len(world.server.listeners) == 1
    assert world.results.values("a") == [0, 4]
    assert world.server.reads("b") == 1

    # The back-off grows: 2 s now.
    await world.server.tell(end)
    await world.advance(1.9)
    assert world.server.listeners == []
    await world.advance(0.2)
    assert len(world.server.listeners) == 1


async def test_after_a_lost_connection_it_listens_on_the_new_client(world: World):
    await listening(world, "a", interval=5)
    world.server.down = True
    await world.advance(6)
    assert world.server.listeners == []
    world.server.down = False
    await world.advance(6)
    assert len(world.server.listeners) == 1
    assert world.server.opened - world.server.closed == 1
    world.server.values["a"] = 9
    await world.server.tell(world.server.metadata("a"))
    assert world.results.values("a")[-1] == 9


async def test_a_change_while_the_breaker_is_open_is_not_lost(world: World):
    await listening(world, "a", below=False, interval=30)
    world.server.values["a"] = 3
    await world.server.tell(world.server.metadata("a"))
    world.server.down = True
    await world.advance(31)
    world.sources.below_floor("a", True)
    assert world.results.values("a") == [0]
    world.server.down = False
    await world.advance(31)
    assert 3 in world.results.values("a")


async def test_listening_ends_with_the_last_trigger_of_its_scaler(world: World):
    await listening(world, "a")
    world.want("x", "b", scaler=world.batch)
    await world.read()
    world.sources.forget("a")
    await world.clock.settle()
    assert world.server.listeners == []
    assert world.server.closed == 0
    world.want("a", "a", scaler=world.telling)
    await world.clock.settle()
    assert len(world.server.listeners) == 1


@pytest.mark.parametrize("world", [{"wake_ups": False}], indirect=True)
async def test_there_is_an_off_switch(world: World):
    world.want("x", "a", scaler=world.telling)
    await world.advance(5)
    assert world.server.listeners == []


async def test_a_flood_of_changes_leaves_the_loop_to_others(world: World):
    await listening(world, "a")
    for _ in range(20_000):
        world.server.listeners[0].put_nowait(Change(world.server.metadata("a")))
    turns = 0
    while not world.server.listeners[0].empty():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_below_the_floor_may_be_said_before_the_object_is_wanted(world: World):
    world.sources.below_floor("a", True)
    world.want("a", "a", scaler=world.telling)
    await world.read()
    await world.server.tell(world.server.metadata("a"))
    assert world.results.causes("a") == ["poll", "wake-up"]
    world.sources.forget("a")
    world.want("a", "a", scaler=world.telling)  # A new life begins at or above the floor.
    await world.read()
    await world.server.tell(world.server.metadata("a"))
    assert world.results.causes("a")[-1] == "poll"


async def test_wake_ups_do_not_hurry_a_query_that_backs_off(world: World):
    await listening(world, "a")
    world.server.values["a"] = Unavailable("busy")
    await world.server.tell(world.server.metadata("a"))
    reads = world.server.reads("a")
    for _ in range(4):
        await world.server.tell(world.server.metadata("a"))
        await world.advance(0.1)
    assert world.server.reads("a") == reads
    assert world.sources.backing_off(TriggerKey("a", 0))
    await world.advance(0.2)
    assert world.server.reads("a") == reads + 1
