"""The listener of the external-metrics API: TLS, the front proxy's certificate, and a fresh number in time.

Everything that can be decided without a socket is in `api` and `store`; here requests become routes and
answers become bytes. HTTP/1.1 only, because that is all aiohttp speaks: the API server would choose
HTTP/2 if offered.

Anyone may ask for health; everything else takes the front proxy's certificate (`authn`). A metric whose
sample is too old joins one refresh with others, and is answered from what there is when that takes
longer than the deadline: the HPA controller has five workers for the whole cluster, which one silent
source must not hold.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from metrics_adapter import api, telemetry
from metrics_adapter.authn import FrontProxy
from metrics_adapter.connections import Connection, Strangers, certificate_of
from metrics_adapter.documents import Page, pages
from metrics_adapter.refresh import Refresh, Refresher
from metrics_adapter.samples import Metric, Stale
from metrics_adapter.store import Store
from scaler.clock import Clock
from scaler.pki import KeyPair, server_context

__all__ = ["AdapterServer", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much. All times are real seconds."""

    refresh: float = 0.5
    """A request waits this long for a fresh sample, then it is answered from what there is."""

    handshake: float = 5.0
    """A TLS handshake that takes longer is given up."""

    idle: float = 120.0
    """The front proxy may leave a connection idle this long; its own limit is 90 s, so it closes first."""

    strangers: int = 32
    """Connections without a client certificate at a time; the oldest leaves for a newcomer."""

    stranger: float = 10.0
    """How long each of them may last."""

    drain: float = 1.0
    """Requests under way get this long when the server closes."""

    headers: int = 512
    """Header lines in a request; the front proxy sends one for each of a person's groups."""


_HEADERS: Final = {"Cache-Control": "no-cache, private", "Server": "tidegate"}
_JSON: Final = _HEADERS | {"Content-Type": "application/json"}
_TEXT: Final = _HEADERS | {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_EXPOSITION: Final = _HEADERS | {"Content-Type": telemetry.CONTENT_TYPE}
_UNAUTHORIZED: Final = api.status(
    401,
    "Unauthorized: this server answers the API server's front proxy; ask it through the cluster",
    "Unauthorized",
)


class AdapterServer:
    """One TLS listener over one store.

    `refresh` reads metrics anew (see `refresh.Refresh`). `ready` says whether the store is fed, for /readyz.
    `registry` takes the server's own metrics; a new one is made when none is given.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        refresh: Refresh,
        *,
        certificate: KeyPair,
        front_proxy: FrontProxy,
        ready: Callable[[], bool] = lambda: True,
        version: str = "0.0.0",
        limits: Limits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._refresh = refresh
        self._front_proxy = front_proxy
        self._ready = ready
        self._limits = limits or Limits()
        self._pages = pages(version)
        self._tls = server_context(certificate, client_ca=front_proxy.ca)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._refresher = Refresher(clock, self._read, deadline=self._limits.refresh)
        self._unsubscribe: Callable[[], None] | None = None
        self._listener: asyncio.Server | None = None
        self._manager: web.Server | None = None
        self.telemetry = telemetry.Telemetry(registry or CollectorRegistry())

    @property
    def port(self) -> int:
        """The TCP port that is listened on. Raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the adapter does not listen yet: await start() first")
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a free port). Raises OSError when that is not possible."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        manager = self._manager = web.Server(self._handle)
        strangers = Strangers(limits.strangers, limits.stranger, self.telemetry.strangers.inc)

        def connection() -> Connection:
            return Connection(
                manager,
                strangers,
                self._broken,
                loop=loop,
                access_log=None,
                keepalive_timeout=limits.idle,
                lingering_time=1.0,
                max_headers=limits.headers,
            )

        self._listener = await loop.create_server(
            connection, host, port, ssl=self._tls, ssl_handshake_timeout=limits.handshake, backlog=256
        )
        self._unsubscribe = self._store.subscribe(self._refresher.news)

    async def close(self) -> None:
        """Stop listening, let go of everyone, return when nothing is left. Safe to call twice."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._listener is not None:
            self._listener.close()
        await self._refresher.close()
        if self._manager is not None:
            self._manager.pre_shutdown()  # Idle connections end at once, requests under way get a moment.
            await self._manager.shutdown(self._limits.drain)
        if self._listener is not None:
            await self._listener.wait_closed()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        response = await self._respond(request)
        self.telemetry.answered(response.status)
        return response

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        headers, url = request.headers, request.rel_url
        asked = api.route(request.method, url.raw_path, url.raw_query_string, headers.get("Accept", ""))
        if isinstance(asked, api.Health):
            return self._health(asked)
        if self._front_proxy.user(certificate_of(request.transport), headers) is None:
            return _json(_UNAUTHORIZED)
        match asked:
            case api.Query():
                return _json(await self._value(asked))
            case api.Document():
                return _page(self._pages[asked.path], headers.get("If-None-Match", ""))
            case api.Telemetry():
                return web.Response(body=self.telemetry.render(), headers=_EXPOSITION)
        return _json(asked)

    async def _value(self, query: api.Query) -> api.Response:
        found = api.answer(query, self._store, self._clock.monotonic())
        if isinstance(found, Stale):
            if not await self._refresher.join(found.metric):
                self.telemetry.deadlines.inc()
            found = api.answer(query, self._store, self._clock.monotonic(), refreshed=True)
        if found.age is not None:
            self.telemetry.age.observe(found.age)
        return found

    async def _read(self, metrics: Collection[Metric]) -> None:
        self.telemetry.refreshes.inc()
        self.telemetry.refreshed.inc(len(metrics))
        await self._refresh(metrics)

    def _health(self, asked: api.Health) -> web.Response:
        if asked.check == "readyz" and not self._ready():
            return web.Response(status=503, body=b"not ready", headers=_TEXT)
        return web.Response(body=b"ok", headers=_TEXT)

    def _broken(self, status: int, message: str) -> web.Response:
        self.telemetry.answered(status)
        if status >= 500:
            return _json(
                api.status(status, "the adapter failed on this request; its log says why", "InternalError")
            )
        return _json(api.status(status, f"this is no HTTP request: {message}", "BadRequest"))


def _json(answer: api.Response) -> web.Response:
    return web.Response(status=answer.status, body=msgspec.json.encode(answer.body), headers=_JSON)


def _page(page: Page, known: str) -> web.Response:
    headers = _JSON | {"ETag": page.etag}
    if page.etag in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=page.body, headers=headers)
