"""One connection to a Redis server: commands go out in order, replies come back in order, pushes at any time.

redis-py's clients borrow a connection per pipeline and read only when something is asked, so that neither
"reads on the connection that is tracked" nor "told at once, also while idle" can be had from them. Here the
event loop owns the socket: whatever arrives is parsed at once (by hiredis, the parser that redis-py uses too)
and is either the next awaited reply or a push. Nothing else reads, so reads and pushes cannot race.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis

from scalers._lib.addresses import refusal
from scalers.sdk import InvalidMetadata, Unavailable

__all__ = ["Command", "Link", "Push"]

Command = tuple[str | bytes | int, ...]
Push = Callable[[list[Any]], None]
_INCOMPLETE = object()
_ADDRESSES = 4
"""How many addresses of one name are tried."""
# hiredis' annotation names a union of its own; ours is narrower.
_pack: Callable[[Any], bytes] = hiredis.pack_command


@dataclass(slots=True, eq=False)
class _Batch:
    """Commands sent together; done when every one of them is answered."""

    size: int
    sent: float
    answer: asyncio.Future[list[Any]]
    replies: list[Any] = field(default_factory=list)


class Link(asyncio.Protocol):
    """See the module. `on_push` gets every push, `on_lost` is called once when the connection is gone.

    A server that leaves a question in silence for `patience` seconds is taken to be gone.
    """

    def __init__(self, server: str, patience: float, on_push: Push, on_lost: Callable[[], None]) -> None:
        self._server = server
        self._patience = patience
        self._on_push = on_push
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._pending: deque[_Batch] = deque()
        self._transport: asyncio.Transport | None = None
        self._heard = 0.0
        self._gone = asyncio.Event()
        self.why_lost = ""

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        allow_loopback: bool,
        patience: float,
        on_push: Push,
        on_lost: Callable[[], None],
    ) -> "Link":
        """Connect. Raises OSError (ssl.SSLError is one), and InvalidMetadata for a place no trigger may reach.

        The caller sets the deadline.
        """
        loop = asyncio.get_running_loop()
        refused: list[OSError] = []
        for address in await _addresses(host, port, allow_loopback=allow_loopback):
            try:
                _, link = await loop.create_connection(
                    lambda: cls(f"{host}:{port}", patience, on_push, on_lost),
                    address,
                    port,
                    ssl=tls,
                    server_hostname=host if tls is not None else None,
                )
            except OSError as error:
                refused.append(error)
            else:
                return link
        raise refused[0]

    @property
    def alive(self) -> bool:
        """False once the connection is gone."""
        return not self.why_lost

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, error replies as hiredis.ReplyError values among them.

        Raises Unavailable; `connection=True` when the connection is gone or the server is silent, which ends
        the connection. Cancelling only forgets the replies.
        """
        if not commands:
            return []
        if self._silent():
            self.lose(f"{self._server} does not answer")
        if self.why_lost or self._transport is None:
            raise Unavailable(self.why_lost, connection=True)
        batch = _Batch(len(commands), self._loop.time(), self._loop.create_future())
        self._pending.append(batch)
        self._transport.write(b"".join(map(_pack, commands)))
        try:
            async with asyncio.timeout(self._patience):
                return await batch.answer
        except TimeoutError:
            if self._silent():
                self.lose(f"{self._server} did not answer within {self._patience:g} s")
                raise Unavailable(self.why_lost, connection=True) from None
            raise Unavailable(f"{self._server} did not answer in full within {self._patience:g} s") from None

    def lose(self, why: str) -> None:
        """End the connection; what is being asked fails with this reason."""
        if self.why_lost:
            return
        self.why_lost = why
        if self._transport is not None:
            self._transport.abort()
        while self._pending:
            batch = self._pending.popleft()
            if not batch.answer.done():
                batch.answer.set_exception(Unavailable(why, connection=True))
        self._on_lost()

    async def close(self) -> None:
        """End the connection and wait until the socket is closed."""
        self.lose(f"the connection to {self._server} was closed")
        await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop, always last."""
        self._gone.set()
        self.lose(f"{self._server} closed the connection" + (f": {exc}" if exc else ""))

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with whatever has arrived."""
        self._heard = self._loop.time()
        self._reader.feed(data)
        try:
            while self.alive and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except hiredis.ProtocolError:
            self.lose(f"{self._server} does not speak the Redis protocol")

    def _take(self, reply: Any) -> None:
        # A push of RESP3, or a message of RESP2's subscriptions; no command that we send is answered like the
        # latter.
        if isinstance(reply, hiredis.PushNotification) or (
            isinstance(reply, list) and reply[:1] == [b"message"]
        ):
            self._on_push(reply)
            return
        if not self._pending:
            self.lose(f"{self._server} answered what nobody asked")
            return
        batch = self._pending[0]
        batch.replies.append(reply)
        if len(batch.replies) == batch.size:
            self._pending.popleft()
            if not batch.answer.done():
                batch.answer.set_result(batch.replies)

    def _silent(self) -> bool:
        """Has the oldest open question been met with silence for this long?"""
        if not self._pending:
            return False
        return self._loop.time() - max(self._heard, self._pending[0].sent) >= self._patience * 0.99


async def _addresses(host: str, port: int, *, allow_loopback: bool) -> list[str]:
    """The IP addresses to try. Looked up here, so that what was allowed is what is connected to."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))[:_ADDRESSES]
    for address in addresses:
        why = refusal(address, allow_loopback=allow_loopback)
        if why is not None:
            raise InvalidMetadata(f"{host}:{port} {why}")
    if not addresses:
        raise OSError(f"{host} has no address")
    return addresses
