"""All that a scaler may import from Tidegate, and all that Tidegate promises to scalers.

A scaler reads numbers from an event source. It knows no HPA, no replicas, no Kubernetes, no cache, no
schedule and no retry. It is a class with an entry point in the group `tidegate.scalers`, named after the
trigger type:

    class DepthConnection(Connection):
        address: str = key(order=(METADATA, ENV), help="host:port of the server")

        def open(self, host: Host) -> AbstractAsyncContextManager[Client]: ...

    class DepthMetadata(Metadata):
        connection: DepthConnection
        queue: str = key(help="the queue to count")
        depth: int = key(default=5, role=Role.TARGET, help="items that one replica should carry")

        def metric_name(self) -> str:
            return f"depth-{self.queue}"

    class Depth(Scaler[Client, DepthMetadata]):
        metadata = DepthMetadata

        async def measure(self, client: Client, metadata: DepthMetadata) -> Reading:
            return Reading(await client.depth(metadata.queue))

`scalers.testing` has the contract that every scaler passes, as a test class to inherit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from scalers._lib.metadata import AUTH, ENV, METADATA, OBJECT, Key, Role, Seconds, check, declared_keys, key
from scalers._lib.metadata import Connection as _Connection
from scalers._lib.metadata import Metadata as _Metadata
from scalers._lib.parse import Inputs, Parsed, parse
from scalers._lib.problem import Problem

__all__ = [
    "AUTH",
    "ENV",
    "METADATA",
    "OBJECT",
    "Batches",
    "Change",
    "Connection",
    "Host",
    "Inputs",
    "InvalidMetadata",
    "Key",
    "Metadata",
    "MetricSpec",
    "NoData",
    "NotFound",
    "Parsed",
    "PodGroup",
    "Pods",
    "Problem",
    "Reading",
    "ResourceSpec",
    "Role",
    "Scaler",
    "ScalerError",
    "Seconds",
    "Spec",
    "Unauthorized",
    "Unavailable",
    "Wakes",
    "check",
    "declared_keys",
    "key",
    "normalise",
    "parse",
]


class ScalerError(Exception):
    """A trigger could not be read. `reason` is one CamelCase word; the message is for a person, no secrets.

    `connection` says that the connection itself failed (refused, reset, DNS, TLS, no answer at all): only
    such errors count against the Source that others share.
    """

    reason: ClassVar[str] = "ScalerError"
    connection: bool = False

    def __init__(self, message: str, *, connection: bool = False) -> None:
        super().__init__(message)
        self.connection = connection


class InvalidMetadata(ScalerError):
    """What the manifest says cannot work; until it changes, trying again is useless."""

    reason = "InvalidMetadata"

    def __init__(self, message: str, *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Unauthorized(ScalerError):
    """The source refused the credentials; until they change, trying again is useless."""

    reason = "Unauthorized"


class NoData(ScalerError):
    """The source answered, but without a usable number. Not knowing is not zero."""

    reason = "NoData"


class NotFound(NoData):
    """The source answered that what is to be counted (queue, group, stream...) does not exist."""

    reason = "SourceNotFound"


class Unavailable(ScalerError):
    """The source did not answer, or answered with a failure that time may cure."""

    reason = "Unavailable"


@dataclass(frozen=True, slots=True)
class Reading:
    """One number from a source. `value` is finite: NoData is raised for what is not.

    `active` overrides the rule "value is strictly above the activation". `metric` names the metric (as in
    `specs`) where one trigger has several; None means the only one.
    """

    value: float
    active: bool | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise NoData(f"the source answered {self.value}, which is no usable number")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One external metric of a trigger: its name in the HPA (less the `s<index>-` prefix) and its target."""

    name: str
    target: int | float


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A resource metric (`cpu`, `memory`), which the HPA reads itself: of all pods, or of one container of each.

    `target_type` is `Utilization` (`target` in per cent of the request) or `AverageValue` (`target` is a
    Kubernetes quantity).
    """

    name: str
    target_type: str
    target: int | str
    container: str = ""


Spec = MetricSpec | ResourceSpec


@dataclass(frozen=True, slots=True)
class Change:
    """News of the triggers whose `query()` equals that of `metadata`; None: of any trigger of the source.

    `active` None: read them again. Otherwise it is the source's verdict.
    """

    metadata: _Metadata | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class PodGroup:
    """Pods that a scaler cannot tell apart: the same labels, on the same node (empty: not scheduled yet)."""

    labels: frozenset[tuple[str, str]]
    node: str


class Pods(Protocol):
    """The pods of a namespace that are there to work: all but those that have Succeeded or Failed."""

    @property
    def groups(self) -> Mapping[PodGroup, int]:
        """How many pods there are of each group, as last seen. Not to be changed, nor kept."""
        ...

    async def synced(self) -> None:
        """Return when `groups` is what the API server has. Raises Unauthorized, Unavailable."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """An item after each change (or several) of `groups`. Iterated by one at a time."""
        ...


class Host(Protocol):
    """What Tidegate offers to a connection."""

    @property
    def wake_ups(self) -> bool:
        """May clients ask their servers to tell of changes? False is the off switch."""
        ...

    @property
    def allow_loopback(self) -> bool:
        """May a trigger's address be this machine? In a cluster it may not: that would reach our own ports."""
        ...

    def now(self) -> datetime:
        """The wall clock that schedules follow: aware, in UTC."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return when `now()` has reached `moment`."""
        ...

    def pods(self, namespace: str) -> AbstractAsyncContextManager[Pods]:
        """The pods of a namespace, watched for as long as it is entered."""
        ...


