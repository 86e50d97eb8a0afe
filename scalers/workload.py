"""The trigger `kubernetes-workload`: how many pods of its own namespace a selector finds (KEDA's, facts 11).

The source is the API server, by a watch that the Host keeps: a read costs it nothing, and what changes wakes.
"""

import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass

from scalers._lib import labels
from scalers.sdk import (
    OBJECT,
    Change,
    Connection,
    Host,
    Metadata,
    Pods,
    Reading,
    Role,
    Scaler,
    check,
    key,
)

__all__ = ["Workload", "WorkloadMetadata"]


class WorkloadConnection(Connection):
    """The namespace: its pods are watched once for all triggers."""

    namespace: str = key(order=(OBJECT,), help="the ScaledObject's own; no other can be counted in")

    @contextlib.asynccontextmanager
    async def open(self, host: Host) -> AsyncIterator["Client"]:
        """See Connection."""
        async with host.pods(self.namespace) as pods:
            yield Client(pods)

    def describe(self) -> str:
        """See Connection."""
        return f"pods in {self.namespace}"


class WorkloadMetadata(Metadata):
    """KEDA's keys."""

    connection: WorkloadConnection
    pod_selector: str = key(help="label selector of the pods to count, such as app=web or tier in (a,b)")
    value: float = key(
        default=0.0, formula=True, positive=True, role=Role.TARGET, help="pods that one replica should serve"
    )
    activation_value: float = key(default=0.0, role=Role.ACTIVATION, help="active above this many pods")
    group_by_node: bool = key(
        default=False, help="count the nodes that have such pods instead; pods without a node do not count"
    )

    @check("pod_selector")
    def _selector_parses(self) -> str | None:
        try:
            labels.parse(self.pod_selector)
        except ValueError as error:
            return f"{self.pod_selector!r} is no label selector: {error}"
        return None

    def metric_name(self) -> str:
        """See Metadata."""
        return f"workload-{self.connection.namespace}"


@dataclass(frozen=True, slots=True)
class _Known:
    """What a trigger was told last."""

    metadata: WorkloadMetadata
    count: int


class Client:
    """The pods, and what was last told of them."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._known: dict[Hashable, _Known] = {}

    async def read(self, batch: Sequence[WorkloadMetadata]) -> list[int]:
        """The number for each, in order; its next change will be told. Raises ScalerError."""
        await self._pods.synced()
        counts = self._counts(batch)
        for metadata, count in zip(batch, counts, strict=True):
            self._known[metadata.query()] = _Known(metadata, count)
        return counts

    async def changes(self) -> AsyncIterator[Change]:
        """A trigger whose number is another than it was told; of what comes after, it is told when it has read again."""
        async for _ in self._pods.changes():
            known = list(self._known.items())
            counts = self._counts([each.metadata for _, each in known])
            for (query, each), count in zip(known, counts, strict=True):
                if count != each.count and self._known.get(query) is each:
                    del self._known[query]
                    yield Change(each.metadata)

    def _counts(self, batch: Sequence[WorkloadMetadata]) -> list[int]:
        """Each group of pods is looked at once for all."""
        selectors = [labels.parse(metadata.pod_selector) for metadata in batch]
        counts = [0] * len(batch)
        nodes: list[set[str]] = [set() for _ in batch]
        for group, number in self._pods.groups.items():
            having = dict(group.labels)
            for place, selector in enumerate(selectors):
                if selector.matches(having):
                    counts[place] += number
                    nodes[place].add(group.node)
        return [
            len(found - {""}) if metadata.group_by_node else count
            for metadata, count, found in zip(batch, counts, nodes, strict=True)
        ]


class Workload(Scaler[Client, WorkloadMetadata]):
    """See the module."""

    metadata = WorkloadMetadata
    freshness = 0.0

    async def measure(self, client: Client, metadata: WorkloadMetadata) -> Reading:
        """See Scaler."""
        (reading,) = await self.measure_many(client, [metadata])
        return reading

    async def measure_many(self, client: Client, batch: Sequence[WorkloadMetadata]) -> list[Reading]:
        """See Batches."""
        return [Reading(float(count)) for count in await client.read(batch)]

    def changes(self, client: Client) -> AsyncIterator[Change]:
        """See Wakes: told by the watch."""
        return client.changes()
