"""Not knowing is not zero, and one bad trigger is only itself: errors, deadlines, back-off and the breaker."""

import asyncio
import ssl

import pytest
from scripted_scalers import Server, World

from scaler.control.sources import TriggerKey
from scalers.sdk import InvalidMetadata, NoData, Reading, ScalerError, Unauthorized, Unavailable


def error_of(world: World, uid: str) -> ScalerError:
    error = world.results.of(uid)[-1].error
    assert error is not None
    assert world.results.of(uid)[-1].readings == ()
    return error


# One bad answer.


async def test_one_bad_answer_in_a_batch_costs_only_itself(world: World):
    world.server.values.update(a=1, b=Unavailable("no such queue"), c=3)
    world.want("x", "a", "b", "c")
    await world.read()
    assert world.results.values("x", 0) == [1]
    assert world.results.errors("x", 1) == ["no such queue"]
    assert world.results.values("x", 2) == [3]
    assert len(world.server.calls) == 1
    await world.advance(30.1)
    assert len(world.results.of("x", 0)) == 2


async def test_one_failing_trigger_does_not_touch_its_siblings_without_batches(world: World):
    world.server.values.update(a=1, b=RuntimeError("boom"))
    world.want("x", "a", "b", scaler=world.single)
    await world.advance(29)
    assert world.results.values("x", 0) == [1]
    assert world.server.reads("a") == 1
    assert world.server.opened == 1
    assert world.sources.sources()[0].breaker == "closed"


async def test_several_readings_of_one_trigger_stay_together(world: World):
    readings = [Reading(1, metric="one"), Reading(2, metric="two")]
    world.server.values["a"] = readings
    world.want("x", "a")
    world.want("y", "a", scaler=world.single)
    await world.read()
    assert world.results.of("x")[0].readings == world.results.of("y")[0].readings == tuple(readings)


GARBAGE = [
    (RuntimeError("boom"), "RuntimeError: boom"),
    (KeyError("name"), "KeyError: 'name'"),
    (ssl.SSLError(1, "bad record"), "SSLError: "),
    (SystemExit(3), "SystemExit: 3"),
    (asyncio.CancelledError(), "the read was cancelled from within the scaler"),
    (TimeoutError(), "timed out"),
    (TimeoutError("in the library"), "timed out: in the library"),
    (RuntimeError("\n two\n lines " + "long " * 100), "RuntimeError: two lines long long"),
    (type("Mute", (Exception,), {"__str__": lambda _: 1 / 0})(), "Mute: its message cannot be printed"),
    (type("Own", (BaseException,), {})("of its own"), "Own: of its own"),
]


@pytest.mark.parametrize(("raised", "message"), GARBAGE, ids=[message[:20] for _, message in GARBAGE])
async def test_whatever_a_scaler_raises_becomes_unavailable(
    world: World, raised: BaseException, message: str
):
    world.server.values["a"] = raised
    world.server.values["b"] = 2
    world.want("x", "a", "b", scaler=world.single)
    await world.read()
    error = error_of(world, "x")
    assert isinstance(error, Unavailable)
    assert str(error).startswith(message)
    assert len(str(error)) < 400
    assert not error.connection
    assert world.results.values("x", 1) == [2]

    world.server.values["a"] = 1
    await world.advance(31)
    assert world.results.values("x")[-1] == 1


async def test_an_error_of_a_plugin_that_skips_our_constructor_is_one_of_the_trigger(world: World):
    class Careless(ScalerError):
        reason = "Careless"

        def __init__(self, code: int) -> None:
            self.code = code

    world.server.values["a"] = Careless(7)
    world.want("x", "a", scaler=world.single)
    await world.read()
    assert isinstance(error_of(world, "x"), Careless)
    await world.advance(31)
    assert len(world.results.of("x")) > 1


@pytest.mark.parametrize("answer", [None, "7", [1, 2], object(), {"value": 1}])
async def test_whatever_else_a_scaler_answers_becomes_unavailable(world: World, answer: object):
    world.server.values["a"] = answer
    world.want("x", "a")
    world.want("y", "a", scaler=world.single)
    await world.read()
    for uid in "xy":
        assert isinstance(error_of(world, uid), Unavailable)
        assert "which is no Reading" in str(error_of(world, uid))


async def test_no_reading_at_all_is_no_data(world: World):
    world.server.values["a"] = []
    world.want("x", "a")
    await world.read()
    assert isinstance(error_of(world, "x"), NoData)


