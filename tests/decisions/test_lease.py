"""The rules of the Lease: by example, and as a promise: whatever is lost or late, never two writers."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.kube.lease import (
    FEED_ADDRESS,
    Record,
    Seen,
    Step,
    Terms,
    claim,
    document,
    read,
    released,
    see,
    step,
)

WALL = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
TERMS = Terms()


def held_by(holder, **more):
    return Record(holder=holder, duration=15.0, version="7", **more)


@pytest.mark.parametrize(
    ("record", "since", "held", "now", "expected"),
    [
        (None, 0.0, False, 0.0, Step.ACQUIRE),
        (held_by(""), 0.0, False, 0.0, Step.ACQUIRE),
        (held_by("other"), 100.0, False, 114.9, Step.WAIT),
        (held_by("other"), 100.0, False, 115.0, Step.ACQUIRE),
        # Another's Lease lasts as long as it says, not as long as ours would.
        (replace(held_by("other"), duration=60.0), 100.0, False, 159.9, Step.WAIT),
        (replace(held_by("other"), duration=0.0), 100.0, False, 114.9, Step.WAIT),
        # An answer that never came: what was written is ours.
        (held_by("me"), 0.0, False, 0.0, Step.ACQUIRE),
        (held_by("me"), 0.0, True, 1e6, Step.RENEW),
        (held_by("other"), 0.0, True, 1e6, Step.LOST),
        (held_by(""), 0.0, True, 0.0, Step.LOST),
        (None, 0.0, True, 0.0, Step.LOST),
    ],
)
def test_what_follows(record, since, held, now, expected):
    assert step(Seen(record, since), "me", held=held, now=now, terms=TERMS) is expected


def test_age_counts_from_when_it_last_said_something_new():
    first = see(None, held_by("other", renewed="a"), 10.0)
    assert first.since == 10.0
    labelled = see(first, replace(held_by("other", renewed="a"), version="8"), 20.0)
    assert (labelled.since, labelled.record.version) == (10.0, "8")
    assert see(labelled, held_by("other", renewed="b"), 30.0).since == 30.0
    assert see(None, None, 5.0) == Seen(None, 5.0)
    assert see(Seen(None, 5.0), None, 9.0).since == 5.0


def test_claiming_anew_counts_a_transition_and_renewing_does_not():
    fresh = claim(None, "me", "10.0.0.1:9", WALL, TERMS)
    assert fresh == Record(
        holder="me",
        duration=15.0,
        address="10.0.0.1:9",
        acquired="2026-03-01T12:00:00.250000Z",
        renewed="2026-03-01T12:00:00.250000Z",
    )
    taken = claim(held_by("other", transitions=3, acquired="long ago"), "me", "", WALL, TERMS)
    assert (taken.transitions, taken.acquired, taken.version) == (4, fresh.acquired, "7")
    renewed = claim(held_by("me", transitions=3, acquired="long ago"), "me", "", WALL, TERMS)
    assert (renewed.transitions, renewed.acquired, renewed.renewed) == (3, "long ago", fresh.renewed)
    gone = released(held_by("me", transitions=3, address="x:1"), WALL)
    assert (gone.holder, gone.address, gone.duration, gone.transitions) == ("", "", 1.0, 3)


def test_document_and_reading_agree_and_keep_what_is_not_ours():
    live = {
        "metadata": {
            "name": "l", "namespace": "n", "resourceVersion": "7", "uid": "u",
            "annotations": {"somebody/else": "1", FEED_ADDRESS: "old:1"}, "labels": {"a": "b"},
        },
        "spec": {"holderIdentity": "other", "preferredHolder": "x", "leaseTransitions": 1},
    }  # fmt: skip
    record = claim(read(live), "me", "10.0.0.1:9", WALL, replace(TERMS, renew_deadline=10.0))
    written = document(record, live, "n", "l")
    assert read(written) == record
    assert written["metadata"]["annotations"] == {"somebody/else": "1", FEED_ADDRESS: "10.0.0.1:9"}
    assert (written["metadata"]["uid"], written["metadata"]["labels"]) == ("u", {"a": "b"})
    assert (written["spec"]["preferredHolder"], written["spec"]["leaseTransitions"]) == ("x", 2)
    assert document(released(record, WALL), live, "n", "l")["metadata"]["annotations"] == {
        "somebody/else": "1"
    }
    new = document(claim(None, "me", "", WALL, TERMS), None, "n", "l")
    assert new["metadata"] == {"namespace": "n", "name": "l", "annotations": {}}
    # Others must never take a Lease for over while we may still write.
    short = Terms(duration=2.5, renew_deadline=1.2, timeout=0.5, retry=0.1, margin=0.1)
    assert document(claim(None, "me", "", WALL, short), None, "n", "l")["spec"]["leaseDurationSeconds"] == 3


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": None, "spec": None},
        {"metadata": {"annotations": []}, "spec": []},
        {
            "spec": {
                "holderIdentity": 3,
                "leaseDurationSeconds": "15",
                "leaseTransitions": True,
                "renewTime": 1,
            }
        },
        {"spec": {"holderIdentity": None, "leaseDurationSeconds": -1}},
    ],
)
def test_of_another_shape_it_is_nobodys(obj):
    assert read(obj) == Record()


@pytest.mark.parametrize("odd", [{"retry": 6.0}, {"timeout": 10.0}, {"renew_deadline": 14.0}, {"retry": 0.0}])
def test_terms_that_leave_no_room_are_refused(odd):
    with pytest.raises(ValueError, match="retry < timeout < renew_deadline < duration - margin"):
        Terms(**odd)


# The promise, against every kind of bad luck: requests lost on the way, answers lost or late, processes that stop.


@dataclass
class Candidate:
    name: str
    seen: Seen | None = None
    sent: float | None = None
    held: bool = False

    def may_write(self, now):
        return self.sent is not None and now < self.sent + TERMS.renew_deadline


class World:
    """One Lease with optimistic concurrency, and candidates who act one at a time."""

    def __init__(self):
        self.now, self.version, self.stored = 0.0, 0, None

    def turn(self, who, request, answer, slow):
        """One turn; the request or the answer may be lost, and each way takes `slow` seconds."""
        if not who.held:
            self.now += slow
            who.seen = see(who.seen, self.stored, self.now)
        doing = step(who.seen, who.name, held=who.held, now=self.now, terms=TERMS)
        if doing is Step.LOST:
            who.held, who.sent = False, None
        elif doing in {Step.RENEW, Step.ACQUIRE}:
            self.write(who, request, answer, slow)

    def write(self, who, request, answer, slow):
        sent, base = self.now, who.seen.record
        self.now += slow
        fits = (base.version if base else None) == (self.stored.version if self.stored else None)
        if request and fits:
            self.version += 1
            wall = datetime.fromtimestamp(self.now, UTC)
            self.stored = replace(claim(base, who.name, "", wall, TERMS), version=str(self.version))
        self.now += slow
        if not (request and answer):
            return
        who.seen = see(who.seen, self.stored, self.now)
        if fits:
            who.held, who.sent = True, sent


TURNS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0.0, 20.0),
        st.booleans(),
        st.booleans(),
        st.sampled_from([0.0, 0.5, 4.0]),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(TURNS)
def test_never_two_writers(turns):
    world, all_of_us = World(), [Candidate(name) for name in "abc"]
    for number, pause, request, answer, slow in turns:
        world.now += pause
        world.turn(all_of_us[number], request, answer, slow)
        writers = [one.name for one in all_of_us if one.may_write(world.now)]
        assert len(writers) <= 1, writers
        # A write begun at the last moment is over before anybody else may begin.
        for one in all_of_us:
            if one.sent is not None and world.stored.holder != one.name:
                assert world.now >= one.sent + TERMS.duration - TERMS.margin


def test_the_promise_is_not_kept_by_doing_nothing():
    world, (a, b) = World(), (Candidate("a"), Candidate("b"))
    world.turn(a, True, True, 0.1)
    assert a.may_write(world.now)
    world.turn(b, True, True, 0.1)
    world.now += 20
    assert not a.may_write(world.now)
    world.turn(b, True, True, 0.1)
    assert b.may_write(world.now)
    world.turn(a, True, True, 0.1)
    world.turn(a, True, True, 0.1)
    assert not a.held
