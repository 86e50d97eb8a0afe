"""What the HPA may be told, and how old it may be. Every age is judged when read: `now` is an argument."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metrics_adapter.samples import Verdict
from metrics_adapter.store import (
    GRACE,
    PIN,
    Metric,
    Sample,
    Served,
    Stale,
    Store,
    Terms,
    Undeclared,
    Unserved,
    Why,
)

JOBS = Metric("shop", "worker", "s0-redis-jobs")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
POLLED = Terms(freshness=1, interval=30)
RATIO = Terms(freshness=1, interval=30, metric_type="Value")


def sample(value: str, at: float) -> Sample:
    return Sample(value=value, at=at, moment=NOON)


def declared(terms: Terms = POLLED, *, value: str | None = "7", at: float = 100) -> Store:
    store = Store()
    store.declare("shop", "worker", {JOBS.name: terms})
    if value is not None:
        store.put(JOBS, sample(value, at))
    return store


def value(verdict: Verdict) -> str:
    assert isinstance(verdict, Served), verdict
    return verdict.sample.value


def reason(verdict: Verdict) -> str:
    assert isinstance(verdict, Unserved), verdict
    return verdict.reason


class TestFreshness:
    def test_a_fresh_sample_is_served_at_once(self) -> None:
        verdict = declared().serve(JOBS, 100.9)
        assert isinstance(verdict, Served)
        assert (verdict.metric, verdict.sample.value, round(verdict.age, 3)) == (JOBS, "7", 0.9)

    def test_an_older_one_asks_for_a_refresh(self) -> None:
        assert declared().serve(JOBS, 101) == Stale(JOBS)

    def test_after_the_refresh_the_last_sample_lives_for_the_interval_and_a_grace(self) -> None:
        store = declared()
        assert value(store.serve(JOBS, 134.9, refreshed=True)) == "7"
        assert reason(store.serve(JOBS, 135, refreshed=True)) == Why.STALE

    def test_a_freshness_beyond_that_holds_after_the_refresh_too(self) -> None:
        store = declared(Terms(freshness=60, interval=30))
        assert value(store.serve(JOBS, 150, refreshed=True)) == "7"

    def test_a_clock_that_reads_early_gives_no_negative_age(self) -> None:
        verdict = declared().serve(JOBS, 99.999)
        assert isinstance(verdict, Served)
        assert verdict.age == 0

    def test_never_read(self) -> None:
        store = declared(value=None)
        assert store.serve(JOBS, 100) == Stale(JOBS)
        assert reason(store.serve(JOBS, 100, refreshed=True)) == Why.NO_SAMPLE

    def test_an_older_sample_that_comes_late_changes_nothing(self) -> None:
        store = declared(value="7", at=100)
        store.put(JOBS, sample("3", 99))
        assert value(store.serve(JOBS, 100.5)) == "7"


class TestFailures:
    def test_the_last_sample_carries_through_a_failure(self) -> None:
        store = declared()
        store.fail(JOBS, "Unavailable", "connection refused", 130)
        assert value(store.serve(JOBS, 130, refreshed=True)) == "7"

    def test_then_the_failure_is_told(self) -> None:
        store = declared()
        store.fail(JOBS, "Unavailable", "connection refused", 130)
        verdict = store.serve(JOBS, 140, refreshed=True)
        assert verdict == Unserved(JOBS, "Unavailable", "connection refused")

    def test_a_newer_sample_forgets_it(self) -> None:
        store = declared(value=None)
        store.fail(JOBS, "Unavailable", "connection refused", 100)
        store.put(JOBS, sample("5", 101))
        assert value(store.serve(JOBS, 101)) == "5"
        assert reason(store.serve(JOBS, 200, refreshed=True)) == Why.STALE

    def test_a_sample_read_before_the_failure_does_not(self) -> None:
        store = declared(value=None)
        store.fail(JOBS, "Unavailable", "connection refused", 101)
        store.put(JOBS, sample("5", 100))
        assert reason(store.serve(JOBS, 200, refreshed=True)) == "Unavailable"

    def test_a_failure_older_than_the_sample_is_dropped(self) -> None:
        store = declared(at=100)
        store.fail(JOBS, "Unavailable", "connection refused", 99)
        assert reason(store.serve(JOBS, 200, refreshed=True)) == Why.STALE

    def test_a_placeholder_for_a_broken_trigger_has_only_its_failure(self) -> None:
        store, broken = Store(), Metric("shop", "worker", "s1-invalid")
        store.declare("shop", "worker", {"s1-invalid": POLLED})
        store.fail(broken, "InvalidMetadata", "listName is missing", 100)
        assert store.serve(broken, 100, refreshed=True) == Unserved(
            broken, "InvalidMetadata", "listName is missing"
        )


class TestDeclarations:
    def test_what_was_not_declared(self) -> None:
        store = declared()
        assert store.serve(Metric("shop", "worker", "s0-other"), 100) == Undeclared(known_object=True)
        assert store.serve(Metric("shop", "ghost", JOBS.name), 100) == Undeclared(known_object=False)
        assert store.serve(Metric("other", "worker", JOBS.name), 100) == Undeclared(known_object=False)

    def test_samples_and_failures_of_undeclared_metrics_are_dropped(self) -> None:
        store, other = declared(), Metric("shop", "worker", "s1-other")
        store.put(other, sample("1", 100))
        store.fail(Metric("shop", "ghost", "x"), "Unavailable", "gone", 100)
        store.pin(other)
        assert store.serve(other, 100) == Undeclared(known_object=True)
        assert len(store) == 1

    def test_a_new_declaration_replaces_the_set_and_keeps_what_stays(self) -> None:
        store = declared()
        store.declare("shop", "worker", {JOBS.name: Terms(freshness=10, interval=5), "s1-new": POLLED})
        assert value(store.serve(JOBS, 109)) == "7"
        store.declare("shop", "worker", {"s1-new": POLLED})
        assert store.serve(JOBS, 100) == Undeclared(known_object=True)
        store.declare("shop", "worker", {JOBS.name: POLLED})
        assert store.serve(JOBS, 100) == Stale(JOBS)

    def test_forgetting(self) -> None:
        store = declared()
        store.forget("shop", "worker")
        store.forget("shop", "worker")
        store.put(JOBS, sample("1", 101))
        assert store.serve(JOBS, 101) == Undeclared(known_object=False)
        assert len(store) == 0


class TestNames:
    @pytest.mark.parametrize(
        ("declared_as", "asked_as"),
        [
            ("s0-redis-Orders", "s0-redis-orders"),
            ("s0-redis-orders", "S0-REDIS-ORDERS"),
            ("s0-ΟΔΟΣ", "s0-οδοσ"),  # Go lowers the last sigma like any other.
            ("s0-İstanbul", "s0-istanbul"),
            ("s0-Straße", "s0-straße"),
        ],
    )
    def test_case_does_not_matter_and_the_declared_name_is_answered(
        self, declared_as: str, asked_as: str
    ) -> None:
        store = Store()
        store.declare("shop", "worker", {declared_as: POLLED})
        store.put(Metric("shop", "worker", declared_as), sample("7", 100))
        verdict = store.serve(Metric("shop", "worker", asked_as), 100)
        assert isinstance(verdict, Served)
        assert verdict.metric.name == declared_as

    @given(st.text(max_size=20))
    def test_whatever_the_hpa_lowercases_is_found(self, name: str) -> None:
        def lowered_by_go(char: str) -> str:
            return char.lower()[0]

        store = Store()
        store.declare("shop", "worker", {name: POLLED})
        asked = "".join(map(lowered_by_go, name))
        assert store.serve(Metric("shop", "worker", asked), 0) == Stale(Metric("shop", "worker", name))


class TestPins:
    def test_the_pinned_sample_is_served_once_whatever_comes(self) -> None:
        store = declared(value="200")
        store.pin(JOBS)
        store.put(JOBS, sample("0", 110))
        store.fail(JOBS, "Unavailable", "connection refused", 111)
        assert value(store.serve(JOBS, 112)) == "200"
        assert store.serve(JOBS, 112) == Stale(JOBS)
        assert value(store.serve(JOBS, 112, refreshed=True)) == "0"

    @pytest.mark.parametrize(("interval", "lasts"), [(1, PIN), (30, 30 + GRACE)])
    def test_an_unread_pin_ends(self, interval: float, lasts: float) -> None:
        for now, expected in ((100 + lasts - 0.1, "200"), (100 + lasts, "0")):
            store = declared(Terms(freshness=1, interval=interval), value="200")
            store.pin(JOBS)
            store.put(JOBS, sample("0", now))
            assert value(store.serve(JOBS, now)) == expected

    def test_nothing_to_pin(self) -> None:
        store = declared(value=None)
        store.pin(JOBS)
        assert store.serve(JOBS, 100) == Stale(JOBS)

    def test_a_new_declaration_keeps_it(self) -> None:
        store = declared(value="200")
        store.pin(JOBS)
        store.declare("shop", "worker", {JOBS.name: POLLED})
        store.put(JOBS, sample("0", 101))
        assert value(store.serve(JOBS, 101)) == "200"

    def test_a_ratio_is_not_pinned_over_a_change_of_replicas(self) -> None:
        store = declared(RATIO, value="200")
        store.pin(JOBS)
        store.replicas_changed("shop", "worker", 101)
        store.put(JOBS, sample("1", 102))
        assert value(store.serve(JOBS, 102)) == "1"


class TestRatios:
    def test_one_from_before_a_change_of_replicas_is_never_served(self) -> None:
        store = declared(RATIO)
        assert value(store.serve(JOBS, 100.5)) == "7"
        store.replicas_changed("shop", "worker", 100.2)
        assert store.serve(JOBS, 100.5) == Stale(JOBS)
        assert reason(store.serve(JOBS, 100.5, refreshed=True)) == Why.OUTDATED

    def test_one_read_after_it_is(self) -> None:
        store = declared(RATIO)
        store.replicas_changed("shop", "worker", 100.2)
        store.put(JOBS, sample("3", 100.2))
        assert value(store.serve(JOBS, 120, refreshed=True)) == "3"

    def test_changes_that_are_told_late_do_not_undo_later_ones(self) -> None:
        store = declared(RATIO, at=100)
        store.replicas_changed("shop", "worker", 105)
        store.replicas_changed("shop", "worker", 99)
        store.declare("shop", "worker", {JOBS.name: RATIO})
        assert reason(store.serve(JOBS, 106, refreshed=True)) == Why.OUTDATED

    def test_averages_do_not_care(self) -> None:
        store = declared()
        store.replicas_changed("shop", "worker", 100.2)
        store.replicas_changed("shop", "ghost", 100.2)
        assert value(store.serve(JOBS, 100.5)) == "7"


def test_listeners_hear_of_samples_and_failures_until_they_leave() -> None:
    store, heard = declared(value=None), list[Metric]()
    leave = store.subscribe(heard.append)
    store.put(Metric("shop", "worker", JOBS.name.upper()), sample("1", 100))
    store.fail(JOBS, "Unavailable", "refused", 101)
    store.put(JOBS, sample("1", 99))
    store.put(Metric("shop", "worker", "s9-other"), sample("1", 100))
    assert heard == [JOBS, JOBS]
    leave()
    store.put(JOBS, sample("2", 102))
    assert heard == [JOBS, JOBS]


class Life(RuleBasedStateMachine):
    """However it is fed, the store serves only what was put, within its terms, and the newest it may."""

    @initialize(freshness=st.sampled_from([0.5, 1, 5]), interval=st.sampled_from([1, 30]), kind=st.booleans())
    def start(self, freshness: float, interval: float, kind: bool) -> None:
        self.terms = Terms(
            freshness=freshness, interval=interval, metric_type="Value" if kind else "AverageValue"
        )
        self.store, self.now, self.put_at, self.changed, self.pinned = Store(), 100.0, [], 0.0, False
        self.store.declare("shop", "worker", {JOBS.name: self.terms})

    @rule(seconds=st.sampled_from([0.1, 0.5, 1, 4, 20, 40]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(took=st.sampled_from([0, 0.1, 2]))
    def a_read_ends(self, took: float) -> None:
        self.put_at.append(self.now - took)
        self.store.put(JOBS, sample(str(self.now - took), self.now - took))

    @rule()
    def a_read_fails(self) -> None:
        self.store.fail(JOBS, "Unavailable", "refused", self.now)

    @rule()
    def replicas_change(self) -> None:
        self.changed = self.now
        self.store.replicas_changed("shop", "worker", self.now)

    @rule()
    def it_wakes(self) -> None:
        self.store.pin(JOBS)
        self.pinned = bool(self.put_at)

    @rule(refreshed=st.booleans())
    def somebody_asks(self, refreshed: bool) -> None:
        verdict, pinned = self.store.serve(JOBS, self.now, refreshed=refreshed), self.pinned
        self.pinned = False
        newest = max(self.put_at, default=None)
        if isinstance(verdict, Served):
            at = float(verdict.sample.value)
            assert at in self.put_at
            assert at == newest or pinned
            limit = self.terms.interval + GRACE if refreshed else self.terms.freshness
            assert (
                self.now - at < max(limit, self.terms.interval + GRACE, PIN)
                if pinned
                else self.now - at < limit
            )
            assert self.terms.metric_type != "Value" or at >= self.changed
        else:
            assert isinstance(verdict, Unserved if refreshed else Stale)
            fresh_enough = newest is not None and self.now - newest < self.terms.freshness
            assert not fresh_enough or (self.terms.metric_type == "Value" and newest < self.changed)

    @invariant()
    def one_metric_is_declared(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == 1


TestLife = Life.TestCase
