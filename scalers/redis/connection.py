"""The keys that connect a trigger to Redis (KEDA's, facts 4): one server, a cluster, or a master by sentinels."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Hashable, Iterator

from scalers.redis import tls
from scalers.redis.client import Client, ServerClient
from scalers.redis.cluster import ClusterClient
from scalers.redis.sentinel import SentinelClient, Sentinels
from scalers.redis.session import Target
from scalers.redis.targets import Targets, shown, split
from scalers.sdk import AUTH, ENV, METADATA, Connection, Host, InvalidMetadata, Problem, check, key

__all__ = ["RedisClusterConnection", "RedisConnection", "RedisSentinelConnection"]

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
    def used(self) -> tuple[str, ...]:
        """The addresses that count."""
        return self.endpoints[:1]

    @property
    def uses_tls(self) -> bool:
        """With TLS, in whichever way it was asked for."""
        return bool(self.enable_tls) or self.tls == "enable"

    def identity(self) -> tuple[Hashable, ...]:
        """See Connection: however the server and TLS were written, and only what is used."""
        certificates = (self.unsafe_ssl, self.ca, self.certificate, self.private_key, self.key_password)
        return (
            frozenset(self.used),
            (self.username, self.password) if self.password else None,
            self.database_index,
            certificates if self.uses_tls else None,
        )

    def describe(self) -> str:
        """See Connection."""
        return f"redis {shown(self.endpoints[0])}/{self.database_index}"

    def warnings(self) -> Iterator[Problem]:
        """What will fail when it is connected to."""
        for address in self.used:
            try:
                split(address)
            except InvalidMetadata as error:
                yield Problem("metadata.address", str(error))

    @contextlib.asynccontextmanager
    async def open(self, host: Host) -> AsyncIterator[Client]:
        """See Connection. The server is first connected to when it is first asked."""
        client = self._client(host, self._targets(host))
        try:
            yield client
        finally:
            await client.close()

    def _client(self, host: Host, targets: Targets) -> Client:
        async def target() -> Target:
            return await targets.at(*split(self.endpoints[0]), database=self.database_index)

        return ServerClient(self.describe(), target, host)

    def _targets(self, host: Host) -> Targets:
        return Targets(host, (self.username, self.password), self._tls_context if self.uses_tls else None)

    def _tls_context(self) -> ssl.SSLContext:
        return tls.context(
            ca=self.ca,
            cert=self.certificate,
            key=self.private_key,
            key_password=self.key_password,
            verify=not self.unsafe_ssl,
        )


class RedisClusterConnection(RedisConnection):
    """A Redis Cluster, by any of its nodes."""

    addresses: tuple[str, ...] = key(
        "address",
        "addresses",
        default=(),
        order=_ADDRESS,
        help="some nodes of the cluster, as host:port,host:port; the first that answers names all others",
    )
    hosts: tuple[str, ...] = key(
        "host", "hosts", default=(), order=_LOGIN, help="hosts of nodes, besides those in addresses"
    )
    ports: tuple[str, ...] = key(
        "port", "ports", default=(), order=_LOGIN, help="the ports that go with hosts, one for each"
    )
    database_index: int = key(default=0, help="does not count: a cluster has no databases but 0")

    @property
    def used(self) -> tuple[str, ...]:
        """See RedisConnection."""
        return tuple(address for address in self.endpoints if address)

    def identity(self) -> tuple[Hashable, ...]:
        """See RedisConnection."""
        nodes, login, _, certificates = super().identity()
        return (nodes, login, certificates)

    def describe(self) -> str:
        """See Connection."""
        return f"redis cluster {','.join(map(shown, self.used))}"

    def warnings(self) -> Iterator[Problem]:
        """See RedisConnection."""
        yield from super().warnings()
        if self.database_index:
            yield Problem("metadata.databaseIndex", "does not count: a cluster has no databases but 0")

    def _client(self, host: Host, targets: Targets) -> Client:
        return ClusterClient(self.describe(), self.used, targets, host)


class RedisSentinelConnection(RedisConnection):
    """The master that sentinels know by a name."""

    addresses: tuple[str, ...] = key(
        "address",
        "addresses",
        default=(),
        order=_ADDRESS,
        help="the sentinels, as host:port,host:port; asked in this order",
    )
    hosts: tuple[str, ...] = key(
        "host", "hosts", default=(), order=_LOGIN, help="hosts of sentinels, besides those in addresses"
    )
    ports: tuple[str, ...] = key(
        "port", "ports", default=(), order=_LOGIN, help="the ports that go with hosts, one for each"
    )
    sentinel_username: str = key(
        default="",
        order=_ADDRESS,
        help="ACL user of the sentinels; counts only together with sentinelPassword",
    )
    sentinel_password: str = key(default="", order=_ADDRESS, secret=True, help="password of the sentinels")
    sentinel_master: str = key(
        default="",
        order=_ADDRESS,
        help="the name that the sentinels know the master by; reads fail without it",
    )

    @property
    def used(self) -> tuple[str, ...]:
        """See RedisConnection."""
        return tuple(address for address in self.endpoints if address)

    def identity(self) -> tuple[Hashable, ...]:
        """See RedisConnection."""
        login = (self.sentinel_username, self.sentinel_password) if self.sentinel_password else None
        return (*super().identity(), self.sentinel_master, login)

    def describe(self) -> str:
        """See Connection."""
        names = ",".join(map(shown, self.used))
        return f"redis master {self.sentinel_master}/{self.database_index} by sentinels {names}"

    def warnings(self) -> Iterator[Problem]:
        """See RedisConnection."""
        yield from super().warnings()
        if not self.sentinel_master:
            yield Problem("metadata.sentinelMaster", "is not given: no master will be found")

    def _client(self, host: Host, targets: Targets) -> Client:
        login = (self.sentinel_username, self.sentinel_password)
        sentinels = Sentinels(
            self.used, self.sentinel_master, targets, login=login, database=self.database_index
        )
        return SentinelClient(self.describe(), sentinels, host)
