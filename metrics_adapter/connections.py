"""Connections to the adapter: who may hold one for how long, and what is said when HTTP itself is broken.

The front proxy keeps its connections open for as long as it likes. Strangers (health probes, people with a token or a
certificate of their own, and whoever else reaches the port) get few, short ones, so that nobody can crowd out the
front proxy or fill our memory by sending slowly.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from metrics_adapter.authn import Peer, chain_of

__all__ = ["Connection", "Strangers"]

_log = structlog.get_logger(__name__)


class Strangers:
    """Connections that are not the front proxy's: at most `most`, each for `lifetime` real seconds.

    `crowded` and `slow` are told of one that had to make room, and of one that had not finished a request in its time.
    """

    def __init__(
        self,
        most: int,
        lifetime: float,
        crowded: Callable[["Connection"], None],
        slow: Callable[["Connection"], None],
    ) -> None:
        self._most = most
        self._lifetime = lifetime
        self._crowded = crowded
        self._slow = slow
        self._timers: dict[Connection, asyncio.TimerHandle] = {}

    def enter(self, connection: "Connection") -> None:
        """Let one in, for the oldest if need be: a probe is done at once, who stays is no probe."""
        if len(self._timers) >= self._most:
            oldest = next(iter(self._timers))
            self.leave(oldest)
            self._crowded(oldest)
            oldest.abort()
        self._timers[connection] = asyncio.get_running_loop().call_later(
            self._lifetime, self._expire, connection
        )

    def leave(self, connection: "Connection") -> None:
        """It is gone."""
        timer = self._timers.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, connection: "Connection") -> None:
        if connection.unfinished:
            self._slow(connection)
        connection.abort()


class Connection(web.RequestHandler):
    """aiohttp's protocol, which also knows its peer, watches strangers and answers broken requests with a Status.

    `trusted` says whether a peer is the front proxy, `broken` makes the Status.
    """

    __slots__ = ("_broken", "_strangers", "_trusted", "peer", "unfinished")

    def __init__(
        self,
        manager: web.Server,
        strangers: Strangers,
        trusted: Callable[[Peer], bool],
        broken: Callable[[Peer, int, str], web.Response],
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._strangers = strangers
        self._trusted = trusted
        self._broken = broken
        self.peer = Peer()
        self.unfinished = False
        """Has it sent something since it was last answered?"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.peer = Peer(
            str(address[0]) if isinstance(address, tuple) else "",
            chain_of(transport.get_extra_info("ssl_object")),
        )
        if not self._trusted(self.peer):
            self._strangers.enter(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.unfinished = True
        super().data_received(data)

    def abort(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._strangers.leave(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or what failed in us: a Status, and the connection ends."""
        if status >= 500:
            _log.error("request_failed", path=request.path, exc_info=exc)
        response = self._broken(self.peer, status, message or "")
        response.force_close()
        return response
