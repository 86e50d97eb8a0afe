"""Changes of the metrics store as messages of the feed, and back. Pure.

Moments travel as ages when sent. The receiver's clock makes them moments again, in the order of the stream: of two samples
of one metric the later told is never the older one, however long each was on its way.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from metrics_adapter.changes import Change, Declared, Failed, Forgotten, Pinned, Put, ReplicasChanged
from metrics_adapter.feed import feed_pb2 as pb
from metrics_adapter.samples import Metric, Sample, Terms
from metrics_adapter.store import Store

__all__ = ["VERSIONS", "Reception", "common", "messages", "metric_message", "metric_of"]

VERSIONS = (1,)
"""The versions of the contract that this program knows."""


def common(versions: Iterable[int]) -> int | None:
    """The highest version that both know; None where there is none."""
    return max(set(versions) & set(VERSIONS), default=None)


def messages(changes: Iterable[Change], now: float) -> Iterator[pb.Change]:
    """What to send. `now` is of the clock that the changes' moments are of."""
    for change in changes:
        match change:
            case Declared(namespace, name, terms):
                declared = pb.Declared(terms=[_terms(metric, term) for metric, term in terms.items()])
                yield pb.Change(namespace=namespace, object=name, declared=declared)
            case Put(metric, sample):
                message = pb.Sample(
                    metric=metric.name,
                    value=sample.value,
                    age_ms=_age(now, sample.at),
                    bound=sample.bound,
                )
                yield pb.Change(namespace=metric.namespace, object=metric.object, sample=message)
            case Failed(metric, reason, text, at):
                failure = pb.Failure(metric=metric.name, reason=reason, message=text, age_ms=_age(now, at))
                yield pb.Change(namespace=metric.namespace, object=metric.object, failure=failure)
            case Pinned(metric):
                pinned = pb.Pinned(metric=metric.name)
                yield pb.Change(namespace=metric.namespace, object=metric.object, pinned=pinned)
            case ReplicasChanged(namespace, name, at):
                replicas = pb.ReplicasChanged(age_ms=_age(now, at))
                yield pb.Change(namespace=namespace, object=name, replicas_changed=replicas)
            case Forgotten(namespace, name):
                yield pb.Change(namespace=namespace, object=name, forgotten=pb.Forgotten())


def metric_message(metric: Metric) -> pb.Metric:
    """A metric to be asked for."""
    return pb.Metric(namespace=metric.namespace, object=metric.object, metric=metric.name)


def metric_of(message: pb.Metric) -> Metric:
    """The metric that is asked for."""
    return Metric(message.namespace, message.object, message.metric)


class Reception:
    """One stream as it comes: takes batches into a store, and finds out what is no longer there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._declared: set[tuple[str, str]] = set()
        self._newest: dict[Metric, float] = {}

    def take(self, batch: pb.Batch, now: float, moment: datetime, factor: float = 1.0) -> None:
        """Do what the batch says. `now` and `moment` are the store's clocks; `factor` is how much faster than the wall."""
        self.take_changes(batch.changes, now, moment, factor)
        if batch.complete:
            for key in self._store.objects():
                if key not in self._declared:
                    self._store.forget(*key)
            self._store.partial = False

    def take_changes(
        self, changes: Sequence[pb.Change], now: float, moment: datetime, factor: float = 1.0
    ) -> None:
        """Do what the changes say, one by one. Kinds that this program does not know are passed over."""
        for message in changes:
            change = self._change(message, now, moment, factor)
            if change is not None:
                self._store.apply(change)

    def _change(self, message: pb.Change, now: float, moment: datetime, factor: float) -> Change | None:
        namespace, name = message.namespace, message.object
        change: Change | None = None
        match message.WhichOneof("what"):
            case "declared":
                self._declared.add((namespace, name))
                change = Declared(namespace, name, dict(map(_terms_of, message.declared.terms)))
            case "sample":
                told = message.sample
                metric = Metric(namespace, name, told.metric)
                at = self._newest[metric] = self._moment(metric, now, told.age_ms)
                answered = moment - timedelta(seconds=max(0.0, now - at) / factor)
                change = Put(metric, Sample(value=told.value, at=at, moment=answered, bound=told.bound))
            case "failure":
                failed = message.failure
                metric = Metric(namespace, name, failed.metric)
                change = Failed(
                    metric, failed.reason, failed.message, self._moment(metric, now, failed.age_ms)
                )
            case "pinned":
                change = Pinned(Metric(namespace, name, message.pinned.metric))
            case "replicas_changed":
                change = ReplicasChanged(namespace, name, now - message.replicas_changed.age_ms / 1000)
            case "forgotten":
                self._declared.discard((namespace, name))
                change = Forgotten(namespace, name)
        return change

    def _moment(self, metric: Metric, now: float, age_ms: int) -> float:
        return max(now - age_ms / 1000, self._newest.get(metric, float("-inf")))


def _age(now: float, at: float) -> int:
    return max(0, round((now - at) * 1000))


def _terms(metric: str, terms: Terms) -> pb.Terms:
    return pb.Terms(
        metric=metric,
        freshness_ms=round(terms.freshness * 1000),
        interval_ms=round(terms.interval * 1000),
        type=terms.metric_type,
    )


def _terms_of(message: pb.Terms) -> tuple[str, Terms]:
    terms = Terms(
        freshness=message.freshness_ms / 1000,
        interval=message.interval_ms / 1000,
        metric_type=message.type or "AverageValue",
    )
    return message.metric, terms
