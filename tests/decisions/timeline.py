"""One object's time, end to end and pure: sources that answer or do not, what is decided, served, and what an HPA does.

The pieces are the real ones: `Managed` and its readings, `decide`, the `Feed` into the `Store`, and
`desired.evaluate` as the HPA controller. What must hold is judged by the timeline's own notes on what the sources said.
"""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

from worlds import NOW, scaled_object

from metrics_adapter.store import GRACE, Metric, Served, Stale, Store
from scaler.control.feed import Feed
from scaler.control.managed import Managed
from scaler.control.readings import Readings
from scaler.control.results import Result
from scaler.control.targets import Target
from scaler.control.triggers import Built
from scaler.core import desired, hpa
from scaler.core.proposal import Proposal, Tolerance, propose
from scalers.sdk import MetricSpec, NoData, Reading, Unauthorized, Unavailable

STEP, LOOK, SOON = 15.0, 7.0, 0.01
"""Seconds from one round of polls to the next, from a round to the HPA's sync, and from its reads to its write."""

VALUES = [0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 20.0, 21.0, 60.0, 5000.0, -3.0]
FAILURES = {
    "error": Unavailable("connection refused"),
    "timeout": Unavailable("timed out"),
    "NaN": NoData("answered NaN"),
    "empty": NoData("answered nothing"),
    "password": Unauthorized("wrong password"),
}
FALLBACKS = [
    "static",
    "currentReplicas",
    "currentReplicasIfHigher",
    "currentReplicasIfLower",
    "scalingModifiers",
]
ON_ERRORS = ["hold", "hold=0s", "hold=40s", "hold=10m", "ignore", "last-known=40s", "last-known=10m"]
SCALE_DOWN = [None, {"stabilizationWindowSeconds": 0}, {"stabilizationWindowSeconds": 60}]


