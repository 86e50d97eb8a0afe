"""Where an AMQP connection goes, and its socket: to a permitted address only, and ended at once if need be."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import aio_pika
from yarl import URL

from scalers.http import Tls
from scalers.http.gate import AddressRefused, Gate
from scalers.sdk import InvalidMetadata

__all__ = ["PlainConnection", "Target", "Transport"]

_HEARTBEAT = 10
_PORTS = {False: 5672, True: 5671}
_TAIL = 1024
_METHOD = b"\x01"
"""How a broker's first frame begins; AMQP: how it refuses the version of the protocol."""
_REFUSAL = re.compile(rb"[A-Z]+(?:_[A-Z]+)+ - [^\x00-\x1f]+")
"""A reply text of AMQP, as in NOT_ALLOWED - vhost x not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect and who to be. `external`: the certificate is the login."""

    secure: bool
    host: str
    port: int | None
    vhost: str
    login: tuple[str, str] | None = field(default=None, repr=False)
    external: bool = False
    tls: Tls = field(default_factory=Tls)

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port or _PORTS[self.secure]}"

    @property
    def url(self) -> URL:
        """As aio-pika takes it."""
        user, password = self.login or ("guest", "guest")
        return URL.build(
            scheme="amqps" if self.secure else "amqp",
            host=self.host,
            port=self.port or _PORTS[self.secure],
            user=None if self.external else user,
            password=None if self.external else password,
            path="/" + self.vhost,
            query={"heartbeat": str(_HEARTBEAT)} | ({"auth": "external"} if self.external else {}),
        )


class _Reader(asyncio.StreamReader):
    """Remembers the end of what came in: a refusal in the last step of a login reaches nobody otherwise."""

    tail = b""
    foreign = False

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Called by the event loop with whatever has arrived."""
        chunk = bytes(data)
        if not self.tail and not chunk.startswith((_METHOD, b"AMQP")):
            # The library would wait for the rest of what it takes for a frame.
            self.foreign = True
            self.feed_eof()
        self.tail = (self.tail + chunk)[-_TAIL:]
        if not self.foreign:
            super().feed_data(data)


class Transport:
    """What aiormq asks for the socket: one to a permitted address, that can be ended at once."""

    def __init__(self, gate: Gate, context: ssl.SSLContext | None) -> None:
        self._gate = gate
        self._context = context
        self._reader: _Reader | None = None
        self._transport: asyncio.BaseTransport | None = None

    async def create(self, url: URL, **_: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that answers. Raises OSError, or InvalidMetadata for one not permitted."""
        host, port = url.raw_host or "", url.port or 0
        self._gate.check(host)
        failure = OSError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._connect(host, address, port)
            except OSError as error:
                failure = error
        raise failure

    async def _connect(
        self, host: str, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As asyncio.open_connection does it, with a reader of ours."""
        loop = asyncio.get_running_loop()
        reader = _Reader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        name = host if self._context is not None else None
        transport, _ = await loop.create_connection(
            lambda: protocol, address, port, ssl=self._context, server_hostname=name
        )
        self._reader, self._transport = reader, transport
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    @property
    def refusal(self) -> str:
        """The broker's own words, where the last that it said was a refusal, or ours if it is no broker."""
        if self._reader is not None and self._reader.foreign:
            return "it does not speak AMQP"
        found = _REFUSAL.findall(self._reader.tail) if self._reader is not None else []
        return found[-1].decode(errors="replace") if found else ""

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [one["host"] for one in await self._gate.resolve(host, port, socket.AF_UNSPEC)]
        except AddressRefused as error:
            raise InvalidMetadata(str(error)) from None

    def abort(self) -> None:
        """End the connection without a word."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()


class PlainConnection(aio_pika.Connection):
    """aio-pika's plain connection (what its `connect` makes) over a transport of ours."""

    def __init__(self, url: URL, transport: Transport, properties: dict[str, str]) -> None:
        super().__init__(url, client_properties=dict(properties))
        self.kwargs["transport_factory"] = transport