async def test_a_wrong_number_of_answers_is_nobodys_number(world: World):
    world.server.lost_answers = 1
    world.want("x", "a", "b", "c")
    await world.read()
    assert [str(result.error) for _, result in world.results.all] == [
        "Batch.measure_many gave 2 answers to 3 queries"
    ] * 3


async def test_secrets_are_cut_out_of_foreign_messages(world: World):
    world.server.raises = ValueError("cannot parse redis://user:s3cret!@host/0 (password s3cret!)")
    world.want("x", world.server.metadata("a", password="s3cret!"))
    await world.read()
    assert str(error_of(world, "x")).startswith("ValueError: cannot parse redis://***@host/0 (password ***)")


async def test_a_known_error_keeps_no_frames_alive(world: World):
    world.server.values["a"] = Unavailable("no")
    world.want("x", "a", scaler=world.single)
    await world.read()
    error = error_of(world, "x")
    assert error.__traceback__ is error.__context__ is error.__cause__ is None


# Deadlines.


async def test_a_hanging_read_costs_only_itself(world: World):
    world.server.hanging.add("b")
    world.want("x", "a", "b", "c", scaler=world.single, interval=10)
    await world.advance(2.9)
    assert len(world.results.of("x", 0)) == len(world.results.of("x", 2)) == 1
    assert world.results.of("x", 1) == []
    await world.advance(0.2)
    assert world.results.errors("x", 1) == ["did not answer within 3 s"]
    await world.advance(7)
    assert len(world.results.of("x", 0)) == 2


@pytest.mark.parametrize("world", [{"herd": 1000}], indirect=True)
async def test_a_batch_that_hangs_fails_whole_and_then_leaves_only_the_culprit(world: World):
    world.server.hanging.add("bad")
    queues = ["bad", *(f"q{n}" for n in range(60))]
    world.want("x", *queues, interval=60)
    await world.advance(3.1)
    assert [str(result.error) for _, result in world.results.all] == ["did not answer within 3 s"] * 61
    await world.advance(14)
    healthy = [len(world.results.values("x", index)) for index in range(1, 61)]
    assert min(healthy) >= 1
    assert world.results.values("x", 0) == []

    # The others are again one batch, and the culprit is alone.
    seen = len(world.server.calls)
    await world.advance(65)
    sizes = [len(call) for call in world.server.calls[seen:] if "bad" not in call]
    assert sum(sizes) >= 60
    assert len(sizes) < 60
    assert all(call == ("bad",) for call in world.server.calls[seen:] if "bad" in call)


@pytest.mark.parametrize("world", [{"herd": 1000}], indirect=True)
async def test_a_hanging_server_is_not_asked_one_by_one(world: World):
    queues = [f"q{n}" for n in range(64)]
    world.server.hanging.update(queues)
    world.want("x", *queues, interval=60)
    await world.advance(300)
    assert min(len(call) for call in world.server.calls) == 8
    world.server.hanging.clear()
    await world.advance(120)
    assert len(world.server.calls[-1]) > 8
    assert all(world.results.values("x", index) for index in range(64))


async def test_a_read_that_still_runs_when_due_again_is_not_doubled(world: World):
    world.server.latency = 2.5
    world.want("x", "a", interval=1)
    await world.advance(2.4)
    assert len(world.server.calls) == 1
    await world.advance(60)
    assert world.server.most_concurrent == 1


# Back-off of one trigger.


async def test_a_failed_query_is_tried_again_between_its_polls_which_alone_count(world: World):
    world.server.values["a"] = Unavailable("busy")
    world.want("x", "a", "ok", interval=10)
    await world.advance(10.2)
    assert world.results.causes("x") == [
        "poll",
        "retry",
        "retry",
        "retry",
        "retry",
        "poll",
    ]
    assert world.server.times == pytest.approx([0.005, 0.505, 1.505, 3.505, 7.505, 10.005], abs=0.15)
    assert len(world.results.of("x", 1)) == 2

    # From then on the back-off is the interval.
    await world.advance(40)
    assert world.results.causes("x")[6:] == ["poll"] * 4


async def test_a_query_that_recovers_is_polled_as_before(world: World):
    world.server.values["a"] = Unavailable("busy")
    world.want("x", "a", interval=10)
    await world.advance(1)
    world.server.values["a"] = 4
    await world.advance(29)
    assert world.results.causes("x") == ["poll", "retry", "retry", "poll", "poll"]
    assert world.results.values("x") == [4, 4, 4]


