"""What the controller counts about its decisions, for metrics: replicas held for want of a number, and reasons.

Plain numbers by labels; `scaler.telemetry` shows them in Prometheus' terms.
"""

from collections import Counter
from dataclasses import dataclass, field

from scaler.control.managed import Managed
from scaler.core.decision import Decision, Reason

__all__ = ["Figures", "Labels"]

Labels = tuple[str, ...]


@dataclass(slots=True)
class _Held:
    since: float
    replicas: int
    reason: str


@dataclass(slots=True)
class Figures:
    """See the module. Times are monotonic seconds of the schedule's clock."""

    held_seconds: dict[Labels, float] = field(default_factory=dict)
    """Replica-seconds by (namespace, object, the failing trigger's reason), held since no trigger could say otherwise."""
    _held: dict[str, _Held] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)

    def decided(self, managed: Managed, decision: Decision, replicas: int, now: float) -> None:
        """A decision is final."""
        held = self._held.pop(managed.uid, None)
        if held is not None:
            labels = (*managed.key, held.reason)
            more = max(0.0, now - held.since) * held.replicas
            self.held_seconds[labels] = self.held_seconds.get(labels, 0.0) + more
        if decision.reason is Reason.TRIGGERS_FAILED:
            failed = (outcome.reason for outcome in managed.readings.outcomes() if outcome.unknown)
            self._held[managed.uid] = _Held(now, replicas, next(failed, "") or "Unknown")
        self._last[managed.uid] = str(decision.reason)

    def forget(self, managed: Managed) -> None:
        """The object is gone, and with it its series."""
        self._held.pop(managed.uid, None)
        self._last.pop(managed.uid, None)
        for labels in [labels for labels in self.held_seconds if labels[:2] == managed.key]:
            del self.held_seconds[labels]

    def reasons(self) -> Counter[str]:
        """How many objects' last decision had each reason."""
        return Counter(self._last.values())
