"""The feed's messages: a store told by them holds what the leader's does; what was sent once is understood for ever."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf import json_format
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

from metrics_adapter.feed import feed_pb2 as pb
from metrics_adapter.feed.codec import VERSIONS, Reception, common, messages
from metrics_adapter.store import (
    LEADERLESS,
    Metric,
    Sample,
    Served,
    Stale,
    Store,
    Terms,
    Undeclared,
    Unserved,
)

ROOT = Path(__file__).parents[2]
RECORDED = json.loads((Path(__file__).parent / "feed_v1.json").read_text())
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SO = ("shop", "orders")
METRIC = Metric(*SO, "s0-redis-jobs")


def sample(value, at, **more):
    return Sample(value=value, at=at, moment=NOW, **more)


def terms(freshness=1.0, interval=30.0, metric_type="AverageValue"):
    return Terms(freshness=freshness, interval=interval, metric_type=metric_type)


def told(leader, *, sent=1000.0, received=77.0, store=None, complete=False):
    """What a follower holds after the leader's snapshot; their monotonic clocks have nothing in common."""
    follower = store if store is not None else Store()
    batch = pb.Batch(version=1, changes=messages(leader.snapshot(), sent), complete=complete)
    parsed = pb.Batch.FromString(batch.SerializeToString())
    reception = Reception(follower)
    reception.take(parsed, received, NOW)
    return follower, reception


def heard(reception, changes, *, sent, received):
    batch = pb.Batch(version=1, changes=messages(changes, sent))
    reception.take(pb.Batch.FromString(batch.SerializeToString()), received, NOW)


# Any history of the leader's store.

NAMES = st.sampled_from(["a", "b"])
METRICS = st.sampled_from(["s0-x", "S0-X", "s1-y"])
TIMES = st.integers(0, 1000).map(float)
STEPS = st.one_of(
    st.tuples(
        st.just("declare"), NAMES, st.sets(st.sampled_from(["s0-x", "s1-y"])), st.sampled_from(["AverageValue", "Value"])
    ),
    st.tuples(st.just("put"), NAMES, METRICS, st.integers(0, 9).map(str), TIMES, st.booleans()),
    st.tuples(st.just("fail"), NAMES, METRICS, st.sampled_from(["Timeout", "NoData"]), TIMES),
    st.tuples(st.just("pin"), NAMES, METRICS),
    st.tuples(st.just("replicas"), NAMES, TIMES),
    st.tuples(st.just("forget"), NAMES),
)  # fmt: skip


def do(store, step):
    match step:
        case ("declare", name, metrics, kind):
            store.declare("n", name, {metric: terms(metric_type=kind) for metric in sorted(metrics)})
        case ("put", name, metric, value, at, bound):
            store.put(Metric("n", name, metric), sample(value, at, bound=bound))
        case ("fail", name, metric, reason, at):
            store.fail(Metric("n", name, metric), reason, "so", at)
        case ("pin", name, metric):
            store.pin(Metric("n", name, metric))
        case ("replicas", name, at):
            store.replicas_changed("n", name, at)
        case ("forget", name):
            store.forget("n", name)


def answers(store, now):
    """What every reader would be told; reading twice uses up a pin."""
    found = []
    for name in ("a", "b"):
        for metric in ("s0-x", "s1-y"):
            for refreshed in (False, True, True):
                verdict = store.serve(Metric("n", name, metric), now, refreshed=refreshed)
                if isinstance(verdict, Served):
                    found.append((verdict.metric, verdict.sample.value, round(verdict.age, 2)))
                else:
                    found.append(str(verdict))
    return found


@given(st.lists(STEPS, max_size=25), st.floats(1000, 1060))
def test_a_snapshot_makes_a_store_that_answers_alike(steps, now):
    leader = Store()
    for step in steps:
        do(leader, step)
    follower, _ = told(leader, sent=now, received=5000.0)
    assert answers(follower, 5000.0) == answers(leader, now)