@pytest.mark.parametrize("error", [Unauthorized("no"), InvalidMetadata("no")])
async def test_what_only_a_person_can_mend_is_only_polled(world: World, error: ScalerError):
    world.server.values["a"] = error
    world.want("x", "a", interval=10)
    await world.advance(35)
    assert world.results.causes("x") == ["poll"] * 4
    assert world.sources.backing_off(TriggerKey("x", 0))


async def test_no_data_is_an_answer_and_backs_off_nothing(world: World):
    world.server.values["a"] = NoData("empty")
    world.want("x", "a", interval=10)
    await world.advance(5)
    assert world.results.causes("x") == ["poll"]
    assert not world.sources.backing_off(TriggerKey("x", 0))


# The breaker.


async def test_a_connection_failure_opens_the_breaker_for_all_and_skipped_polls_count(world: World):
    world.want("fast", "a", interval=10)
    world.want("slow", "b", interval=30)
    await world.read()
    world.server.down = True
    await world.advance(10)
    assert world.results.errors("fast") == ["connection refused"]
    assert world.results.errors("slow") == []
    (info,) = world.sources.sources()
    assert (info.breaker, info.error, info.connected) == ("open", "connection refused", False)

    # Probes go out at 10.5, 11.5, 13.5, 17.5 s and then every 10 s, the smallest interval; polls in between fail.
    await world.advance(51)
    assert set(world.results.errors("slow")) <= {"not tried: connection refused", "connection refused"}
    assert world.results.causes("slow").count("poll") == 3
    assert world.results.causes("fast").count("poll") == 7
    assert sum(len(call) for call in world.server.calls[1:]) <= 11
    assert world.sources.sources()[0].skipped >= 5
    for result in world.results.of("slow")[1:]:
        assert isinstance(result.error, Unavailable)
        assert result.readings == ()


async def test_the_breaker_probes_with_one_query_and_then_reads_all_at_once(world: World):
    for n in range(100):
        world.want(f"object-{n}", f"queue-{n}", interval=30)
    await world.read()
    world.server.down = True
    await world.advance(31)
    failed = len(world.server.calls)
    assert world.sources.sources()[0].breaker == "open"
    await world.advance(60)
    assert all(len(call) == 1 for call in world.server.calls[failed:])
    assert len(world.server.calls) - failed < 10

    world.server.down = False
    before = len(world.server.calls)
    await world.clock.until(lambda: world.sources.sources()[0].breaker == "closed", within=31)
    await world.advance(0.01)
    assert [len(call) for call in world.server.calls[before:]] == [1, 99]
    assert world.results.causes("object-7")[-1] in {"poll", "retry"}
    assert all(world.results.of(f"object-{n}")[-1].error is None for n in range(100))
    assert world.server.opened > 1

    # And no herd afterwards.
    seen = len(world.server.calls)
    await world.advance(31)
    assert max(len(call) for call in world.server.calls[seen:]) < 20


async def test_a_client_that_cannot_be_opened_is_a_connection_failure(world: World):
    world.server.refuses = OSError("no route to host")
    world.want("x", "a", interval=5)
    await world.read()
    error = error_of(world, "x")
    assert isinstance(error, Unavailable)
    assert error.connection
    assert str(error).startswith("OSError: no route to host")
    assert world.sources.sources()[0].breaker == "open"
    world.server.refuses = None
    await world.advance(1)
    assert world.results.values("x") == [0]
    assert world.sources.sources()[0].breaker == "closed"


async def test_a_refused_login_while_opening_keeps_its_reason(world: World):
    world.server.refuses = Unauthorized("wrong password")
    world.want("x", "a", interval=5)
    await world.read()
    assert isinstance(error_of(world, "x"), Unauthorized)
    assert world.sources.sources()[0].breaker == "open"
    world.want(
        "y", "b", interval=5
    )  # So do polls that are skipped: the reason does not change from poll to poll.
    await world.read()
    assert isinstance(error_of(world, "y"), Unauthorized)
    assert str(error_of(world, "y")) == "not tried: wrong password"
    assert error_of(world, "y").connection


