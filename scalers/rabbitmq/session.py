"""One AMQP connection to a broker: opened, its channels, and what its errors mean.

A queue is counted by declaring it passively: the reply holds the number of its messages that are ready.
Declaring a queue that does not exist closes the channel, so a channel is used by one counter at a time and
nobody else's question is lost with it.

It is aio-pika's plain connection: the robust one answers passive declares from its memory.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Iterator
from typing import cast

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPChannelError,
    AuthenticationError,
    ChannelClosed,
    ProbableAuthenticationError,
)
from aiormq.channel import Channel
from pamqp.commands import Queue

from scalers.http.gate import Gate
from scalers.rabbitmq.transport import PlainConnection, Target, Transport
from scalers.sdk import Host, NotFound, ScalerError, Unauthorized, Unavailable

__all__ = ["CHANNELS", "Lost", "Session"]

CHANNELS = 32
"""Queues that are counted at the same time. More are no faster."""
_MOST_CHANNELS = 4 * CHANNELS
"""With so many on a connection, most belong to counts that never ended: it is replaced."""
_CONNECT_SECONDS = 3.0
_CLOSE_SECONDS = 1.0


class Lost(Exception):
    """The connection is gone."""


class _Declare(Queue.Declare):
    """A passive declare. The library's own would refuse names that brokers accept, such as those with umlauts."""

    def __init__(self, name: str) -> None:
        super().__init__(queue=name, passive=True)

    def validate(self) -> None:
        """The broker judges."""


class Session:
    """See the module. Made by `open`."""

    def __init__(self, connection: AbstractConnection, transport: Transport) -> None:
        self._connection = connection
        self._transport = transport
        self._idle: list[Channel] = []
        self._slots = asyncio.Semaphore(CHANNELS)
        self._lost = False

    @classmethod
    async def open(cls, target: Target, host: Host) -> "Session":
        """Connect and log in. Raises ScalerError."""
        context = await target.tls.context() if target.secure else None
        if context is True:
            context = await asyncio.to_thread(ssl.create_default_context)
        gate = Gate(allow_loopback=host.allow_loopback)
        transport = Transport(gate, context or None)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                connection = PlainConnection(target.url, transport, {"connection_name": _name()})
                await connection.connect()
        except BaseException as error:
            transport.abort()
            if isinstance(error, CONNECTION_EXCEPTIONS):
                raise _unopened(error, target, transport.refusal) from None
            raise
        finally:
            await gate.close()
        return cls(connection, transport)

    @property
    def alive(self) -> bool:
        """May it still be asked?"""
        underlay = self._connection.transport
        return (
            not self._lost and underlay is not None and underlay.connection.is_opened and not self._worn_out
        )

    @property
    def _worn_out(self) -> bool:
        underlay = self._connection.transport
        return underlay is not None and len(underlay.connection.channels) > _MOST_CHANNELS

    async def count(self, names: Iterator[tuple[int, str]], answers: list[int | ScalerError | None]) -> None:
        """Count queues one after another until the iterator (which others use too) is empty.

        Raises Lost when the connection fails. A queue whose count is interrupted has no answer.
        """
        async with self._slots:
            channel: Channel | None = None
            for index, name in names:
                try:
                    channel = channel or await self._channel()
                    answers[index] = int((await channel.rpc(_Declare(name))).message_count or 0)
                except (AMQPChannelError, ChannelClosed) as error:
                    # The broker has closed the channel: it was about this queue.
                    answers[index], channel = _uncounted(error, name), None
                except CONNECTION_EXCEPTIONS as error:
                    self._lost = True
                    raise Lost(_words(error)) from None
            if channel is not None:
                self._idle.append(channel)

    async def _channel(self) -> Channel:
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        underlay = self._connection.transport
        if underlay is None:
            raise Lost("the connection is closed")
        return cast("Channel", await underlay.connection.channel(publisher_confirms=False))

    async def close(self) -> None:
        """Say good-bye, and wait until the socket is closed."""
        with contextlib.suppress(*CONNECTION_EXCEPTIONS, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close()
        self._transport.abort()

    def abandon(self) -> None:
        """It does not answer: hang up without a word."""
        self._lost = True
        self._transport.abort()


@functools.cache
def _name() -> str:
    """How brokers list our connection: many objects share it, so it names the process."""
    return f"tidegate-{socket.gethostname()}"


def _words(error: BaseException) -> str:
    """What an exception of the library says, on one line."""
    said = next((str(arg) for arg in reversed(error.args) if isinstance(arg, str) and arg), "")
    return " ".join((said or type(error).__name__).split())[:200]


def _unopened(error: BaseException, target: Target, refusal: str) -> ScalerError:
    """Why there is no session. The broker's own words hold no password."""
    where, said = target.where, refusal or _words(error)
    if isinstance(error, TimeoutError) and not error.args:
        return Unavailable(
            f"cannot connect to {where}: no answer within {_CONNECT_SECONDS:g} s", connection=True
        )
    if isinstance(error, ProbableAuthenticationError):
        return Unauthorized(f"{where} refused the login: {said}")
    if isinstance(error, AuthenticationError):
        kind = "a certificate" if target.external else "user and password"
        return Unauthorized(
            f"{where} takes no login by {kind}; it offers: {error.args[0] if error.args else ''}"
        )
    if "NOT_ALLOWED" in said and "not found" in said:
        return NotFound(f"the virtual host {target.vhost!r} does not exist on {where}")
    if "NOT_ALLOWED" in said and "refused" in said:
        return Unauthorized(f"{where} does not let the user into the virtual host {target.vhost!r}")
    return Unavailable(f"cannot connect to {where}: {said}", connection=True)


def _uncounted(error: Exception, name: str) -> ScalerError:
    """Why a queue has no count: the meaning of a channel that the broker closed."""
    said = _words(error)
    if "NOT_FOUND" in said and "no queue" in said:
        return NotFound(f"the queue {name!r} does not exist: {said}")
    if "ACCESS_REFUSED" in said:
        return Unauthorized(f"the user may not see the queue {name!r}: {said}")
    return Unavailable(f"the queue {name!r} cannot be counted: {said}")
