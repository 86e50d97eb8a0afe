"""From addresses as they are written or announced to targets of sessions: TLS, logins, what may be reached."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from scalers.redis.session import Target
from scalers.redis.shared import Shared
from scalers.sdk import Host, InvalidMetadata

__all__ = ["Login", "Targets", "shown", "split"]

Login = tuple[str, str]
"""Username and password; empty where there is none."""


class Targets:
    """Makes the targets of one connection. Its certificates are loaded once, in a thread."""

    def __init__(self, host: Host, login: Login, tls: Callable[[], ssl.SSLContext] | None) -> None:
        self._host = host
        self._login = login
        self._context: ssl.SSLContext | None = None
        self._loaded = None if tls is None else Shared(partial(asyncio.to_thread, tls))

    async def at(self, host: str, port: int, *, login: Login | None = None, database: int = 0) -> Target:
        """A target. `login` instead of the connection's own. Raises InvalidMetadata for bad certificates."""
        if self._loaded is not None and self._context is None:
            self._context = await self._loaded()
        username, password = self._login if login is None else login
        return Target(
            host=host,
            port=port,
            username=username,
            password=password,
            database=database,
            tls=self._context,
            allow_loopback=self._host.allow_loopback,
        )


def split(address: str) -> tuple[str, int]:
    """The host and the port of `host:port` or `[v6]:port`. Raises InvalidMetadata.

    KEDA accepts any text and fails when it connects; so do we.
    """
    host, colon, port = address.rpartition(":")
    if "://" in address or "@" in address:
        raise InvalidMetadata(
            f"address {shown(address)!r} is a URL: write host:port, and username, password and enableTLS as keys"
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidMetadata(f"address {address!r} has too many colons: write an IPv6 address as [::1]:6379")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise InvalidMetadata(
            f"address {address!r} has no port from 1 to 65535: write host:port, such as {host or address}:6379"
        )
    return host or "localhost", int(port)


def shown(address: str) -> str:
    """The address without the login that somebody may have written into it."""
    return address.rpartition("@")[2]