@dataclass
class Trigger:
    """A source, as the world knows it: a number, or the name of a failure; and what of it could be seen."""

    built: Built
    state: float | str
    read_at: float | None = None
    seen: float | None = None
    failed_polls: int = 0
    failing_since: float | None = None

    @property
    def fails(self):
        return self.failing_since is not None

    @property
    def unknown(self):
        return self.fails or self.read_at is None

    def wants(self, replicas, ready):
        """The replicas that its number asks for, in the test's own arithmetic."""
        target = self.built.specs[0].target
        each = max(self.seen, 0.0) / target
        if self.built.metric_type == "Value":
            each *= replicas if ready is None else ready
        return -int(-each // 1)


class Timeline:
    def __init__(self, pick):
        self.pick = pick
        self.now = self.begin = 0.0
        self.on_error = pick(ON_ERRORS)
        count = pick([1, 1, 2, 2, 3, 4, 5])
        self.formula = pick([None, None, None, "+", "??"])
        self.so = scaled_object(self._spec(count), {"tidegate.dev/on-error": self.on_error})
        self.managed = Managed.of(self.so)
        self.triggers = [Trigger(self._built(index), pick(VALUES)) for index in range(count)]
        self.replicas = pick([0, 0, 1, 2, 5, 12])
        self.ready = pick([0, self.replicas])
        self.knows_ready = pick([True, True, True, False])
        self.store = Store()
        self.feed = Feed(self.store)
        self.hpa = hpa.defaulted(
            hpa.desired(
                self.so,
                [
                    hpa.TriggerMetrics(t.built.index, t.built.specs, t.built.metric_type)
                    for t in self.triggers
                ],
                "1",
            )
        )["spec"]
        self.state = desired.State()
        self.raised: dict[str, tuple] = {}
        self.history = [self.replicas]
        self.told = []
        self.managed.readings = Readings()
        self.managed.readings.take(tuple(t.built for t in self.triggers), self.moment)
        self.feed.declare(self.managed, self._judged(), self.replicas, self.now, self.moment)

    # What there is.

    def _spec(self, count):
        pick, letters = self.pick, "abcde"[:count]
        minimum = pick([0, 0, 0, 1, 3])
        spec = {
            "minReplicaCount": minimum,
            "maxReplicaCount": pick([5, 30, 100]),
            "cooldownPeriod": pick([0, 20, 300]),
            "pollingInterval": pick([5, 15, 30]),
            "triggers": [
                {"type": "redis", "name": letter, "metadata": {"listName": letter}} for letter in letters
            ],
            "advanced": {},
        }
        if minimum and pick([False, True]):
            spec["idleReplicaCount"] = 0  # To any other an HPA says no: its own minimum is above it.
        behaviors = FALLBACKS if self.formula else FALLBACKS[:-1]
        if self.formula == "??":
            behaviors = ["scalingModifiers"]
        if self.formula == "??" or pick([False, True]):
            spec["fallback"] = {
                "failureThreshold": pick([0, 1, 3]),
                "replicas": pick([0, 1, 4, 6]),
                "behavior": pick(behaviors),
            }
        if self.formula:
            parts = [
                f"({letter} ?? {pick([0, 2])})" if self.formula == "??" else letter for letter in letters
            ]
            spec["advanced"]["scalingModifiers"] = {
                "formula": " + ".join(parts),
                "target": pick(["1", "5"]),
                "activationTarget": pick(["0", "3"]),
                "metricType": pick(["AverageValue", "AverageValue", "Value"]),
            }
        down = pick(SCALE_DOWN)
        if down is not None:
            spec["advanced"]["horizontalPodAutoscalerConfig"] = {"behavior": {"scaleDown": down}}
        return spec

    def _built(self, index):
        return Built(
            index=index,
            type="redis",
            name="abcde"[index],
            metric_type=self.pick(["AverageValue", "AverageValue", "AverageValue", "Value"]),
            specs=(MetricSpec("jobs", self.pick([1, 5, 0.5])),),
            scaler=SimpleNamespace(reads=True, freshness=1.0),
            metadata=SimpleNamespace(activation=self.pick([0, 0, 2])),
            cached=self.pick([False, False, False, True]),
        )

    @property
    def moment(self):
        return NOW + timedelta(seconds=self.now)

    @property
    def target(self):
        ready = self.ready if self.knows_ready else None
        return Target("shop", "worker", "u-2", "1", self.replicas, ready, ())

    @property
    def policy(self):
        return self.managed.policy()

    def _judged(self):
        return self.managed.judged(self.target, self.moment)

    # What happens.

    def step(self, *, constant=False):
        """Some sources change, polls are made, pods become ready, the HPA looks."""
        self.begin = self.now
        if not constant:
            for trigger in self.triggers:
                kind = self.pick(["same", "same", "value", "value", "failure"])
                if kind == "value":
                    trigger.state = self.pick(VALUES)
                elif kind == "failure":
                    trigger.state = self.pick(sorted(FAILURES))
        interval = self.so.polling_interval
        for trigger in self.triggers:
            if self.now % interval < STEP and (constant or self.pick([True] * 9 + [False])):
                self._read(trigger, "poll")
        self._decide()
        if constant or self.pick([True, True, False]):
            self.ready = self.replicas
            self._target_changed()
        self.now = self.begin + LOOK
        if self.replicas:
            self._sync()
        self.now = self.begin + STEP

    def _read(self, trigger, cause):
        state = trigger.state
        if isinstance(state, str):
            result = Result(error=FAILURES[state], at=self.now, moment=self.moment, cause=cause)
            trigger.failed_polls += cause == "poll"
            if trigger.failing_since is None:
                trigger.failing_since = self.now
        else:
            result = Result(readings=(Reading(state),), at=self.now, moment=self.moment, cause=cause)
            trigger.read_at, trigger.seen = self.now, state
            trigger.failed_polls, trigger.failing_since = 0, None
        self.managed.readings.result(trigger.built.index, result)
        self.feed.result(self.managed, trigger.built, result, self._judged(), self.replicas)
        if cause != "poll":
            self._decide()

    def _decide(self):
        if any(t.unknown and not t.fails for t in self.triggers):
            return  # As the evaluator: each must have been tried.
        decision = self._decided()
        before = self.replicas
        if decision.replicas is not None and decision.replicas != before:
            self._moved(decision.replicas, str(decision.reason))
            if decision.replicas < before:
                self.check_going_to_rest(decision)
        self.managed.active, self.managed.last_active = decision.active, decision.last_active
        if self.replicas == before and self.now % 45:
            return
        again = self._decided()
        assert again.replicas in {None, self.replicas}, "deciding twice changed something"

    def _decided(self):
        return self.managed.given(self.replicas, self.moment, self.target.ready).decide()

    def _moved(self, to, why):
        self.told.append((self.now, self.replicas, to, why))
        self.replicas = to
        self.ready = min(self.ready, to)
        self.history.append(to)
        self.feed.replicas_changed(self.managed, self.now)
        self._target_changed()

    def _target_changed(self):
        self.feed.target_changed(self.managed, self._judged(), self.replicas, self.now, self.moment)

    def _sync(self):
        served = [self._served(metric["external"]["metric"]["name"]) for metric in self.hpa["metrics"]]
        if not self.replicas:
            return
        answers = [
            desired.Answer(values=(s.sample.value,)) if s is not None else desired.Answer(error="503")
            for s in served
        ]
        scale = desired.Scale(replicas=self.replicas, observed=self.replicas, ready=self.ready)
        result = desired.evaluate(self.hpa, scale=scale, answers=answers, state=self.state, now=self.now)
        self.state = result.state
        if result.write is None or result.write == self.replicas:
            return
        before = self.replicas
        metered = desired.needs_metrics(self.hpa, before)
        self.now += SOON
        self._moved(result.write, "HPA")
        if metered and result.write < before:
            self.check_scale_in(before, scale)
        elif metered:
            self.check_scale_out(scale, answers, served)

    def _served(self, name):
        metric = Metric("shop", "worker", name)
        verdict = self.store.serve(metric, self.now)
        if isinstance(verdict, Stale):
            for key in sorted(self.feed.keys([metric]), key=lambda key: key.index):
                trigger = self.triggers[key.index]
                # A source in time-out says nothing in time; one that is known to be down is not asked.
                if trigger.state != "timeout" and not (trigger.fails and self.pick([False, True])):
                    self._read(trigger, "refresh")
            verdict = self.store.serve(metric, self.now, refreshed=True)
        return verdict if isinstance(verdict, Served) else None

    # What must hold.

    @property
    def fallen(self):
        """Triggers whose fallback is engaged."""
        fallback = self.policy.fallback
        return [
            t
            for t in self.triggers
            if fallback is not None and t.fails and t.failed_polls > fallback.threshold
        ]

    def ignored(self, trigger):
        """Is the user's wish that this one, failing, has no say?"""
        rule, since = self.policy.on_error, trigger.failing_since
        if self.formula or since is None:
            return False
        over = rule.seconds is not None and self.now - since > rule.seconds
        return rule.kind == "ignore" or (rule.kind == "hold" and over)

    def check_going_to_rest(self, decision):
        """Never because of what is not known: unless the user said so."""
        assert decision.replicas == self.policy.rest, self
        unknown = [t for t in self.triggers if t.unknown]
        none_wished = [t for t in self.fallen if self.policy.fallback.replicas == 0]
        if self.formula:
            wished = bool(none_wished) or (self.formula == "??" and all(t in self.fallen for t in unknown))
            assert not unknown or wished, self
        else:
            assert all(self.ignored(t) or t in none_wished for t in unknown), self
            # And never while a healthy trigger says that there is work.
            busy = [t for t in self.triggers if not t.unknown and t.seen > t.built.metadata.activation]
            assert not busy, self

    def check_scale_in(self, before, scale):
        """Never below the healthiest demand, and never on what is out of date."""
        limit = self.so.polling_interval + GRACE
        healthy = [t for t in self.triggers if not t.unknown]
        if not self.formula:
            wants = [t.wants(before, scale.ready) for t in healthy]
            least = max(self.policy.floor, min(self.policy.maximum, max(wants, default=0)))
            assert self.replicas >= min(before, least), self
        stale = [
            t
            for t in self.triggers
            if t.unknown and t not in self.fallen and (t.read_at is None or self.now - t.read_at > limit)
        ]
        if self.formula:
            assert not stale or self.fallen, self
        else:
            assert all(self.ignored(t) for t in stale), self
            assert len(stale) < len(self.triggers), self

    def check_scale_out(self, scale, answers, served):
        """A ratio that was read once raises the replicas once."""
        proposals = [
            propose(m, a, scale, Tolerance()) for m, a in zip(self.hpa["metrics"], answers, strict=True)
        ]
        counts = [p.replicas if isinstance(p, Proposal) else -1 for p in proposals]
        winner = counts.index(max(counts))
        if counts[winner] <= scale.replicas:
            return  # An older recommendation, within the HPA's own window.
        external = self.hpa["metrics"][winner]["external"]
        if "value" not in external["target"]:
            return
        name = external["metric"]["name"]
        if self.fallen:
            self.check_fallen(winner, scale)
        by = self.triggers if self.formula else [self.triggers[winner]]
        read = tuple(served[winner].sample.at if t in self.fallen else t.read_at for t in by)
        assert self.raised.get(name) != read, self
        self.raised[name] = read

    def check_fallen(self, winner, scale):
        """A fallback asks for its count, however many pods became ready since."""
        fallback = self.policy.fallback
        standing_in = self.fallen if self.formula else [t for t in self.fallen if t is self.triggers[winner]]
        if standing_in and fallback.behavior != "scalingModifiers":
            assert self.replicas <= max(fallback.replicas, self.policy.floor, scale.replicas), self

    def check_constant(self, seconds):
        """While nothing changes, the replicas change direction twice at most."""
        begin = len(self.history) - 1
        for _ in range(int(seconds / STEP)):
            self.step(constant=True)
        moves = [b - a for a, b in pairwise(self.history[begin:])]
        turns = sum(a * b < 0 for a, b in pairwise(moves))
        assert turns <= 2, self

    def __repr__(self):
        sources = [
            (
                t.built.name,
                t.built.metric_type,
                t.built.specs[0].target,
                t.state,
                t.seen,
                t.read_at,
                t.failed_polls,
            )
            for t in self.triggers
        ]
        return f"at {self.now}: {self.policy}\n{sources}\n{self.told}"
