"""Connections to the adapter: who may hold one for how long, and what is said when HTTP itself is broken.

The front proxy keeps its connections open for as long as it likes. Strangers (no client certificate:
health probes, and whoever else reaches the port) get few, short ones, so that nobody can crowd out the
front proxy or fill our memory by sending slowly.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog
from aiohttp import web

__all__ = ["Connection", "Strangers", "certificate_of"]

_log = structlog.get_logger(__name__)

Certificate = dict[str, Any]


def certificate_of(transport: asyncio.BaseTransport | None) -> Certificate | None:
    """The peer's certificate, verified by the TLS layer; None without one."""
    certificate: Certificate | None = transport.get_extra_info("peercert") if transport else None
    return certificate or None


class Strangers:
    """Connections without a client certificate: at most `most`, each for `lifetime` real seconds."""

    def __init__(self, most: int, lifetime: float, dropped: Callable[[], None]) -> None:
        self._most = most
        self._lifetime = lifetime
        self._dropped = dropped
        self._timers: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def enter(self, transport: asyncio.Transport) -> None:
        """Let one in, for the oldest if need be: a probe is done at once, who stays is no probe."""
        if len(self._timers) >= self._most:
            oldest = next(iter(self._timers))
            self.leave(oldest)
            self._dropped()
            oldest.abort()
        timer = asyncio.get_running_loop().call_later(self._lifetime, transport.abort)
        self._timers[transport] = timer

    def leave(self, transport: asyncio.Transport) -> None:
        """It is gone."""
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()


class Connection(web.RequestHandler):
    """aiohttp's protocol, which also watches strangers and answers broken requests with a Status."""

    __slots__ = ("_broken", "_stranger", "_strangers")

    def __init__(
        self,
        manager: web.Server,
        strangers: Strangers,
        broken: Callable[[int, str], web.Response],
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._strangers = strangers
        self._broken = broken
        self._stranger: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        if certificate_of(transport) is None:
            self._stranger = cast("asyncio.Transport", transport)
            self._strangers.enter(self._stranger)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        if self._stranger is not None:
            self._strangers.leave(self._stranger)
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
        response = self._broken(status, message or "")
        response.force_close()
        return response