class Connection(_Connection):
    """What connects a trigger: address, TLS, credentials. A subclass says how its client is made.

    Equal connections (same class, equal `identity`) share one client, whichever objects and trigger types
    they come from.
    """

    remote: ClassVar[bool] = True
    """False: nobody else is asked (a clock, say). What then falls to zero together does so by plan, not by accident."""

    def open(self, host: Host) -> AbstractAsyncContextManager[Any]:
        """The client that all triggers with an equal connection share; its exit closes everything it opened.

        Entering may connect but need not. It raises ScalerError, `connection=True` when the server cannot be
        reached.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """A short name of the server for logs and metrics; holds no secret."""
        return type(self).__name__


class Metadata(_Metadata):
    """A trigger's metadata. A subclass declares keys with `key`, and `connection: MyConnection`."""

    connection: Connection


Client = TypeVar("Client")
M = TypeVar("M", bound=Metadata)


class Scaler(ABC, Generic[Client, M]):
    """Reads one kind of trigger. Stateless: a process has one instance and calls it concurrently."""

    metadata: ClassVar[type[Metadata]]
    """The typed class of the trigger's metadata."""
    freshness: ClassVar[float] = 5.0
    """How old a value may be when the HPA asks for it, in seconds."""
    timeout: ClassVar[float] = 3.0
    """The deadline of one read, in seconds; after it the read is cancelled."""
    reads: ClassVar[bool] = True
    """False: the HPA reads the trigger's metrics itself (all its `specs` are ResourceSpecs), and `measure` is
    never called. Its metricType is the scaler's to check; a key finds it in OBJECT."""
    connects_first: ClassVar[bool] = False
    """KEDA connects while building the trigger: alone in its object, it gets no HPA until that succeeds."""

    @abstractmethod
    async def measure(self, client: Client, metadata: M) -> Reading | Sequence[Reading]:
        """Read once. Raises ScalerError; anything else raised counts as Unavailable."""

    def specs(self, metadata: M) -> Sequence[Spec]:
        """The metrics of a trigger. Pure. By default one: `metric_name()`, normalised, and the target key."""
        return (MetricSpec(normalise(metadata.metric_name()), metadata.target),)

    def tried_first(self, metadata: M) -> bool:  # noqa: ARG002 - most scalers do one or the other
        """Is this a trigger that KEDA connects while building? By default what `connects_first` says."""
        return self.connects_first

    def reads_together(self, metadata: M) -> bool:  # noqa: ARG002 - for most it makes no difference
        """Should the polls of a Source stay together? For sources where one request can answer many triggers.

        By default they are spread over the pollingInterval, which is kinder where each costs the same.
        """
        return False

    def warnings(self, metadata: M) -> Sequence[Problem]:  # noqa: ARG002 - most scalers have none
        """What is accepted but will fail when it is read, for `tidegate validate`. Does no network IO."""
        return ()


@runtime_checkable
class Batches(Protocol):
    """The optional ability of a scaler to read many triggers of one Source at once."""

    async def measure_many(
        self, client: Any, batch: Sequence[Any]
    ) -> Sequence[Reading | Sequence[Reading] | ScalerError]:
        """One answer per metadata, in order.

        A ScalerError in the answer is that trigger's own; raising fails the batch.
        """
        ...


@runtime_checkable
class Wakes(Protocol):
    """The optional ability of a scaler to be told of changes instead of polling for them."""

    def changes(self, client: Any) -> AsyncIterator[Change]:
        """Changes for as long as it is iterated (by one at a time), about triggers measured on this client.

        When it ends or raises, polling goes on and it is iterated again after a back-off. It raises
        NotImplementedError when this server has no such ability.
        """
        ...


def normalise(name: str) -> str:
    """KEDA's normalisation of metric names: each of `/ . : % ( )` becomes `-`, nothing else changes."""
    return name.translate(_NORMAL)


_NORMAL = str.maketrans(dict.fromkeys("/.:%()", "-"))
