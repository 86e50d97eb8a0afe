"""Deciding again what was recorded: does the same come out?

Takes what `tidegate explain -o json` prints (the document, an entry of it, or many of either), or records alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from scaler.core import record
from scaler.core.decision import Decision

__all__ = ["Replayed", "replayed"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One record: when it was decided, what was decided, and what differs now (empty: nothing)."""

    at: str
    reason: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        """One line."""
        return f"{self.at}  {self.reason}: {'; '.join(self.differences) or 'the same'}"


def replayed(value: Any) -> Iterator[Replayed]:
    """Every record found in decoded JSON, in its order. Raises ValueError for what holds none, or is not whole."""
    records = list(_records(value))
    if not records:
        raise ValueError("no record of a decision in it; save one with: tidegate explain NS/NAME -o json")
    for one in records:
        given, before = record.given(one), record.recorded(one)
        yield Replayed(
            f"{given.now:%Y-%m-%dT%H:%M:%SZ}", str(before.reason), tuple(_differences(before, given.decide()))
        )


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _records(each)
    elif isinstance(value, Mapping):
        if "given" in value and "decision" in value:
            yield value
        elif "record" in value:
            yield from _records(value["record"])
        else:
            yield from _records(value.get("entries"))


def _differences(before: Decision, after: Decision) -> Iterator[str]:
    for field in fields(Decision):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if was != now:
            yield f"{field.name} was {was!s}, is {now!s}"