@given(st.lists(STEPS, max_size=25), st.lists(STEPS, max_size=25), st.floats(1000, 1060))
def test_changes_keep_it_alike(before, after, now):
    leader = Store()
    for step in before:
        do(leader, step)
    follower, reception = told(leader, sent=now, received=5000.0)
    changes = []
    leave = leader.follow(changes.append)
    for step in after:
        do(leader, step)
    heard(reception, changes, sent=now, received=5000.0)
    assert answers(follower, 5000.0) == answers(leader, now)
    leave()
    told_so_far = len(changes)
    do(leader, ("declare", "a", {"s0-x"}, "Value"))
    assert len(changes) == told_so_far


# Moments.


def test_ages_become_moments_of_the_receivers_clock():
    leader = Store()
    leader.declare(*SO, {METRIC.name: terms()})
    leader.put(METRIC, sample("5", 997.5))
    follower, _ = told(leader, sent=1000.0, received=77.0)
    found = follower.serve(METRIC, 77.0, refreshed=True)
    assert (found.sample.at, found.age, found.sample.value) == (74.5, 2.5, "5")
    assert found.sample.moment == NOW - timedelta(seconds=2.5)


def test_a_sped_up_clock_tells_the_moment_by_the_wall():
    leader = Store()
    leader.declare(*SO, {METRIC.name: terms()})
    leader.put(METRIC, sample("5", 992.0))
    follower = Store()
    batch = pb.Batch(changes=messages(leader.snapshot(), 1000.0))
    Reception(follower).take(batch, 77.0, NOW, factor=8.0)
    assert follower.serve(METRIC, 77.0, refreshed=True).sample.moment == NOW - timedelta(seconds=1)


def test_a_slow_way_never_makes_the_later_sample_the_older_one():
    leader = Store()
    leader.declare(*SO, {METRIC.name: terms()})
    follower, reception = told(leader)
    changes = []
    leader.follow(changes.append)
    leader.put(METRIC, sample("1", 1000.0))
    heard(reception, changes[-1:], sent=1000.0, received=80.0)  # Three seconds on its way.
    leader.put(METRIC, sample("2", 1001.0))
    heard(reception, changes[-1:], sent=1002.0, received=80.1)
    assert follower.serve(METRIC, 80.1, refreshed=True).sample.value == "2"
    leader.fail(METRIC, "Timeout", "late", 1001.5)
    heard(reception, changes[-1:], sent=1003.0, received=80.2)
    assert follower.serve(METRIC, 1e4, refreshed=True).reason == "Timeout"


# Hand-over.


def test_what_a_new_leader_does_not_know_is_gone_only_when_it_says_so():
    old, new = Store(), Store()
    for name in ("orders", "gone"):
        old.declare("shop", name, {METRIC.name: terms()})
        old.put(Metric("shop", name, METRIC.name), sample("5", 1000.0))
    store, _ = told(old, complete=True)
    store.partial = True
    new.declare(*SO, {METRIC.name: terms()})
    _, reception = told(new, sent=50.0, received=80.0, store=store)
    assert store.partial
    # Not read yet by the new leader: the old one's sample stays.
    assert store.serve(METRIC, 80.0, refreshed=True).sample.value == "5"
    assert isinstance(store.serve(Metric("shop", "gone", METRIC.name), 80.0, refreshed=True), Served)
    reception.take(pb.Batch(version=1, complete=True), 81.0, NOW)
    assert not store.partial
    assert store.objects() == (SO,)
    assert store.serve(Metric("shop", "gone", METRIC.name), 81.0) == Undeclared(known_object=False)


@pytest.mark.parametrize(
    ("interval", "freshness", "age", "served"),
    [
        (10.0, 1.0, LEADERLESS - 0.1, True),
        (10.0, 1.0, LEADERLESS, False),
        (60.0, 1.0, 59.9, True),
        (60.0, 1.0, 60.0, False),
        (10.0, 90.0, 89.9, True),
    ],
)
def test_without_a_leader_the_last_sample_is_served_for_a_while(interval, freshness, age, served):
    store = Store()
    store.declare(*SO, {METRIC.name: terms(freshness, interval)})
    store.put(METRIC, sample("5", 100.0))
    store.leaderless = True
    for refreshed in (False, True):  # Nobody could read it anew.
        found = store.serve(METRIC, 100.0 + age, refreshed=refreshed)
        if served:
            assert found.sample.value == "5"
        else:
            assert isinstance(found, Unserved)
            assert found.reason == "NoLeader"
            assert f"its last value is {age:.0f} s old" in found.message