async def test_opening_has_a_deadline_and_hangs_nobody_else(world: World):
    other = Server(world.clock, "black hole")

    async def hang() -> None:
        await asyncio.Event().wait()

    class Hanging:
        async def __aenter__(self) -> None:
            await asyncio.Event().wait()

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("was never opened")

    other.client = Hanging
    world.want("x", "a")
    world.want("y", "a", server=other)
    await world.advance(5.1)
    assert len(world.results.of("x")) == 1
    assert world.results.errors("y") == ["could not be opened within 5 s"]


async def test_a_connection_failure_of_some_in_a_batch_is_theirs_alone(world: World):
    world.server.values["b"] = Unavailable("node 2 is down", connection=True)
    world.want("x", "a", "b")
    await world.advance(5)
    assert world.sources.sources()[0].breaker == "closed"
    assert world.results.causes("x", 1) == ["poll", "retry", "retry", "retry"]
    assert len(world.results.of("x", 0)) == 1


async def test_a_connection_that_comes_and_goes_is_tried_ever_less(world: World):
    world.server.values["b"] = Unavailable("reset", connection=True)
    world.want("x", "a", "b", scaler=world.single, interval=10)
    await world.advance(60)
    assert world.server.reads("a") < 15


async def test_a_breaker_that_was_closed_for_long_starts_over(world: World):
    world.want("x", "a", interval=10)
    await world.read()
    for _ in range(3):
        world.server.down = True
        await world.clock.until(lambda: world.sources.sources()[0].breaker == "open", within=11)
        world.server.down = False
        await world.advance(0.6)
        assert world.sources.sources()[0].breaker == "closed"
        await world.advance(15)


async def test_a_querys_error_proves_the_connection(world: World):
    world.server.down = True
    world.want("x", "a", interval=5)
    await world.read()
    world.server.down = False
    world.server.values["a"] = Unavailable("syntax error")
    await world.advance(0.6)
    assert world.sources.sources()[0].breaker == "closed"


async def test_a_probe_that_hangs_proves_nothing_and_the_next_tries_another(world: World):
    world.server.down = True
    world.want("x", "a", "b", interval=20)
    await world.read()
    world.server.down = False
    world.server.hanging.add("a")
    await world.advance(3.6)
    assert world.sources.sources()[0].breaker == "open"
    await world.advance(3)
    assert world.sources.sources()[0].breaker == "closed"
    assert world.results.values("x", 1)


async def test_late_failures_of_an_old_client_do_not_open_the_breaker_again(world: World):
    world.server.values.update(slow=1, a=1)
    world.want("x", "a", scaler=world.single, interval=10)
    await world.read()
    world.server.latency = 2.5  # Fails 2.5 s later, on the client of now.
    world.want("y", "slow", scaler=world.single, interval=10)
    await world.read()
    world.server.latency, world.server.down = 0.0, True
    world.want("z", "b", scaler=world.single, interval=10)
    await world.read()
    assert world.sources.sources()[0].breaker == "open"
    world.server.down = False
    await world.advance(1)
    assert world.sources.sources()[0].breaker == "closed"
    answers = iter([Unavailable("reset", connection=True)])
    world.server.values["slow"] = lambda: next(answers, 5)
    await world.advance(1.6)
    assert world.sources.sources()[0].breaker == "closed"
    assert "reset" in world.results.errors("y")
    assert world.results.values("y") == [5]


async def test_a_trigger_that_joins_an_open_breaker_learns_so_at_once(world: World):
    world.server.down = True
    world.want("x", "a", interval=30)
    await world.read()
    await world.advance(5)
    world.want("y", "b", interval=30)
    await world.read()
    assert world.results.errors("y") == ["not tried: connection refused"]
    assert world.results.causes("y") == ["poll"]


async def test_reads_that_wait_for_their_turn_are_not_tried_once_the_breaker_is_open(world: World):
    world.server.down = True
    world.server.latency = 0.1
    for n in range(60):
        world.want(f"object-{n}", f"queue-{n}", scaler=world.single)
    await world.advance(0.2)
    assert len(world.server.calls) == 20
    errors = {str(result.error) for _, result in world.results.all}
    assert errors == {"connection refused", "not tried: connection refused"}
    assert len(world.results.all) == 60


async def test_an_exception_that_is_raised_again_and_again_leaks_no_task(world: World):
    world.server.raises = RuntimeError("boom")
    for n in range(20):
        world.want(f"object-{n}", f"queue-{n}", scaler=world.single, interval=1)
    await world.advance(20)
    running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert len(running) <= 3
