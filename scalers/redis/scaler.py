"""The `redis` trigger: how many items a key holds (KEDA's, facts 4)."""

from collections.abc import AsyncIterator, Sequence

from scalers.redis.client import Client
from scalers.redis.connection import RedisConnection, split
from scalers.redis.lengths import lengths
from scalers.sdk import Change, InvalidMetadata, Metadata, Problem, Reading, Role, Scaler, ScalerError, key

__all__ = ["RedisList", "RedisListMetadata"]


class RedisListMetadata(Metadata):
    """KEDA's keys."""

    connection: RedisConnection
    list_name: str = key(help="the list (or sorted set, set, hash) whose items are counted")
    list_length: int = key(default=5, role=Role.TARGET, help="items that one replica should have")
    activation_list_length: int = key(default=0, role=Role.ACTIVATION, help="active above this many items")

    def metric_name(self) -> str:
        """See Metadata."""
        return f"redis-{self.list_name}"


class RedisList(Scaler[Client, RedisListMetadata]):
    """See the module."""

    metadata = RedisListMetadata
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
        """See Batches: all in one pipeline."""
        keys = [metadata.list_name.encode() for metadata in batch]
        for name, metadata in zip(keys, batch, strict=True):
            client.reads(name, metadata)
        counts = await lengths(client, keys)
        return [count if isinstance(count, ScalerError) else Reading(float(count)) for count in counts]

    def changes(self, client: Client) -> AsyncIterator[Change]:
        """See Wakes: told by the server's client tracking."""
        return client.changes()

    def warnings(self, metadata: RedisListMetadata) -> Sequence[Problem]:
        """See Scaler: an address is looked at when it is connected to."""
        try:
            split(metadata.connection.endpoints[0])
        except InvalidMetadata as error:
            return (Problem("metadata.address", str(error)),)
        return ()
