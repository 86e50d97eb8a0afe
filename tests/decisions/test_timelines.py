"""10,000 timelines of up to five triggers that fail in every way, over all policies for errors and all fallbacks.

What must hold is in timeline.py: never to rest because of what is not known, never below the healthiest demand, no
scale-in on a stale value, no second increase from one ratio, deciding twice changes nothing, and no swinging.
"""

import random
from collections import Counter

import pytest
from timeline import Timeline

from metrics_adapter.store import Sample, Store
from scaler.control import feed
from scaler.core import decision

SHARDS, EACH, STEPS = 10, 1000, 4
STEADY_EVERY = 100
"""Every so many timelines end in half an hour in which nothing changes."""


def run(seed, steps=STEPS):
    timeline = Timeline(random.Random(seed).choice)  # noqa: S311 - nothing here is secret
    for _ in range(steps):
        timeline.step()
    return timeline


@pytest.mark.parametrize("shard", range(SHARDS))
def test_whatever_happens(shard):
    for seed in range(shard * EACH, (shard + 1) * EACH):
        timeline = run(seed)
        if seed % STEADY_EVERY == 0:
            timeline.check_constant(1800)


def test_the_timelines_go_everywhere():
    """A law is silent where no timeline goes."""
    met = Counter()
    for seed in range(400):
        timeline = run(seed, 10)
        for _, before, after, why in timeline.told:
            met[f"HPA {'in' if after < before else 'out'}" if why == "HPA" else why] += 1
        met[timeline.policy.on_error.kind] += 1
        if timeline.policy.fallback is not None:
            met[timeline.policy.fallback.behavior] += 1
        met["fallen"] += bool(timeline.fallen)
        met["unknown at rest"] += timeline.replicas == 0 and any(t.unknown for t in timeline.triggers)
        met["formula"] += timeline.formula is not None
    expected = {"HPA in", "HPA out", "Activated", "Deactivated", "hold", "ignore", "last-known", "fallen"}
    expected |= {"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"}
    expected |= {"scalingModifiers", "unknown at rest", "formula"}
    assert not {what: met[what] for what in expected if met[what] < 10}


def unknown_is_idle(monkeypatch):
    real = decision.judge

    def judge(*given):
        return tuple(
            type(o)(index=o.index, metric=o.metric, target=o.target, value=0.0, active=False)
            if o.unknown
            else o
            for o in real(*given)
        )

    monkeypatch.setattr(decision, "judge", judge)


def unknown_is_served_as_zero(monkeypatch):
    def fail(store, metric, _reason, _message, at):
        store.put(metric, Sample(value="0", at=at, moment=None))

    monkeypatch.setattr(Store, "fail", fail)


def ratios_compound(monkeypatch):
    monkeypatch.setattr(Store, "replicas_changed", lambda *_: None)


def last_values_are_served_as_read(monkeypatch):
    monkeypatch.setattr(feed, "_served", lambda outcome, _replicas: outcome.value)


def old_samples_are_served(monkeypatch):
    monkeypatch.setattr("metrics_adapter.store.GRACE", 1e9)


def fallbacks_stay_as_they_were(monkeypatch):
    monkeypatch.setattr(feed.Feed, "target_changed", lambda *_: None)


@pytest.mark.parametrize(
    "sabotage",
    [
        unknown_is_idle,
        unknown_is_served_as_zero,
        ratios_compound,
        last_values_are_served_as_read,
        old_samples_are_served,
        fallbacks_stay_as_they_were,
    ],
)
def test_what_is_wrong_is_noticed(sabotage, monkeypatch):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):  # noqa: PT012 - which of them notices does not matter
        for seed in range(1500):
            run(seed, 10)
