"""What the adapter counts about itself, in Prometheus' terms, on a registry of its own.

`app` may serve the same registry on its plain metrics port. Children are made once: looking them up by
label is most of the cost of counting.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

__all__ = ["CONTENT_TYPE", "Telemetry"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_AGES = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)


class Telemetry:
    """The counters of one server. Their names and labels are public."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "tidegate_adapter_requests",
            "Answered requests, by HTTP status code.",
            ["code"],
            registry=registry,
        )
        self._codes: dict[int, Counter] = {}
        self.age = Histogram(
            "tidegate_adapter_sample_age_seconds",
            "Age of the samples served to the HPA, when served.",
            buckets=_AGES,
            registry=registry,
        )
        self.refreshes = Counter(
            "tidegate_adapter_refreshes",
            "Reads asked for because a sample was too old to serve.",
            registry=registry,
        )
        self.refreshed = Counter(
            "tidegate_adapter_refreshed_metrics", "Metrics in those reads.", registry=registry
        )
        self.deadlines = Counter(
            "tidegate_adapter_refresh_deadlines",
            "Requests whose read did not end in time, answered from what there was.",
            registry=registry,
        )
        self.strangers = Counter(
            "tidegate_adapter_connections_dropped",
            "Connections other than the front proxy's that were closed to make room.",
            registry=registry,
        )
        self._refused = Counter(
            "tidegate_adapter_refused",
            "Requests and connections turned away, by cause.",
            ["cause"],
            registry=registry,
        )

    def refused(self, cause: str) -> None:
        """Count one that was turned away."""
        self._refused.labels(cause).inc()

    def answered(self, code: int) -> None:
        """Count one answered request."""
        child = self._codes.get(code)
        if child is None:
            child = self._codes[code] = self._requests.labels(str(code))
        child.inc()

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
