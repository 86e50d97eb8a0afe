"""The keys that connect a trigger to Redis (KEDA's, facts 4)."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Hashable

from scalers.redis import tls
from scalers.redis.client import Client
from scalers.redis.session import Target
from scalers.sdk import AUTH, ENV, METADATA, Connection, Host, InvalidMetadata, check, key

__all__ = ["RedisConnection"]

_ADDRESS = (METADATA, AUTH, ENV)
_LOGIN = (METADATA, ENV, AUTH)


class RedisConnection(Connection):
    """One server. Of several addresses the first counts, as in KEDA."""

    addresses: tuple[str, ...] = key(
        "address", "addresses", default=(), order=_ADDRESS, help="the server as host:port"
    )
    hosts: tuple[str, ...] = key(
        "host", "hosts", default=(), order=_LOGIN, help="the server's host, where address is not given"
    )
    ports: tuple[str, ...] = key(
        "port", "ports", default=(), order=_LOGIN, help="the port that goes with host"
    )
    username: str = key(default="", order=_LOGIN, help="ACL user; counts only together with password")
    password: str = key(default="", order=_LOGIN, secret=True, help="password of the user or of the server")
    database_index: int = key(default=0, help="number of the database")
    enable_tls: bool | None = key("enableTLS", default=None, help="connect with TLS (true or false)")
    tls: str = key(
        default="",
        order=(AUTH,),
        choices=("enable", "disable"),
        help="what enableTLS is in metadata; give one",
    )
    unsafe_ssl: bool = key(default=False, help="do not verify the server's certificate")
    ca: str = key(default="", order=(AUTH,), help="PEM certificates to trust besides the system's")
    certificate: str = key(
        "Cert", "cert", default="", order=(AUTH,), help="PEM client certificate; needs key"
    )
    private_key: str = key("key", default="", order=(AUTH,), secret=True, help="PEM key of the certificate")
    key_password: str = key(default="", order=(AUTH,), secret=True, help="password of the key")

    @check("addresses", "hosts", "ports")
    def _has_an_address(self) -> str | None:
        if self.hosts and self.ports and len(self.hosts) != len(self.ports):
            return f"{len(self.hosts)} hosts and {len(self.ports)} ports: give as many of one as of the other"
        if not self.endpoints or not self.endpoints[0]:
            return "no server is given: write address as host:port, or both host and port"
        return None

    @check("enable_tls", "tls")
    def _tls_is_said_once(self) -> str | None:
        if self.enable_tls is not None and self.tls:
            return "is set here and as tls in the TriggerAuthentication: remove one of them"
        return None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All addresses, those joined from hosts and ports last."""
        pairs = zip(self.hosts, self.ports, strict=False)
        return (
            *self.addresses,
            *(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in pairs),
        )

    @property
    def uses_tls(self) -> bool:
        """With TLS, in whichever way it was asked for."""
        return bool(self.enable_tls) or self.tls == "enable"

    def identity(self) -> Hashable:
        """See Connection: however the server and TLS were written, and only what is used."""
        login = (self.username, self.password) if self.password else None
        certificates = (self.unsafe_ssl, self.ca, self.certificate, self.private_key, self.key_password)
        return (self.endpoints[0], login, self.database_index, certificates if self.uses_tls else None)

    def describe(self) -> str:
        """See Connection."""
        return f"redis {shown(self.endpoints[0])}/{self.database_index}"

    @contextlib.asynccontextmanager
    async def open(self, host: Host) -> AsyncIterator[Client]:
        """See Connection. The server is first connected to when it is first asked."""
        client = Client(self.describe(), self._target, host)
        try:
            yield client
        finally:
            await client.close()

    async def _target(self) -> Target:
        host, port = split(self.endpoints[0])
        context = await asyncio.to_thread(self._tls_context) if self.uses_tls else None
        return Target(
            host=host,
            port=port,
            username=self.username,
            password=self.password,
            database=self.database_index,
            tls=context,
        )

    def _tls_context(self) -> ssl.SSLContext:
        return tls.context(
            ca=self.ca,
            cert=self.certificate,
            key=self.private_key,
            key_password=self.key_password,
            verify=not self.unsafe_ssl,
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
