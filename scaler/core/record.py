"""A decision as a line of the journal: what `decide` was given and what it answered, as plain JSON values.

A record is enough to decide again: `replay(to_record(...))` equals the recorded decision, also after the
record has been through JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from scaler.core.decision import Decision, Outcome, Policy, Times, decide

__all__ = ["recorded", "replay", "to_record"]


@dataclass(frozen=True, slots=True)
class _Record:
    policy: Policy
    outcomes: tuple[Outcome, ...]
    replicas: int
    times: Times
    now: datetime
    decision: Decision


def to_record(
    policy: Policy,
    outcomes: Sequence[Outcome],
    replicas: int,
    times: Times,
    now: datetime,
    decision: Decision,
) -> dict[str, Any]:
    """Plain dicts, lists, numbers and text; moments as RFC 3339."""
    record = _Record(policy, tuple(outcomes), replicas, times, now, decision)
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def replay(record: Mapping[str, Any]) -> Decision:
    """Decide again from what was recorded. Raises ValueError, naming the field, for what is no record."""
    given = _read(record)
    return decide(given.policy, given.outcomes, given.replicas, given.times, given.now)


def recorded(record: Mapping[str, Any]) -> Decision:
    """The decision as it was recorded, for comparing. Raises ValueError like `replay`."""
    return _read(record).decision


def _read(record: Mapping[str, Any]) -> _Record:
    try:
        return msgspec.convert(record, _Record)
    except msgspec.ValidationError as error:
        raise ValueError(f"no record of a decision: {error}") from error