def test_without_a_leader_a_ratio_of_other_replicas_is_not_served():
    store = Store()
    store.declare(*SO, {METRIC.name: terms(metric_type="Value")})
    store.put(METRIC, sample("5", 100.0))
    store.replicas_changed(*SO, 101.0)
    store.leaderless = True
    assert store.serve(METRIC, 102.0).reason == "NoLeader"


def test_what_nobody_told_of_is_not_known_to_be_missing():
    store = Store()
    store.leaderless = True
    assert store.serve(METRIC, 0.0).reason == "NoLeader"
    store.leaderless, store.partial = False, True
    assert store.serve(METRIC, 0.0).reason == "NoLeader"
    store.partial = False
    assert store.serve(METRIC, 0.0) == Undeclared(known_object=False)


def test_while_a_leader_takes_over_samples_live_longer():
    store = Store()
    store.declare(*SO, {METRIC.name: terms(1.0, 10.0)})
    store.put(METRIC, sample("5", 100.0))
    assert store.serve(METRIC, 120.0, refreshed=True).reason == "Stale"
    store.partial = True
    assert store.serve(METRIC, 120.0) == Stale(METRIC)
    assert store.serve(METRIC, 120.0, refreshed=True).sample.value == "5"


# The contract on the wire.


@pytest.mark.parametrize("kind", sorted(RECORDED))
def test_messages_recorded_of_the_previous_version_mean_the_same(kind):
    """What version 1 sent, byte for byte. To be added to, never to be changed."""
    for case in RECORDED[kind]:
        message = getattr(pb, kind).FromString(bytes.fromhex(case["bytes"]))
        assert json_format.MessageToDict(message) == case["means"]


def test_a_previous_leaders_stream_makes_the_store_it_meant():
    store = Store()
    reception = Reception(store)
    for case in RECORDED["Batch"]:
        reception.take(pb.Batch.FromString(bytes.fromhex(case["bytes"])), 100.0, NOW)
    assert store.objects() == (SO,)
    assert not store.partial
    pinned = store.serve(METRIC, 100.0)
    assert (pinned.sample.value, pinned.sample.at) == ("5", 98.5)
    assert store.serve(METRIC, 100.0, refreshed=True).sample.value == "7"
    ratio = store.serve(Metric(*SO, "s1-prometheus"), 100.0, refreshed=True)
    assert (ratio.reason, ratio.message) == ("Timeout", "no answer within 3 s")


def test_fields_and_kinds_of_a_later_version_are_passed_over():
    known = pb.Change(namespace="shop", object="orders", declared=pb.Declared())
    later = known.SerializeToString() + b"\xa2\x06\x03new"  # Field 100.
    unknown = pb.Change(namespace="shop", object="b").SerializeToString() + b"\x9a\x06\x02{}"  # A kind 99.
    store = Store()
    changes = [pb.Change.FromString(later), pb.Change.FromString(unknown)]
    Reception(store).take(pb.Batch(version=1, changes=changes), 1.0, NOW)
    assert store.objects() == (SO,)


@pytest.mark.parametrize(("versions", "expected"), [([1], 1), ([1, 2, 9], 1), ([2], None), ([], None)])
def test_both_go_on_with_the_highest_version_both_know(versions, expected):
    assert VERSIONS == (1,)
    assert common(versions) == expected


def test_the_generated_code_is_what_the_contract_generates(tmp_path):
    source = "metrics_adapter/feed/feed.proto"
    arguments = ["protoc", f"-I{ROOT}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", source]
    assert protoc.main(arguments) == 0
    for name in ("feed_pb2.py", "feed_pb2.pyi"):
        made = (tmp_path / "metrics_adapter" / "feed" / name).read_text()
        mend = f".venv/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. {source}"
        assert (ROOT / "metrics_adapter" / "feed" / name).read_text() == made, f"{name} is old; run {mend}"
