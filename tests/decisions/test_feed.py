"""What the HPA is served where something stands in for a number: never a reason to scale in, nor twice the same ratio."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from worlds import NOW, scaled_object

from metrics_adapter.store import Metric, Served, Store, Unserved
from scaler.control.feed import Feed
from scaler.control.managed import Managed
from scaler.control.results import Result
from scaler.control.targets import Target
from scaler.control.triggers import Built
from scalers.sdk import MetricSpec, Reading, Unavailable

DOWN = Unavailable("connection refused")


class Bench:
    """One trigger of one object, at 5 per replica."""

    def __init__(self, *, metric_type="AverageValue", on_error="hold", replicas=5, ready=5, **spec):
        annotations = {"tidegate.dev/on-error": on_error}
        self.managed = Managed.of(scaled_object({"pollingInterval": 15, **spec}, annotations))
        self.built = Built(
            index=0,
            type="redis",
            name="a",
            metric_type=metric_type,
            specs=(MetricSpec("jobs", 5),),
            scaler=SimpleNamespace(reads=True, freshness=1.0),
            metadata=SimpleNamespace(activation=0),
        )
        self.at, self.replicas, self.ready = 0.0, replicas, ready
        self.store = Store()
        self.feed = Feed(self.store)
        self.managed.readings.take((self.built,), self.moment)
        self.feed.declare(self.managed, self.judged(), replicas, self.at, self.moment)

    @property
    def moment(self):
        return NOW + timedelta(seconds=self.at)

    def judged(self):
        target = Target("shop", "worker", "u-2", "1", self.replicas, self.ready, ())
        return self.managed.judged(target, self.moment)

    def read(self, value=None, *, after=15.0):
        self.at += after
        readings = (Reading(value),) if value is not None else ()
        error = DOWN if value is None else None
        result = Result(readings=readings, error=error, at=self.at, moment=self.moment, cause="poll")
        self.managed.readings.result(0, result)
        self.feed.result(self.managed, self.built, result, self.judged(), self.replicas)

    def change(self, replicas, ready, *, after=1.0):
        self.at += after
        if replicas != self.replicas:
            self.feed.replicas_changed(self.managed, self.at)
        self.replicas, self.ready = replicas, ready
        self.feed.target_changed(self.managed, self.judged(), replicas, self.at, self.moment)

    def served(self, name="s0-jobs"):
        found = self.store.serve(Metric("shop", "worker", name), self.at, refreshed=True)
        assert isinstance(found, Served | Unserved), found
        return found.sample.value if isinstance(found, Served) else found.reason


def test_a_last_value_may_scale_out_and_never_in():
    bench = Bench(on_error="last-known=10m")
    bench.read(40.0)
    for _ in range(4):
        bench.read()
    assert bench.served() == "40", "as if read: 8 replicas are asked for, and there are 5"
    bench.change(8, 8)
    assert bench.served() == "40", "8 are there, and are kept"
    bench.change(9, 9)
    assert bench.served() == "Unavailable", "somebody asks for 9: the old number is no reason for 8"
    bench.read()
    assert bench.served() == "Unavailable"
    bench.read(40.0)
    assert bench.served() == "40", "read again, it is a reason"


def test_a_last_ratio_is_not_served():
    bench = Bench(metric_type="Value", on_error="last-known=10m")
    bench.read(10.0)
    bench.read()
    assert bench.served() == "10", "the sample itself, while it is young"
    bench.change(10, 5)
    bench.read()
    assert bench.served() == "Unavailable", "asked again, 10 would become 20"


@pytest.mark.parametrize("behavior", ["static", "currentReplicas"])
def test_a_fallback_of_a_ratio_follows_the_ready_pods(behavior):
    fallback = {"failureThreshold": 0, "replicas": 6, "behavior": behavior}
    bench = Bench(metric_type="Value", fallback=fallback, replicas=6, ready=2)
    bench.read()
    assert bench.served() == "15", "2 pods at 3 times the target are 6"
    bench.change(6, 3)
    assert bench.served() == "10", "3 pods at twice the target are 6"


def test_a_composite_of_last_values_never_scales_in():
    modifiers = {"scalingModifiers": {"formula": "a", "target": "5"}}
    triggers = [{"type": "redis", "name": "a", "metadata": {"listName": "jobs"}}]
    bench = Bench(on_error="last-known=10m", advanced=modifiers, triggers=triggers)
    bench.read(40.0)
    for _ in range(4):
        bench.read()
    assert bench.served("composite-metric") == "40"
    bench.change(9, 9)
    assert bench.served("composite-metric") == "Unavailable"


def test_a_composite_fallback_of_a_ratio_follows_the_ready_pods():
    modifiers = {"scalingModifiers": {"formula": "a", "target": "5", "metricType": "Value"}}
    triggers = [{"type": "redis", "name": "a", "metadata": {"listName": "jobs"}}]
    fallback = {"failureThreshold": 0, "replicas": 6}
    bench = Bench(advanced=modifiers, triggers=triggers, fallback=fallback, replicas=6, ready=2)
    bench.read()
    assert bench.served("composite-metric") == "15"
    bench.change(6, 3)
    assert bench.served("composite-metric") == "10"


def composed(*cached):
    """An object with a formula over so many triggers, which are cached or not."""
    named = ("a", "b")[: len(cached)]
    advanced = {"scalingModifiers": {"formula": " + ".join(named), "target": "5"}}
    triggers = [{"type": "redis", "name": name, "metadata": {}} for name in named]
    bench = Bench(advanced=advanced, triggers=triggers)
    built = [
        replace(bench.built, index=index, name=name, cached=kept)
        for index, (name, kept) in enumerate(zip(named, cached, strict=True))
    ]
    bench.managed.readings.take(tuple(built), bench.moment)
    bench.feed.declare(bench.managed, bench.judged(), bench.replicas, bench.at, bench.moment)
    return bench, built


@pytest.mark.parametrize(
    ("cached", "read"), [((False, False), {0, 1}), ((True, False), {1}), ((True, True), {0, 1})]
)
def test_the_parts_of_a_formula_that_are_read_for_the_hpa(cached, read):
    bench, _ = composed(*cached)
    keys = bench.feed.keys([Metric("shop", "worker", "composite-metric")])
    assert {key.index for key in keys} == read


def test_a_push_makes_no_number_younger():
    bench, built = composed(False, False)
    for index, at, pushed in ((0, 1.0, False), (1, 2.0, False), (0, 8.0, True), (1, 9.0, False)):
        result = Result(
            readings=() if pushed else (Reading(4.0),),
            at=at,
            moment=bench.moment,
            cause="poll",
            pushed=pushed,
            verdict=True if pushed else None,
        )
        bench.managed.readings.result(index, result)
        if not pushed:
            bench.feed.result(bench.managed, built[index], result, bench.judged(), bench.replicas)
    served = bench.store.serve(Metric("shop", "worker", "composite-metric"), 9.0, refreshed=True)
    assert (served.sample.value, served.age) == ("8", 8.0)
