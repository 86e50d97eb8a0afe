"""The listener of the external-metrics API: TLS, the front proxy's certificate, and a fresh number in time.

Everything that can be decided without a socket is in `api` and `store`; here requests become routes and
answers become bytes. HTTP/1.1 only, because that is all aiohttp speaks: the API server would choose
HTTP/2 if offered.

Anyone may ask for health; about everything else `guard` is asked first, also about what is not there. A metric whose
sample is too old joins one refresh with others, and is answered from what there is when that takes
longer than the deadline: the HPA controller has five workers for the whole cluster, which one silent
source must not hold.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from metrics_adapter import api, telemetry
from metrics_adapter.attributes import attributes
from metrics_adapter.authn import Peer
from metrics_adapter.connections import Connection, Strangers
from metrics_adapter.documents import Page, pages
from metrics_adapter.guard import Guard
from metrics_adapter.incidents import Incidents
from metrics_adapter.listener import Handshakes, Listener
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

    handshakes: int = 64
    """Handshakes under way at a time; the oldest leaves for a newcomer."""

    strangers: int = 32
    """Connections at a time that are not the front proxy's; the oldest leaves for a newcomer."""

    stranger: float = 10.0
    """How long each of them may last."""

    drain: float = 1.0
    """Requests under way get this long when the server closes."""

    headers: int = 512
    """Header lines in a request; the front proxy sends one for each of a person's groups."""


_HEADERS: Final = {"Cache-Control": "no-cache, private", "Server": "tidegate"}
_JSON: Final = _HEADERS | {"Content-Type": "application/json"}
_TEXT: Final = _HEADERS | {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_REFUSED: Final = _JSON | {"X-Content-Type-Options": "nosniff"}
_EXPOSITION: Final = _HEADERS | {"Content-Type": telemetry.CONTENT_TYPE}


class AdapterServer:
    """One TLS listener over one store.

    `refresh` reads metrics anew (see `refresh.Refresh`). `ready` says whether the store is fed, for /readyz.
    `guard` says who is answered. `registry` takes the server's own metrics; a new one is made when none is given.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        refresh: Refresh,
        *,
        certificate: KeyPair,
        guard: Guard,
        ready: Callable[[], bool] = lambda: True,
        version: str = "0.0.0",
        limits: Limits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._refresh = refresh
        self._guard = guard
        self._certificate = certificate
        self._ready = ready
        self._limits = limits or Limits()
        self._pages = pages(version)
        self._tls: tuple[bytes, ssl.SSLContext] | None = None
        self._refresher = Refresher(clock, self._read, deadline=self._limits.refresh)
        self._unsubscribe: Callable[[], None] | None = None
        self._listener: Listener | None = None
        self._manager: web.Server | None = None
        self.telemetry = telemetry.Telemetry(registry or CollectorRegistry())
        self._incidents = Incidents(clock, self.telemetry.refused)

    @property
    def port(self) -> int:
        """The TCP port that is listened on. Raises RuntimeError before `start`."""
        port = self._listener.port if self._listener is not None else None
        if port is None:
            raise RuntimeError("the adapter does not listen yet: await start() first")
        return port

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a free port). Raises OSError when that is not possible."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        manager = self._manager = web.Server(self._handle)
        strangers = Strangers(limits.strangers, limits.stranger, self._crowded, self._slow)

        def connection() -> Connection:
            return Connection(
                manager,
                strangers,
                self._is_front_proxy,
                self._broken,
                loop=loop,
                access_log=None,
                keepalive_timeout=limits.idle,
                lingering_time=1.0,
                max_headers=limits.headers,
            )

        handshakes = Handshakes(deadline=limits.handshake, most=limits.handshakes)
        self._listener = Listener(self._clock, connection, self._context, handshakes, self._no_handshake)
        self._context()  # A certificate that cannot be served with is said now, not at the first connection.
        await self._listener.start(host, port)
        self._unsubscribe = self._store.subscribe(self._refresher.news)

    async def close(self) -> None:
        """Stop listening, let go of everyone, return when nothing is left. Safe to call twice."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._listener is not None:
            await self._listener.close()
        await self._refresher.close()
        if self._manager is not None:
            self._manager.pre_shutdown()  # Idle connections end at once, requests under way get a moment.
            await self._manager.shutdown(self._limits.drain)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        response = await self._respond(request)
        if isinstance(request.protocol, Connection):
            request.protocol.unfinished = False
        self.telemetry.answered(response.status)
        return response

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        headers, url = request.headers, request.rel_url
        asked = api.route(request.method, url.raw_path, url.raw_query_string, headers.get("Accept", ""))
        if isinstance(asked, api.Health):
            return self._health(asked)
        about = attributes(request.method, url.raw_path, url.raw_query_string)
        refusal = await self._guard.refusal(_peer(request), headers, about, self._incidents)
        if refusal is not None:
            return _json(refusal)
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
        if asked.check == "readyz" and not (self._ready() and self._guard.trust is not None):
            return web.Response(status=503, body=b"not ready", headers=_TEXT)
        return web.Response(body=b"ok", headers=_TEXT)

    def _context(self) -> ssl.SSLContext:
        """TLS with the CAs that hold at present."""
        trust = self._guard.trust
        bundle = trust.bundle if trust is not None else b""
        if self._tls is None or self._tls[0] != bundle:
            context = server_context(self._certificate, client_ca=bundle or None)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = bundle, context
        return self._tls[1]

    def _is_front_proxy(self, peer: Peer) -> bool:
        trust = self._guard.trust
        return trust is not None and trust.is_front_proxy(peer)

    def _no_handshake(self, cause: str, peer: str, why: str) -> None:
        self._incidents.note(cause, peer=peer, why=why)

    def _crowded(self, connection: Connection) -> None:
        self.telemetry.strangers.inc()
        self._incidents.note("CrowdedConnections", peer=connection.peer.address)

    def _slow(self, connection: Connection) -> None:
        self._incidents.note("SlowRequest", peer=connection.peer.address)

    def _broken(self, peer: Peer, status: int, message: str) -> web.Response:
        self.telemetry.answered(status)
        if status >= 500:
            return _json(
                api.status(status, "the adapter failed on this request; its log says why", "InternalError")
            )
        self._incidents.note("MalformedRequest", peer=peer.address, why=message)
        return _json(api.status(status, "this is no HTTP request", "BadRequest"))


def _json(answer: api.Response) -> web.Response:
    headers = _REFUSED if answer.status == 403 else _JSON  # As recorded of Kubernetes.
    return web.Response(status=answer.status, body=msgspec.json.encode(answer.body), headers=headers)


def _peer(request: web.BaseRequest) -> Peer:
    protocol = request.protocol
    return protocol.peer if isinstance(protocol, Connection) else Peer()


def _page(page: Page, known: str) -> web.Response:
    headers = _JSON | {"ETag": page.etag}
    if page.etag in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=page.body, headers=headers)
