"""The triggers `redis`, `redis-cluster` and `redis-sentinel`: how many items a key holds (KEDA's, facts 4)."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from scalers.redis.client import Client
from scalers.redis.connection import RedisClusterConnection, RedisConnection, RedisSentinelConnection
from scalers.redis.lengths import lengths
from scalers.sdk import Change, Metadata, Problem, Reading, Role, Scaler, ScalerError, key

__all__ = ["RedisClusterList", "RedisList", "RedisListMetadata", "RedisSentinelList"]


class RedisListMetadata(Metadata):
    """KEDA's keys."""

    connection: RedisConnection
    list_name: str = key(help="the list (or sorted set, set, hash) whose items are counted")
    list_length: int = key(default=5, role=Role.TARGET, help="items that one replica should have")
    activation_list_length: int = key(default=0, role=Role.ACTIVATION, help="active above this many items")

    def metric_name(self) -> str:
        """See Metadata."""
        return f"redis-{self.list_name}"


class RedisClusterListMetadata(RedisListMetadata):
    """The same keys for a cluster."""

    connection: RedisClusterConnection


class RedisSentinelListMetadata(RedisListMetadata):
    """The same keys for a master by sentinels."""

    connection: RedisSentinelConnection


class RedisList(Scaler[Client, RedisListMetadata]):
    """See the module."""

    metadata: ClassVar[type[Metadata]] = RedisListMetadata
    freshness = 1.0
    timeout = 5.0
    connects_first = True

    async def measure(self, client: Client, metadata: RedisListMetadata) -> Reading:
        """See Scaler."""
        (answer,) = await self.measure_many(client, [metadata])
        if isinstance(answer, ScalerError):
            raise answer
        return answer

    async def measure_many(
        self, client: Client, batch: Sequence[RedisListMetadata]
    ) -> list[Reading | ScalerError]:
        """See Batches: all in one pipeline (to each node)."""
        keys = [metadata.list_name.encode() for metadata in batch]
        for name, metadata in zip(keys, batch, strict=True):
            client.reads(name, metadata)
        counts = await lengths(client, keys)
        return [count if isinstance(count, ScalerError) else Reading(float(count)) for count in counts]

    def changes(self, client: Client) -> AsyncIterator[Change]:
        """See Wakes: told by the server's client tracking."""
        return client.changes(self.metadata)

    def warnings(self, metadata: RedisListMetadata) -> Sequence[Problem]:
        """See Scaler: an address is looked at when it is connected to."""
        return tuple(metadata.connection.warnings())


class RedisClusterList(RedisList):
    """Of a key of a cluster."""

    metadata: ClassVar[type[Metadata]] = RedisClusterListMetadata


class RedisSentinelList(RedisList):
    """Of a key of the master that sentinels know."""

    metadata: ClassVar[type[Metadata]] = RedisSentinelListMetadata
