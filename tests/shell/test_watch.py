"""The rules by which a watch is kept alive: pure, one situation a test."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.kube import errors
from scaler.kube.watch import Ended, Failed, Lines, Listed, Position, Rested, Seen, State, step

WATCHING = Position(state=State.WATCHING, version="10")


def answered(status, reason="", retry_after=None, causes=()):
    body = {"code": status, "reason": reason, "details": {"causes": list(causes)}}
    return errors.from_status("watch things", body, retry_after=retry_after)


GONE = answered(410, "Expired")
CUT = errors.Unreachable("cut off")


def test_pages_lead_to_the_watch_at_the_lists_version():
    position = step(Position(), Listed("9", "page-2"))
    assert (position.state, position.token) == (State.LISTING, "page-2")
    position = step(position, Listed("9"))
    assert (position.state, position.version, position.token) == (State.WATCHING, "9", "")


def test_changes_and_bookmarks_move_the_version():
    position = step(WATCHING, Seen("11"))
    assert (position.version, position.moved) == ("11", True)
    position = step(WATCHING, Seen("20", bookmark=True))
    assert (position.version, position.moved) == ("20", False)


@pytest.mark.parametrize("end", [Ended(300.0), Ended(1.0)])
def test_a_watch_that_lived_is_resumed_at_once(end):
    position = step(replace(WATCHING, failures=5, fresh=True), end)
    assert (position.state, position.version, position.failures) == (State.WATCHING, "10", 0)


def test_a_watch_that_brought_something_is_resumed_at_once():
    position = step(step(WATCHING, Seen("11")), Ended(0.01))
    assert (position.state, position.version) == (State.WATCHING, "11")


def test_a_watch_that_ends_at_once_and_empty_is_not_hammered():
    delays = []
    position = WATCHING
    for _ in range(10):
        position = step(position, Ended(0.001))
        assert position.state is State.RESTING
        delays.append(position.delay)
        position = step(position, Rested())
        assert position.state is State.WATCHING
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


def test_bookmarks_alone_do_not_count_as_something():
    position = step(step(WATCHING, Seen("11", bookmark=True)), Ended(0.01))
    assert position.state is State.RESTING
    assert position.version == "11"


def test_a_cut_watch_is_resumed_where_it_was_after_a_breath():
    position = step(replace(step(WATCHING, Seen("11")), failures=0), Failed(CUT, after=60))
    assert (position.state, position.delay) == (State.RESTING, 0.2)
    position = step(position, Rested())
    assert (position.state, position.version) == (State.WATCHING, "11")


def test_an_absent_server_is_asked_every_five_seconds_at_most():
    position = WATCHING
    for _ in range(20):
        position = step(position, Failed(CUT))
    assert position.delay == 5
    assert step(position, Failed(answered(500))).delay == 30


def test_jitter_halves_a_back_off_at_most():
    assert step(WATCHING, Failed(CUT), 0.0).delay == 0.1
    assert step(WATCHING, Failed(CUT), 0.5).delay == pytest.approx(0.15)


@pytest.mark.parametrize(
    "error",
    [
        GONE,
        answered(410, "Gone"),
        answered(504, "Timeout", causes=[{"reason": "ResourceVersionTooLarge"}], retry_after=1),
    ],
)
def test_a_version_the_server_does_not_know_leads_to_a_new_list_at_once(error):
    position = step(WATCHING, Failed(error, after=0.01))
    assert (position.state, position.token) == (State.LISTING, "")


def test_a_list_that_is_outdated_at_once_is_not_read_again_and_again():
    position = replace(WATCHING, state=State.LISTING)
    for delay in (0.2, 0.4, 0.8):
        position = step(step(position, Listed("50")), Failed(GONE, after=0.01))
        assert (position.state, position.delay) == (State.RESTING, delay)
        position = step(position, Rested())
        assert position.state is State.LISTING


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_other_failures_of_the_watch_keep_the_version(status):
    position = step(WATCHING, Failed(answered(status)))
    assert (position.state, position.after_rest, position.version) == (State.RESTING, State.WATCHING, "10")


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_watch_that_is_not_served_leads_to_a_new_list_after_a_rest(status):
    position = step(WATCHING, Failed(answered(status)))
    assert (position.state, position.after_rest) == (State.RESTING, State.LISTING)


def test_retry_after_is_a_minimum():
    position = step(WATCHING, Failed(answered(429, retry_after=7)), 0.0)
    assert 7 <= position.delay <= 7.2
    assert step(WATCHING, Failed(answered(429, retry_after=10**9))).delay <= 121


def test_a_page_that_fails_is_read_again_from_its_token_but_an_expired_token_starts_over():
    listing = step(Position(), Listed("9", "page-2"))
    assert step(step(listing, Failed(answered(500))), Rested()).token == "page-2"
    over = step(listing, Failed(GONE))
    assert (over.state, over.after_rest, over.token) == (State.RESTING, State.LISTING, "")


def test_failures_are_forgotten_only_by_progress():
    position = WATCHING
    for _ in range(3):
        position = step(step(position, Failed(answered(500))), Rested())
    assert position.failures == 3
    assert step(position, Seen("11")).failures == 0
    relisted = step(replace(position, state=State.LISTING), Listed("12"))
    assert relisted.failures == 3, "a list is no sign that watching works"


NEWS = st.one_of(
    st.builds(Listed, st.just("5"), st.sampled_from(["", "token"])),
    st.builds(Seen, st.just("6"), st.booleans()),
    st.builds(Ended, st.floats(0, 0.9)),
    st.builds(Failed, st.sampled_from([GONE, CUT, answered(500), answered(404)]), st.floats(0, 0.9)),
    st.just(Rested()),
)


@given(st.lists(NEWS, max_size=30))
def test_without_progress_failures_never_shrink_and_every_delay_is_bounded(news):
    position = Position()
    for each in news:
        before = position
        position = step(position, each)
        assert 0 <= position.delay <= 30
        if not before.moved and not isinstance(each, Seen):
            assert position.failures >= before.failures


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"x"))), st.lists(st.integers(1, 30))
)
def test_lines_do_not_depend_on_how_they_are_cut(lines, cuts):
    whole = b"".join(line + b"\n" for line in lines) + b"rest without an end"
    buffer, got = Lines(), []
    while whole:
        size = cuts.pop() if cuts else 7
        got += buffer.feed(whole[:size])
        whole = whole[size:]
    assert got == [line for line in lines if line.strip()]


def test_a_line_may_be_long_but_not_endless():
    buffer = Lines()
    for _ in range(50):
        assert buffer.feed(b"x" * 65536) == []
    assert [len(line) for line in buffer.feed(b"y\nz")] == [50 * 65536 + 1]
    half = b"x" * (40 * 2**20)
    buffer.feed(half)
    with pytest.raises(ValueError, match="a line of more than"):
        buffer.feed(half)
