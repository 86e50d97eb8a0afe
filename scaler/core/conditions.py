"""Conditions of a ScaledObject as values: read from a status, and written back in a stable order.

KEDA's four types, without `lastTransitionTime` (facts 1.4). What they say after a reconcile or an evaluation
is in `status`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ACTIVE", "FALLBACK", "ORDER", "PAUSED", "READY", "Condition", "conditions", "initial", "listed"]

READY, ACTIVE, FALLBACK, PAUSED = "Ready", "Active", "Fallback", "Paused"
ORDER = (READY, ACTIVE, FALLBACK, PAUSED)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `status` is True, False or Unknown, as text."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    def written(self) -> dict[str, str]:
        """As it stands in the object: without reason and message where these are empty."""
        found = {"type": self.type, "status": self.status, "reason": self.reason, "message": self.message}
        return {name: value for name, value in found.items() if value}


def conditions(status: Mapping[str, Any]) -> dict[str, Condition]:
    """The conditions of a raw status by type. What is no condition is skipped."""
    entries = status.get("conditions")
    found = {}
    for entry in entries if isinstance(entries, list | tuple) else ():
        if isinstance(entry, Mapping) and entry.get("type"):
            parts = (str(entry.get(name) or "") for name in ("type", "status", "reason", "message"))
            condition = Condition(*parts)
            found[condition.type] = condition
    return found


def initial() -> dict[str, Condition]:
    """The conditions of an object that was never looked at."""
    return {
        READY: Condition(READY, "Unknown"),
        ACTIVE: Condition(ACTIVE, "Unknown"),
        FALLBACK: Condition(FALLBACK, "Unknown"),
        PAUSED: Condition(PAUSED, "False"),
    }


def listed(found: Iterable[Condition]) -> list[dict[str, str]]:
    """The list for `status.conditions`: Ready, Active, Fallback, Paused, then any others as they come."""
    known = {kind: index for index, kind in enumerate(ORDER)}
    return [condition.written() for condition in sorted(found, key=lambda c: known.get(c.type, len(known)))]
