"""The TCP listener: accepts, shakes hands in TLS, and hands each connection to its protocol.

Done here and not by asyncio's own server, which tells nobody of a handshake that fails: a foreign or expired client
certificate is to be logged. It also takes the TLS context anew for each connection, so that a changed CA holds from the
next one on, and lets no crowd of unfinished handshakes keep others out.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from scaler.clock import Clock

__all__ = ["Handshakes", "Listener"]

_log = structlog.get_logger(__name__)

_BACKLOG = 256
_BREATH = 0.2
"""Real seconds of rest when the system has no file descriptor for a newcomer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshakes:
    """How long one may take (real seconds), and how many there may be; the oldest leaves for a newcomer."""

    deadline: float
    most: int


class Listener:
    """See the module. `refused` is told the cause, the peer's address and what TLS says of it."""

    def __init__(
        self,
        clock: Clock,
        protocol: Callable[[], asyncio.Protocol],
        context: Callable[[], ssl.SSLContext],
        handshakes: Handshakes,
        refused: Callable[[str, str, str], None],
    ) -> None:
        self._clock = clock
        self._protocol = protocol
        self._context = context
        self._handshakes = handshakes
        self._refused = refused
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._greeting: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def port(self) -> int | None:
        """The TCP port that is listened on; None when none is."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else None

    async def start(self, host: str, port: int) -> None:
        """Listen on every address of `host` (port 0: a free port). Raises OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, *_, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, address))
        except OSError:
            await self.close()
            raise
        self._accepting = [asyncio.create_task(self._accept(each), name="accept") for each in self._sockets]

    async def close(self) -> None:
        """Accept no more, and give up handshakes under way; made connections are their protocols'."""
        tasks = [*self._accepting, *self._greeting]
        self._accepting = []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._sockets:
            self._sockets.pop().close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                made, address = await loop.sock_accept(listening)
            except OSError as error:  # Out of descriptors, or the peer was gone before we looked.
                _log.warning("accept_failed", error=str(error))
                await self._clock.pause(_BREATH)
                continue
            made.setblocking(False)
            peer = str(address[0]) if isinstance(address, tuple) else ""
            if len(self._greeting) >= self._handshakes.most:
                next(iter(self._greeting)).cancel()
            task = asyncio.create_task(self._greet(made, peer), name="handshake")
            self._greeting[task] = made
            task.add_done_callback(self._greeted)

    def _greeted(self, task: asyncio.Task[None]) -> None:
        made = self._greeting.pop(task)
        if task.cancelled():
            made.close()
            if self._accepting:
                self._refused("CrowdedHandshakes", "", "")

    async def _greet(self, made: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol,
                made,
                ssl=self._context(),
                ssl_handshake_timeout=self._handshakes.deadline,
            )
        except ssl.SSLCertVerificationError as error:
            self._refused("BadClientCertificate", peer, error.verify_message)
        except ssl.SSLError as error:
            self._refused("BadHandshake", peer, error.reason or "")
        except (ConnectionAbortedError, TimeoutError):
            self._refused("SlowHandshake", peer, "")
        except OSError:  # Came and went: a TCP probe.
            with suppress(OSError):
                made.close()


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
