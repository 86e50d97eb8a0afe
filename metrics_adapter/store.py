"""What the HPA may be told: the latest sample of every declared metric, its age judged when it is read.

The controller declares which metrics exist and feeds samples and failures; the API serves from here alone.
Not knowing is not zero: what cannot be served is `Unserved` with a reason, never an empty list or an invented
number.

A store elsewhere is kept like this one by the changes that it tells (`changes`). Such a follower is `leaderless` while
nobody tells it anything, and `partial` until it was told everything.

Pure: no IO and no clock. `now` and every `at` are seconds of the same monotonic clock.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from metrics_adapter.changes import Change, Declared, Failed, Forgotten, Pinned, Put, ReplicasChanged
from metrics_adapter.samples import Metric, Sample, Served, Stale, Terms, Undeclared, Unserved, Verdict, Why

__all__ = [
    "GRACE",
    "LEADERLESS",
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

LEADERLESS = 30.0
"""Seconds for which a sample is served at least while nobody leads: longer than it takes another to."""


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
    _followers: tuple[Callable[[Change], None], ...] = ()
    leaderless: bool = False
    """Nobody feeds this store just now, so nothing can be read anew."""
    partial: bool = False
    """There may be more metrics than were declared."""

    def declare(self, namespace: str, scaled_object: str, terms: Mapping[str, Terms]) -> None:
        """Replace the set of metrics of one ScaledObject. Names that stay keep their samples."""
        old = self._objects.get((namespace, scaled_object)) or _Object({})
        entries: dict[str, _Entry] = {}
        for name, term in terms.items():
            metric = Metric(namespace, scaled_object, name)
            kept = old.entries.get(_fold(name))
            entries[_fold(name)] = replace(kept, metric=metric, terms=term) if kept else _Entry(metric, term)
        self._objects[namespace, scaled_object] = _Object(entries, old.changed_at)
        self._follow(Declared(namespace, scaled_object, dict(terms)))

    def forget(self, namespace: str, scaled_object: str) -> None:
        """Drop a ScaledObject with all it holds; unknown ones are fine."""
        if self._objects.pop((namespace, scaled_object), None) is not None:
            self._follow(Forgotten(namespace, scaled_object))

    def put(self, metric: Metric, sample: Sample) -> None:
        """Take in a sample. One older than what is held, or of an undeclared metric, is dropped."""
        held, entry = self._find(metric)
        if held is None or entry is None or _newest(entry) > sample.at:
            return
        failure = entry.failure if entry.failure is not None and entry.failure.at > sample.at else None
        self._set(held, replace(entry, sample=sample, failure=failure), Put(entry.metric, sample))

    def fail(self, metric: Metric, reason: str, message: str, at: float) -> None:
        """Remember why a read of `metric`, sent `at`, gave no number: a CamelCase word and a sentence.

        A failure older than the sample held is dropped: the source has answered since.
        """
        held, entry = self._find(metric)
        if held is None or entry is None or _newest(entry) > at:
            return
        failed = replace(entry, failure=_Failure(reason, message, at))
        self._set(held, failed, Failed(entry.metric, reason, message, at))

    def pin(self, metric: Metric) -> None:
        """Serve the present sample until it has been read once, whatever arrives meanwhile.

        The sample that woke a workload is pinned, so that workers who empty the queue before the HPA's first
        look do not make it cut busy pods. A pin that nobody reads ends after the interval and `GRACE`, but
        not before `PIN`.
        """
        held, entry = self._find(metric)
        if held is not None and entry is not None and entry.sample is not None:
            held.entries[_fold(entry.metric.name)] = replace(entry, pinned=entry.sample)
            self._follow(Pinned(entry.metric))

    def replicas_changed(self, namespace: str, scaled_object: str, at: float) -> None:
        """Ratios (`Value`) and bound samples from before `at` are outdated from now on: they are of other replicas."""
        held = self._objects.get((namespace, scaled_object))
        if held is not None:
            held.changed_at = max(held.changed_at, at)
            self._follow(ReplicasChanged(namespace, scaled_object, at))

    def serve(self, metric: Metric, now: float, *, refreshed: bool = False) -> Verdict:
        """Answer a reader, who uses up a pin. `refreshed`: its source was given its chance just now."""
        held, entry = self._find(metric)
        if held is None or entry is None:
            if self.leaderless or self.partial:
                return Unserved(metric, Why.NO_LEADER, "no leading controller has told of it yet")
            return Undeclared(known_object=held is not None)
        if entry.pinned is not None:
            pinned, limit = entry.pinned, max(entry.terms.interval + GRACE, PIN)
            entry = held.entries[_fold(entry.metric.name)] = replace(entry, pinned=None)
            if _usable(held, entry, pinned, now, limit):
                return Served(entry.metric, pinned, max(0.0, now - pinned.at))
        limit = entry.terms.freshness
        if self.leaderless:
            limit = max(limit, entry.terms.interval, LEADERLESS)
        elif refreshed:
            limit = max(limit, entry.terms.interval + GRACE, LEADERLESS if self.partial else 0.0)
        if entry.sample is not None and _usable(held, entry, entry.sample, now, limit):
            return Served(entry.metric, entry.sample, max(0.0, now - entry.sample.at))
        if self.leaderless:
            return Unserved(
                entry.metric, Why.NO_LEADER, f"no controller leads just now, and {_last(entry, now)}"
            )
        return _unserved(held, entry, now) if refreshed else Stale(entry.metric)

    def subscribe(self, listener: Callable[[Metric], None]) -> Callable[[], None]:
        """Call `listener` with each metric that gets a sample or a failure, until the result is called."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def follow(self, follower: Callable[[Change], None]) -> Callable[[], None]:
        """Call `follower` with each change of what is held, until the result is called."""
        self._followers = (*self._followers, follower)

        def leave() -> None:
            self._followers = tuple(one for one in self._followers if one is not follower)

        return leave

    def snapshot(self) -> Iterator[Change]:
        """The changes that make an empty store hold what this one does. To be used up before the store changes."""
        for (namespace, name), held in self._objects.items():
            yield Declared(namespace, name, {e.metric.name: e.terms for e in held.entries.values()})
            if held.changed_at > float("-inf"):
                yield ReplicasChanged(namespace, name, held.changed_at)
            for entry in held.entries.values():
                yield from _told(entry)

    def present(self, metric: Metric) -> Iterator[Change]:
        """The part of `snapshot` about one metric's sample and failure; nothing for one that is not declared."""
        _, entry = self._find(metric)
        if entry is not None:
            yield from _told(replace(entry, pinned=None))

    def apply(self, change: Change) -> None:
        """Do what a change says."""
        match change:
            case Declared(namespace, name, terms):
                self.declare(namespace, name, terms)
            case Put(metric, sample):
                self.put(metric, sample)
            case Failed(metric, reason, message, at):
                self.fail(metric, reason, message, at)
            case Pinned(metric):
                self.pin(metric)
            case ReplicasChanged(namespace, name, at):
                self.replicas_changed(namespace, name, at)
            case Forgotten(namespace, name):
                self.forget(namespace, name)

    def objects(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of every ScaledObject with a declaration."""
        return tuple(self._objects)

    def __len__(self) -> int:
        """How many metrics are declared."""
        return sum(len(held.entries) for held in self._objects.values())

    def _find(self, metric: Metric) -> tuple[_Object | None, _Entry | None]:
        held = self._objects.get((metric.namespace, metric.object))
        return held, held.entries.get(_fold(metric.name)) if held else None

    def _set(self, held: _Object, entry: _Entry, change: Change) -> None:
        held.entries[_fold(entry.metric.name)] = entry
        self._follow(change)
        for listener in self._listeners:
            listener(entry.metric)

    def _follow(self, change: Change) -> None:
        for follower in self._followers:
            follower(change)


def _told(entry: _Entry) -> Iterator[Change]:
    if entry.pinned is not None:
        yield Put(entry.metric, entry.pinned)
        yield Pinned(entry.metric)
    if entry.sample is not None and entry.sample is not entry.pinned:
        yield Put(entry.metric, entry.sample)
    failure = entry.failure
    if failure is not None:
        yield Failed(entry.metric, failure.reason, failure.message, failure.at)


def _newest(entry: _Entry) -> float:
    return entry.sample.at if entry.sample is not None else float("-inf")


def _outdated(held: _Object, entry: _Entry, sample: Sample) -> bool:
    bound = sample.bound or entry.terms.metric_type == "Value"
    return bound and sample.at < held.changed_at


def _usable(held: _Object, entry: _Entry, sample: Sample, now: float, limit: float) -> bool:
    return now - sample.at < limit and not _outdated(held, entry, sample)


def _unserved(held: _Object, entry: _Entry, now: float) -> Unserved:
    if entry.failure is not None:
        return Unserved(entry.metric, entry.failure.reason, entry.failure.message)
    if entry.sample is None:
        return Unserved(entry.metric, Why.NO_SAMPLE, "its source has not answered yet")
    if _outdated(held, entry, entry.sample):
        return Unserved(entry.metric, Why.OUTDATED, "its last value is from before the replicas changed")
    return Unserved(entry.metric, Why.STALE, _last(entry, now))


def _last(entry: _Entry, now: float) -> str:
    sample = entry.sample
    return f"its last value is {now - sample.at:.0f} s old" if sample is not None else "it has no value yet"


def _fold(name: str) -> str:
    """The look-up key. The HPA controller lowercases names by Go's rules, rune by rune.

    `casefold` agrees with that for every letter (`lower` does not: it knows a final sigma), but for the
    dotted capital I.
    """
    folded = name.casefold()
    return folded if folded.isascii() else folded.replace("i\N{COMBINING DOT ABOVE}", "i")
