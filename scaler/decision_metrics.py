"""How decisions go, in Prometheus' terms: what is held, what is braked, and why objects are as they are."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from scaler.control.controller import Controller

__all__ = ["DecisionCollector"]


class DecisionCollector(Collector):
    """See the module. Asks the controller when it is scraped."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def collect(self) -> Iterator[Metric]:
        """Seven families."""
        held = CounterMetricFamily(
            "tidegate_held_replica_seconds",
            "Replicas times seconds that were held since triggers had no number, by their reason.",
            labels=("namespace", "scaledObject", "reason"),
        )
        for labels, seconds in self._controller.figures.held_seconds.items():
            held.add_metric(labels, seconds)
        yield held
        reasons = GaugeMetricFamily(
            "tidegate_objects", "ScaledObjects by the reason of their last decision.", labels=("reason",)
        )
        for reason, count in self._controller.figures.reasons().items():
            reasons.add_metric((reason,), count)
        yield reasons
        braked = GaugeMetricFamily(
            "tidegate_braked_objects", "ScaledObjects that the mass-event brake holds.", labels=("source",)
        )
        for source, count in self._controller.restraints.braked().items():
            braked.add_metric((source,), count)
        yield braked
        engaged = CounterMetricFamily("tidegate_brake_engagements", "How often the mass-event brake engaged.")
        engaged.add_metric((), self._controller.restraints.engagements)
        yield engaged
        unadmitted = GaugeMetricFamily(
            "tidegate_unadmitted_objects",
            "1 for a ScaledObject that runs although KEDA's admission webhook refuses it, by KEDA's reason.",
            labels=("namespace", "scaledObject", "reason"),
        )
        for labels in self._controller.admissions.refused():
            unadmitted.add_metric(labels, 1)
        yield unadmitted
        observed = GaugeMetricFamily(
            "tidegate_observed_objects",
            "Observed ScaledObjects: those where all that was done is what Tidegate would have done, and the others.",
            labels=("state",),
        )
        for state, count in self._controller.comparisons.states().items():
            observed.add_metric((state,), count)
        yield observed
        differing = CounterMetricFamily(
            "tidegate_disagreements",
            "Disagreements with what was done to observed ScaledObjects, by kind.",
            labels=("kind",),
        )
        for kind, count in self._controller.comparisons.counts().items():
            differing.add_metric((kind,), count)
        yield differing
