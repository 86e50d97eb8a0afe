"""What the controller counts about itself, in Prometheus' terms, and the plain listener that shows it.

The listener serves `/metrics`, `/healthz` and `/readyz` without TLS, on an address that is a setting (loopback by default).
"""

from collections import Counter as Counts
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from scaler.control.results import SourceInfo

__all__ = ["ApiRequests", "Listener", "SourceCollector"]

_DRAIN = 1.0
"""Real seconds that open requests get when the listener closes."""

_Figure = tuple[str, str, Callable[[SourceInfo], int]]
"""Name, help, and how it is read."""

_GAUGES: tuple[_Figure, ...] = (
    ("triggers", "Triggers that are read from the source.", lambda s: s.triggers),
    ("connected", "1 while the source has a client.", lambda s: int(s.connected)),
    ("listening", "1 while the source tells of changes.", lambda s: int(bool(s.listening))),
    (
        "breaker_open",
        "1 while the source is not tried because its connection failed.",
        lambda s: int(s.breaker != "closed"),
    ),
)
_COUNTERS: tuple[_Figure, ...] = (
    ("reads", "Queries read.", lambda s: s.reads),
    ("batches", "Calls of a scaler; a batch of reads is one.", lambda s: s.batches),
    ("errors", "Reads without a number.", lambda s: s.errors),
    ("wake_ups", "Reads made because the source told of a change.", lambda s: s.wake_ups),
    ("skipped_polls", "Polls that failed untried, the breaker being open.", lambda s: s.skipped),
    ("dropped_changes", "Changes told by the source that caused no read of their own.", lambda s: s.dropped),
    ("clients", "Clients opened.", lambda s: s.clients),
)


class ApiRequests:
    """Counts requests to the API server. An instance is the client's observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "tidegate_api_requests",
            "Requests to the API server, by verb, resource and HTTP status (0: no answer).",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tidegate_api_request_seconds", "How long the API server took to answer.", registry=registry
        )
        self._children: dict[tuple[str, str, int], Counter] = {}

    def __call__(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (verb, resource, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(verb, resource, str(status))
        child.inc()
        self._seconds.observe(seconds)


class SourceCollector(Collector):
    """Shows how the sources are doing, asked when it is scraped.

    A source keeps its label while others come and go; only equal names are told apart by a number.
    """

    def __init__(self, sources: Callable[[], list[SourceInfo]]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """One family a figure, labelled by the source's kind and name."""
        sources = self._sources()
        labels = _labels(sources)
        for name, text, read in _GAUGES:
            gauge = GaugeMetricFamily(f"tidegate_source_{name}", text, labels=("kind", "source"))
            for label, source in zip(labels, sources, strict=True):
                gauge.add_metric(label, read(source))
            yield gauge
        for name, text, read in _COUNTERS:
            counter = CounterMetricFamily(f"tidegate_source_{name}", text, labels=("kind", "source"))
            for label, source in zip(labels, sources, strict=True):
                counter.add_metric(label, read(source))
            yield counter


def _labels(sources: list[SourceInfo]) -> list[tuple[str, str]]:
    seen: Counts[tuple[str, str]] = Counts()
    labels = []
    for source in sources:
        name = (source.kind, source.describe)
        seen[name] += 1
        number = seen[name]
        labels.append(name if number == 1 else (source.kind, f"{source.describe}#{number}"))
    return labels


class Listener:
    """The plain HTTP listener. `ready` says whether the watches are synced."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        self._registry = registry
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a free port). Raises OSError."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/livez", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        # Nobody who sends or reads slowly keeps the process from ending.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_DRAIN, lingering_time=_DRAIN)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    @property
    def port(self) -> int:
        """The TCP port that is listened on. Raises RuntimeError before `start`."""
        if self._runner is None:
            raise RuntimeError("the listener does not listen yet: await start() first")
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok") if self._ready() else web.Response(status=503, text="not ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
