"""What the HPA may be told: the latest sample of every declared metric, its age judged when it is read.

The controller declares which metrics exist and feeds samples and failures; the API serves from here alone.
Not knowing is not zero: what cannot be served is `Unserved` with a reason, never an empty list or an invented
number.

Pure: no IO and no clock. `now` and every `at` are seconds of the same monotonic clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from metrics_adapter.samples import Metric, Sample, Served, Stale, Terms, Undeclared, Unserved, Verdict, Why

__all__ = [
    "GRACE",
    "PIN",
    "Metric",
    "Sample",
    "Served",
    "Stale",
    "Store",
    "Terms",
    "Undeclared",
    "Unserved",
    "Why",
]

GRACE = 5.0
"""Seconds beyond its polling interval for which a sample is served while its source does not answer."""

PIN = 20.0
"""Seconds that a pinned sample waits at least for its reader: an HPA's sync period (15 s) and a margin."""


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class _Entry:
    metric: Metric
    terms: Terms
    sample: Sample | None = None
    failure: _Failure | None = None
    pinned: Sample | None = None


@dataclass(slots=True)
class _Object:
    entries: dict[str, _Entry]
    changed_at: float = float("-inf")


@dataclass(slots=True)
class Store:
    """The latest sample of every declared metric. Not thread-safe: one event loop feeds and reads it."""

    _objects: dict[tuple[str, str], _Object] = field(default_factory=dict)
    _listeners: tuple[Callable[[Metric], None], ...] = ()

    def declare(self, namespace: str, scaled_object: str, terms: Mapping[str, Terms]) -> None:
        """Replace the set of metrics of one ScaledObject. Names that stay keep their samples."""
        old = self._objects.get((namespace, scaled_object)) or _Object({})
        entries: dict[str, _Entry] = {}
        for name, term in terms.items():
            metric = Metric(namespace, scaled_object, name)
            kept = old.entries.get(_fold(name))
            entries[_fold(name)] = replace(kept, metric=metric, terms=term) if kept else _Entry(metric, term)
        self._objects[namespace, scaled_object] = _Object(entries, old.changed_at)

    def forget(self, namespace: str, scaled_object: str) -> None:
        """Drop a ScaledObject with all it holds; unknown ones are fine."""
        self._objects.pop((namespace, scaled_object), None)

    def put(self, metric: Metric, sample: Sample) -> None:
        """Take in a sample. One older than what is held, or of an undeclared metric, is dropped."""
        held, entry = self._find(metric)
        if held is None or entry is None or _newest(entry) > sample.at:
            return
        failure = entry.failure if entry.failure is not None and entry.failure.at > sample.at else None
        self._set(held, replace(entry, sample=sample, failure=failure))

    def fail(self, metric: Metric, reason: str, message: str, at: float) -> None:
        """Remember why a read of `metric`, sent `at`, gave no number: a CamelCase word and a sentence.

        A failure older than the sample held is dropped: the source has answered since.
        """
        held, entry = self._find(metric)
        if held is None or entry is None or _newest(entry) > at:
            return
        self._set(held, replace(entry, failure=_Failure(reason, message, at)))

    def pin(self, metric: Metric) -> None:
        """Serve the present sample until it has been read once, whatever arrives meanwhile.

        The sample that woke a workload is pinned, so that workers who empty the queue before the HPA's first
        look do not make it cut busy pods. A pin that nobody reads ends after the interval and `GRACE`, but
        not before `PIN`.
        """
        held, entry = self._find(metric)
        if held is not None and entry is not None and entry.sample is not None:
            held.entries[_fold(entry.metric.name)] = replace(entry, pinned=entry.sample)

    def replicas_changed(self, namespace: str, scaled_object: str, at: float) -> None:
        """Ratios (`Value`) read before `at` are outdated from now on: they were true of other replicas."""
        held = self._objects.get((namespace, scaled_object))
        if held is not None:
            held.changed_at = max(held.changed_at, at)

    def serve(self, metric: Metric, now: float, *, refreshed: bool = False) -> Verdict:
        """Answer a reader, who uses up a pin. `refreshed`: its source was given its chance just now."""
        held, entry = self._find(metric)
        if held is None or entry is None:
            return Undeclared(known_object=held is not None)
        if entry.pinned is not None:
            pinned, limit = entry.pinned, max(entry.terms.interval + GRACE, PIN)
            entry = held.entries[_fold(entry.metric.name)] = replace(entry, pinned=None)
            if _usable(held, entry, pinned, now, limit):
                return Served(entry.metric, pinned, max(0.0, now - pinned.at))
        limit = entry.terms.freshness
        if refreshed:
            limit = max(limit, entry.terms.interval + GRACE)
        if entry.sample is not None and _usable(held, entry, entry.sample, now, limit):
            return Served(entry.metric, entry.sample, max(0.0, now - entry.sample.at))
        return _unserved(held, entry, now) if refreshed else Stale(entry.metric)

    def subscribe(self, listener: Callable[[Metric], None]) -> Callable[[], None]:
        """Call `listener` with each metric that gets a sample or a failure, until the result is called."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def __len__(self) -> int:
        """How many metrics are declared."""
        return sum(len(held.entries) for held in self._objects.values())

    def _find(self, metric: Metric) -> tuple[_Object | None, _Entry | None]:
        held = self._objects.get((metric.namespace, metric.object))
        return held, held.entries.get(_fold(metric.name)) if held else None

    def _set(self, held: _Object, entry: _Entry) -> None:
        held.entries[_fold(entry.metric.name)] = entry
        for listener in self._listeners:
            listener(entry.metric)


def _newest(entry: _Entry) -> float:
    return entry.sample.at if entry.sample is not None else float("-inf")


def _outdated(held: _Object, entry: _Entry, sample: Sample) -> bool:
    return entry.terms.metric_type == "Value" and sample.at < held.changed_at


def _usable(held: _Object, entry: _Entry, sample: Sample, now: float, limit: float) -> bool:
    return now - sample.at < limit and not _outdated(held, entry, sample)


def _unserved(held: _Object, entry: _Entry, now: float) -> Unserved:
    if entry.failure is not None:
        return Unserved(entry.metric, entry.failure.reason, entry.failure.message)
    if entry.sample is None:
        return Unserved(entry.metric, Why.NO_SAMPLE, "its source has not answered yet")
    if _outdated(held, entry, entry.sample):
        return Unserved(entry.metric, Why.OUTDATED, "its last value is from before the replicas changed")
    return Unserved(entry.metric, Why.STALE, f"its last value is {now - entry.sample.at:.0f} s old")


def _fold(name: str) -> str:
    """The look-up key. The HPA controller lowercases names by Go's rules, rune by rune.

    `casefold` agrees with that for every letter (`lower` does not: it knows a final sigma), but for the
    dotted capital I.
    """
    folded = name.casefold()
    return folded if folded.isascii() else folded.replace("i\N{COMBINING DOT ABOVE}", "i")
