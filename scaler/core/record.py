"""A decision as a line of the journal: what `decide` was given and what it answered, as plain JSON values.

A record is enough to decide again: `replay(to_record(...))` equals the recorded decision, also after the
record has been through JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from scaler.core.decision import Decision, Outcome, Policy, Restraint, Times, decide
from scaler.core.policy import FREE

__all__ = ["Given", "given", "recorded", "replay", "to_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All that a decision is made from; see `decide` for each."""

    policy: Policy
    outcomes: tuple[Outcome, ...]
    replicas: int
    times: Times
    now: datetime
    ready: int | None = None
    restraint: Restraint = FREE

    def decide(self) -> Decision:
        """The decision that follows."""
        return decide(
            self.policy,
            self.outcomes,
            self.replicas,
            self.times,
            self.now,
            ready=self.ready,
            restraint=self.restraint,
        )


@dataclass(frozen=True, slots=True)
class _Record:
    given: Given
    decision: Decision


def to_record(made_from: Given, decision: Decision) -> dict[str, Any]:
    """`{given, decision}` as plain dicts, lists, numbers and text; moments as RFC 3339."""
    plain: dict[str, Any] = msgspec.to_builtins(_Record(made_from, decision))
    return plain


def replay(record: Mapping[str, Any]) -> Decision:
    """Decide again from what was recorded. Raises ValueError, naming the field, for what is no record."""
    return given(record).decide()


def given(record: Mapping[str, Any]) -> Given:
    """What the recorded decision was made from. Raises ValueError like `replay`."""
    return _read(record).given


def recorded(record: Mapping[str, Any]) -> Decision:
    """The decision as it was recorded, for comparing. Raises ValueError like `replay`."""
    return _read(record).decision


def _read(record: Mapping[str, Any]) -> _Record:
    try:
        return msgspec.convert(record, _Record)
    except msgspec.ValidationError as error:
        raise ValueError(f"no record of a decision: {error}") from error
