"""What a sync of an HPA is given from the last one, and what comes out of it. Made by `desired.evaluate`."""

from dataclasses import dataclass, replace
from typing import Any

from scaler.core.limits import Recommendation
from scaler.core.rates import Change

__all__ = ["Condition", "Event", "Result", "State", "unwritten"]


@dataclass(frozen=True, slots=True)
class State:
    """What one sync leaves to the next. A fresh one after a restart, as in a real cluster."""

    recommendations: tuple[Recommendation, ...] | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition to set in the HPA's status; conditions not named in a Result stay as they are."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    """One Event on the HPA."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sync's outcome.

    `write`: the replicas to write to the scale subresource, None for none. If that write fails, `unwritten`
    says what the sync was instead. `desired`: for `status.desiredReplicas`, None to leave it as it is.
    `current_metrics`: for `status.currentMetrics`, aligned with `spec.metrics` (an entry without a value has
    an empty type).
    """

    write: int | None
    desired: int | None
    conditions: tuple[Condition, ...]
    current_metrics: tuple[dict[str, Any], ...]
    events: tuple[Event, ...]
    state: State
    before: State


def unwritten(result: Result, error: str) -> Result:
    """The same sync when its scale write failed."""
    failed = Condition(
        "AbleToScale", "False", "FailedUpdateScale", f"the scale could not be written: {error}"
    )
    event = Event("Warning", "FailedRescale", f"new size {result.write}: {error}")
    return replace(
        result,
        write=None,
        desired=None,
        conditions=tuple(failed if c.type == "AbleToScale" else c for c in result.conditions),
        events=tuple(event if e.reason == "SuccessfulRescale" else e for e in result.events),
        state=result.before,
    )
