"""What the controller counts about itself, in Prometheus' terms, and the plain listener that shows it.

The listener serves `/metrics`, `/healthz` and `/readyz` without TLS, on an address that is a setting (loopback by default),
the journal under `/decisions` for `tidegate explain`, and `/disagreements` for `tidegate compare`.
"""

import ipaddress
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from scaler.control.results import SourceInfo

__all__ = ["ApiRequests", "Decisions", "Disagreements", "Listener", "SourceCollector"]

_DRAIN = 1.0
"""Real seconds that open requests get when the listener closes."""

_DIGITS = 10
"""Longer numbers of entries are none."""

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


class Decisions(Protocol):
    """Who knows why: the journal."""

    def document(self, namespace: str, name: str, last: int | None = None) -> dict[str, Any] | None:
        """The JSON document about one object, with its newest `last` entries; None for one that is not known."""
        ...

    def objects(self) -> list[dict[str, Any]]:
        """Every object with its last reason."""
        ...


class Disagreements(Protocol):
    """Who knows where others did what we would not have done."""

    def document(self, namespace: str | None = None) -> dict[str, Any]:
        """The JSON document about the observed objects, of one namespace or all."""
        ...


class Listener:
    """The plain HTTP listener. `ready` says whether the watches are synced; without `decisions` there are none to show."""

    def __init__(
        self,
        registry: CollectorRegistry,
        ready: Callable[[], bool],
        decisions: Decisions | None = None,
        disagreements: Disagreements | None = None,
    ) -> None:
        self._registry = registry
        self._ready = ready
        self._decisions = decisions
        self._disagreements = disagreements
        self._loopback = True
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a free one). Raises OSError."""
        self._loopback = _is_loopback(host)
        app = web.Application(middlewares=[self._check_host])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/livez", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/decisions", self._objects)
        app.router.add_get("/decisions/{namespace}/{name}", self._document)
        if self._disagreements is not None:
            app.router.add_get("/disagreements", self._differences)
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

    @web.middleware
    async def _check_host(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """On loopback, a browser tricked into resolving some name to 127.0.0.1 must not get in.

        The port does not matter: it is another one behind `kubectl port-forward`. Elsewhere any name may be right: through
        the API server's pod proxy it is the API server's own.
        """
        name = request.headers.get("Host", "")
        if self._loopback and not _is_loopback(_hostname(name)):
            return _json(
                {"error": f"Host {name!r} is refused: this listener answers to loopback names only"}, 403
            )
        return await handler(request)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok") if self._ready() else web.Response(status=503, text="not ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _objects(self, _: web.Request) -> web.Response:
        return _json({"objects": self._decisions.objects() if self._decisions is not None else []})

    async def _document(self, request: web.Request) -> web.Response:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        wanted = request.query.get("last", "")
        if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < _DIGITS):
            return _json({"error": f"last={wanted[:_DIGITS]!r} is no count of entries"}, 400)
        last = int(wanted) if wanted else None
        found = self._decisions.document(namespace, name, last) if self._decisions is not None else None
        if found is None:
            text = f"no ScaledObject {namespace}/{name} is known here; /decisions lists those that are"
            return _json({"error": text, "object": {"namespace": namespace, "name": name}}, 404)
        return _json(found)

    async def _differences(self, request: web.Request) -> web.Response:
        namespace = request.query.get("namespace") or None
        return _json(self._disagreements.document(namespace) if self._disagreements is not None else {})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )


def _hostname(host: str) -> str:
    """The name in a Host header, without its port; "" for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
