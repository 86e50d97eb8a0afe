"""From what counts for each metric to what the HPA is served: the one writer of the metrics store.

It also knows the way back, from a metric that the HPA asks for to the triggers that must be read. The HPA is told what
the decision was made on: a fallback's value, too, and 0 for a trigger that is to be ignored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from metrics_adapter.store import GRACE, Metric, Sample, Store, Terms
from scaler.control.managed import Managed
from scaler.control.results import Result, TriggerKey
from scaler.control.triggers import Built
from scaler.core.decision import Reason
from scaler.core.outcome import COMPOSITE, By, Outcome
from scaler.core.trail import proposed
from scalers._lib import quantity

__all__ = ["Feed"]

_NEVER_FRESH = 0.0
_Keys = dict[str, tuple[TriggerKey, ...]]


class Feed:
    """See the module. All methods are synchronous and belong to the event loop.

    `judged` is what `Managed.judged` gives, `replicas` the scale target's, None where that is not known.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[tuple[str, str], _Keys] = {}

    def declare(
        self, managed: Managed, judged: Sequence[Outcome], replicas: int | None, now: float, moment: datetime
    ) -> None:
        """Serve exactly the object's metrics from now on; those that cannot be read are failures at once."""
        namespace, name = managed.key
        modifiers = managed.policy().modifiers
        terms, keys = _terms(managed)
        if modifiers is not None:
            fresh = min((term.freshness for term in terms.values()), default=_NEVER_FRESH)
            interval = float(managed.so.polling_interval)
            # Of a trigger with `useCachedMetrics` the last poll's value counts: it is not read because the HPA asks.
            asked = {
                name.lower() for built in managed.triggers if not built.cached for name in built.names
            } or keys.keys()
            every = tuple(
                dict.fromkeys(key for name, found in keys.items() if name in asked for key in found)
            )
            terms = {COMPOSITE: Terms(freshness=fresh, interval=interval, metric_type=modifiers.metric_type)}
            keys = {COMPOSITE: every}
        self._store.declare(namespace, name, terms)
        self._keys[managed.key] = keys
        for built in managed.triggers:
            result = managed.results.get(built.index)
            if built.error is not None:
                self._tell(managed, built, judged, replicas, now, moment)
            elif result is not None and not result.pushed:
                self._tell(managed, built, judged, replicas, result.at, result.moment)

    def forget(self, key: tuple[str, str]) -> None:
        """Serve nothing of the object any more."""
        self._store.forget(*key)
        self._keys.pop(key, None)

    def result(
        self, managed: Managed, built: Built, result: Result, judged: Sequence[Outcome], replicas: int | None
    ) -> None:
        """A trigger was read, or could not be."""
        self._tell(managed, built, judged, replicas, result.at, result.moment)

    def untried(
        self, managed: Managed, judged: Sequence[Outcome], replicas: int | None, now: float, moment: datetime
    ) -> None:
        """A pollingInterval is over for the triggers that cannot even be tried; something may stand in for them."""
        for built in managed.triggers:
            if built.error is not None:
                self._tell(managed, built, judged, replicas, now, moment)

    def pin(self, managed: Managed, metrics: Collection[str]) -> None:
        """Serve the present samples of these metrics until the HPA has read each once."""
        for metric in metrics:
            self._store.pin(self._metric(managed, metric))

    def replicas_changed(self, managed: Managed, now: float) -> None:
        """The target's replicas changed: a `Value` sample from before says nothing about them."""
        self._store.replicas_changed(*managed.key, now)

    def target_changed(
        self, managed: Managed, judged: Sequence[Outcome], replicas: int | None, now: float, moment: datetime
    ) -> None:
        """The target's replicas or ready pods changed: what stands in for a number is made of them, so made anew."""
        stand_ins = {o.index for o in judged if o.external and o.by in {By.FALLBACK, By.LAST_KNOWN}}
        for built in managed.triggers:
            if built.index in stand_ins:
                self._tell(managed, built, judged, replicas, now, moment)

    def keys(self, metrics: Collection[Metric]) -> set[TriggerKey]:
        """The triggers behind metrics that the HPA asks for."""
        found: set[TriggerKey] = set()
        for metric in metrics:
            keys = self._keys.get((metric.namespace, metric.object), {})
            found.update(keys.get(metric.name.lower(), ()))
        return found

    def _tell(
        self,
        managed: Managed,
        built: Built,
        judged: Sequence[Outcome],
        replicas: int | None,
        at: float,
        moment: datetime,
    ) -> None:
        keys = self._keys.get(managed.key)
        if keys is None:
            return
        if COMPOSITE in keys:
            self._tell_composite(managed, judged, replicas, at, moment)
            return
        mine = [o for o in judged if o.external and o.index == built.index]
        for outcome in mine:
            self._serve(managed, outcome, replicas, at, moment)

    def _tell_composite(
        self, managed: Managed, judged: Sequence[Outcome], replicas: int | None, at: float, moment: datetime
    ) -> None:
        """It is as old as the oldest of its parts: who waits for a fresh one waits for all of them."""
        composite = next((o for o in judged if o.metric == COMPOSITE), None)
        if composite is None:
            return
        if composite.value is not None and composite.by is not By.FALLBACK:
            at = min((result.at for result in managed.results.values()), default=at)
        self._serve(managed, composite, replicas, at, moment)

    def _serve(
        self, managed: Managed, outcome: Outcome, replicas: int | None, at: float, moment: datetime
    ) -> None:
        metric = self._metric(managed, outcome.metric)
        scaling_in = managed.decision is not None and managed.decision.reason is Reason.SCALING_IN
        # On its way to zero by way of the HPA: what is below its activation asks for nothing any more.
        value = 0.0 if scaling_in and outcome.active is False else _served(outcome, replicas)
        if value is None:
            message = outcome.message or "its source has no number for it"
            self._store.fail(metric, outcome.reason or "NoData", message, at)
        else:
            # A negative value would make the real HPA scale up to its limit; it asks for nothing, which is 0.
            text = quantity.from_number(max(value, 0.0))
            bound = outcome.by is By.LAST_KNOWN
            self._store.put(metric, Sample(value=text, at=at, moment=moment, bound=bound))

    @staticmethod
    def _metric(managed: Managed, name: str) -> Metric:
        return Metric(*managed.key, name)


def _terms(managed: Managed) -> tuple[dict[str, Terms], _Keys]:
    """How each trigger's metrics may be served, and which trigger is behind them."""
    interval = float(managed.so.polling_interval)
    terms: dict[str, Terms] = {}
    keys: _Keys = {}
    for built in managed.triggers:
        fresh = built.scaler.freshness if built.scaler is not None else _NEVER_FRESH
        if built.cached:
            fresh = interval + GRACE
        for metric in built.names:
            terms[metric] = Terms(freshness=fresh, interval=interval, metric_type=built.metric_type)
            keys[metric.lower()] = (TriggerKey(managed.uid, built.index),)
    return terms, keys


def _served(outcome: Outcome, replicas: int | None) -> float | None:
    """The number that the HPA is given; None where it is told that there is none."""
    if outcome.by is By.IGNORED:
        return 0.0
    if outcome.by is By.LAST_KNOWN:
        # It may ask for more, but nothing is scaled in on a number from before the failure. And a ratio was true of the
        # pods of then: asked again, it would compound.
        if outcome.metric_type == "Value":
            return None
        count = proposed(outcome, replicas or 0)
        return outcome.value if replicas is not None and count is not None and count >= replicas else None
    return outcome.value
