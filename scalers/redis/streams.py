"""The triggers `redis-streams`, `redis-cluster-streams` and `redis-sentinel-streams` (KEDA's, facts 5)."""

from collections.abc import AsyncIterator, Hashable, Sequence
from typing import ClassVar

from scalers.redis.backlog import Backlog, Mode, backlogs
from scalers.redis.client import Client
from scalers.redis.connection import RedisClusterConnection, RedisConnection, RedisSentinelConnection
from scalers.sdk import Change, Metadata, Problem, Reading, Role, Scaler, ScalerError, key

__all__ = ["RedisClusterStreams", "RedisSentinelStreams", "RedisStreams", "RedisStreamsMetadata"]


class RedisStreamsMetadata(Metadata):
    """KEDA's keys. Which of them are given decides what is counted."""

    connection: RedisConnection
    stream: str = key(help="the stream")
    consumer_group: str = key(
        default="", help="the group whose entries are counted; without it, all entries of the stream are"
    )
    stream_length: int = key(
        default=5,
        role=Role.TARGET,
        help="without consumerGroup: entries of the stream that one replica should have",
    )
    pending_entries_count: int = key(
        default=5,
        role=Role.TARGET,
        help="with consumerGroup and no lagCount: delivered and unacknowledged entries that one replica should have",
    )
    lag_count: int = key(
        default=0,
        role=Role.TARGET,
        help="with consumerGroup, and not 0: entries not yet delivered to the group that one replica should have",
    )
    activation_lag_count: int = key(
        default=0, role=Role.ACTIVATION, help="active above this many entries, whichever are counted"
    )

    @property
    def mode(self) -> Mode:
        """What is counted."""
        if not self.consumer_group:
            return Mode.LENGTH
        return Mode.LAG if self.lag_count else Mode.PENDING

    @property
    def target(self) -> int:
        """See Metadata."""
        return {
            Mode.LENGTH: self.stream_length,
            Mode.PENDING: self.pending_entries_count,
            Mode.LAG: self.lag_count,
        }[self.mode]

    def query(self) -> Hashable:
        """See Metadata."""
        return (type(self), self.stream, self.consumer_group, self.mode)

    def metric_name(self) -> str:
        """See Metadata."""
        return f"redis-streams-{self.stream}"


class RedisClusterStreamsMetadata(RedisStreamsMetadata):
    """The same keys for a cluster."""

    connection: RedisClusterConnection


class RedisSentinelStreamsMetadata(RedisStreamsMetadata):
    """The same keys for a master by sentinels."""

    connection: RedisSentinelConnection


class RedisStreams(Scaler[Client, RedisStreamsMetadata]):
    """See the module."""

    metadata: ClassVar[type[Metadata]] = RedisStreamsMetadata
    freshness = 1.0
    timeout = 5.0
    connects_first = True

    async def measure(self, client: Client, metadata: RedisStreamsMetadata) -> Reading:
        """See Scaler."""
        (answer,) = await self.measure_many(client, [metadata])
        if isinstance(answer, ScalerError):
            raise answer
        return answer

    async def measure_many(
        self, client: Client, batch: Sequence[RedisStreamsMetadata]
    ) -> list[Reading | ScalerError]:
        """See Batches: all in one pipeline (to each node)."""
        wanted = [
            Backlog(metadata.stream.encode(), metadata.consumer_group.encode(), metadata.mode)
            for metadata in batch
        ]
        for backlog, metadata in zip(wanted, batch, strict=True):
            # Redis tells of entries that are added or removed, not of those that are delivered or acknowledged.
            if backlog.mode is not Mode.PENDING:
                client.reads(backlog.stream, metadata)
        counts = await backlogs(client, wanted)
        return [count if isinstance(count, ScalerError) else Reading(float(count)) for count in counts]

    def changes(self, client: Client) -> AsyncIterator[Change]:
        """See Wakes: told by the server's client tracking."""
        return client.changes(self.metadata)

    def warnings(self, metadata: RedisStreamsMetadata) -> Sequence[Problem]:
        """See Scaler: an address is looked at when it is connected to."""
        return tuple(metadata.connection.warnings())


class RedisClusterStreams(RedisStreams):
    """Of a stream of a cluster."""

    metadata: ClassVar[type[Metadata]] = RedisClusterStreamsMetadata


class RedisSentinelStreams(RedisStreams):
    """Of a stream of the master that sentinels know."""

    metadata: ClassVar[type[Metadata]] = RedisSentinelStreamsMetadata
