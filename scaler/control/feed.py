"""From reads to what the HPA is served: the one writer of the metrics store.

It also knows the way back, from a metric that the HPA asks for to the trigger that must be read.
"""

from collections.abc import Collection

from metrics_adapter.store import Metric, Sample, Store, Terms
from scaler.control.managed import Managed
from scaler.control.results import Result, TriggerKey
from scaler.control.triggers import Built
from scalers._lib import quantity

__all__ = ["Feed"]

_NEVER_FRESH = 0.0


class Feed:
    """See the module. All methods are synchronous and belong to the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[tuple[str, str], dict[str, TriggerKey]] = {}

    def declare(self, managed: Managed, now: float) -> None:
        """Serve exactly the metrics of the object's triggers from now on; those that cannot be read are failures at once."""
        namespace, name = managed.key
        interval = float(managed.so.polling_interval)
        terms: dict[str, Terms] = {}
        keys: dict[str, TriggerKey] = {}
        for built in managed.triggers:
            fresh = built.scaler.freshness if built.scaler is not None else _NEVER_FRESH
            for metric in built.names:
                terms[metric] = Terms(freshness=fresh, interval=interval, metric_type=built.metric_type)
                keys[metric.lower()] = TriggerKey(managed.uid, built.index)
        self._store.declare(namespace, name, terms)
        self._keys[managed.key] = keys
        for built in managed.triggers:
            if built.error is not None:
                self._fail(managed, built, built.error.reason, str(built.error), now)
            elif (result := managed.results.get(built.index)) is not None:
                self.result(managed, built, result)

    def forget(self, key: tuple[str, str]) -> None:
        """Serve nothing of the object any more."""
        self._store.forget(*key)
        self._keys.pop(key, None)

    def result(self, managed: Managed, built: Built, result: Result) -> None:
        """A trigger was read, or could not be."""
        if managed.key not in self._keys:
            return
        if result.error is not None:
            self._fail(managed, built, result.error.reason, str(result.error), result.at)
            return
        for spec, metric in zip(built.specs, built.names, strict=True):
            reading = next((r for r in result.readings if r.metric in {None, spec.name}), None)
            if reading is not None:
                # A negative value would make the real HPA scale up to its limit; it asks for nothing, which is 0.
                value = quantity.from_number(max(reading.value, 0.0))
                self._store.put(
                    self._metric(managed, metric), Sample(value=value, at=result.at, moment=result.moment)
                )

    def pin(self, managed: Managed, metrics: Collection[str]) -> None:
        """Serve the present samples of these metrics until the HPA has read each once."""
        for metric in metrics:
            self._store.pin(self._metric(managed, metric))

    def replicas_changed(self, managed: Managed, now: float) -> None:
        """The target's replicas changed: a `Value` sample from before says nothing about them."""
        self._store.replicas_changed(*managed.key, now)

    def keys(self, metrics: Collection[Metric]) -> set[TriggerKey]:
        """The triggers behind metrics that the HPA asks for."""
        found = set()
        for metric in metrics:
            key = self._keys.get((metric.namespace, metric.object), {}).get(metric.name.lower())
            if key is not None:
                found.add(key)
        return found

    def _fail(self, managed: Managed, built: Built, reason: str, message: str, at: float) -> None:
        for metric in built.names:
            self._store.fail(self._metric(managed, metric), reason, message, at)

    @staticmethod
    def _metric(managed: Managed, name: str) -> Metric:
        return Metric(managed.so.namespace, managed.so.name, name)
