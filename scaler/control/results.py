"""The words in which control speaks about sources: what is wanted, what came of it, how a source is doing.

Reconciler, store and metrics need to know these and nothing of how reading works.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from scalers.sdk import Metadata, Reading, Scaler, ScalerError

__all__ = ["Cause", "Counts", "Result", "Sink", "SourceInfo", "TriggerKey", "Wanted"]

Cause = Literal["poll", "retry", "wake-up", "refresh", "settle"]
"""Why a read was made. `poll`: this trigger's pollingInterval was over; only these count where failures are
counted. `retry`: an attempt between polls after a failure, or the first read after a reconnection. `wake-up`:
the source said that something changed. `refresh`: somebody asked for a fresh value, or an equal trigger was
read. `settle`: see Sources.settle."""


@dataclass(frozen=True, slots=True)
class TriggerKey:
    """One trigger of one object: the object's uid and the trigger's place in `spec.triggers`."""

    uid: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A trigger to be read at least every `interval` seconds (the object's pollingInterval)."""

    key: TriggerKey
    scaler: Scaler[Any, Any]
    metadata: Metadata
    interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one read of one trigger: either `error`, or one or more readings.

    `at` is the Clock's monotonic time when the read was sent (never later than the number is true), `moment`
    the wall clock's when it was answered. A pushed result was not read: it holds no readings, only the
    source's own `verdict` whether there is work, and says nothing about freshness.
    """

    readings: tuple[Reading, ...] = ()
    error: ScalerError | None = None
    at: float
    moment: datetime
    cause: Cause
    pushed: bool = False
    verdict: bool | None = None


Sink = Callable[[TriggerKey, Result], None]
"""Takes every result, on the event loop, once per trigger; must be quick."""


@dataclass(slots=True)
class Counts:
    """What a Source counts; see SourceInfo."""

    batches: int = 0
    reads: int = 0
    errors: int = 0
    skipped: int = 0
    wake_ups: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """How one Source is doing."""

    describe: str
    """The connection's short name; holds no secret."""
    kind: str
    """The connection's class."""
    triggers: int
    queries: int
    """Triggers that ask the same are one query."""
    connected: bool
    clients: int
    """Clients opened so far."""
    breaker: str
    """`closed` (all is well), `open` (not tried until the back-off is over), `half-open` (being probed)."""
    error: str
    """Why the breaker is not closed; empty when it is."""
    listening: tuple[str, ...]
    """The scalers (by class) that the source tells of changes at present."""
    batches: int
    """Calls of a scaler so far."""
    reads: int
    """Queries read by these calls, whatever came of it."""
    errors: int
    """Reads that failed."""
    skipped: int
    """Polls that failed without being tried, since the breaker was not closed."""
    wake_ups: int
    """Reads made because the source said that something changed."""
    dropped: int
    """Changes that caused no read of their own: at or above the floor, or soon after another."""
