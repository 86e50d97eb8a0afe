"""What is said of a ScaledObject: its conditions, the rest of its status, and Events. Reasons are KEDA's (facts 1.5, 8.5).

Nothing is decided here. The status is wanted, not written: the status writer writes it when it differs.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.reconciler import CheckFailed
from scaler.control.status_writer import StatusWriter
from scaler.control.triggers import Built
from scaler.core import status
from scaler.core.decision import Decision
from scaler.core.steps import Step
from scaler.kube.client import Object
from scaler.kube.events import EventRecorder
from scalers.sdk import ScalerError

__all__ = ["Reporter"]

_log = structlog.get_logger(__name__)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(seconds=1)


class Reporter:
    """See the module. `live_hpa` gives the HPA of a namespace and name as last seen."""

    def __init__(
        self,
        clock: Clock,
        writer: StatusWriter,
        events: EventRecorder,
        live_hpa: Callable[[str, str], Object | None],
    ) -> None:
        self._clock = clock
        self._writer = writer
        self._events = events
        self._live_hpa = live_hpa

    def in_charge(self, managed: Managed) -> None:
        """A reconcile succeeded."""
        if not managed.started:
            managed.started = True
            self._say(managed, "KEDAScalersStarted", "Started scalers watch", action="ScalersWatchStarted")
        for built in managed.triggers:
            if built.error is not None:
                self.trigger_failed(managed, built, built.error)
        before = managed.conditions["Ready"].status
        managed.conditions = status.reconciled(managed.conditions)
        if before != "True" and managed.conditions["Ready"].status == "True":
            self._say(managed, "ScaledObjectReady", "ScaledObject is ready for scaling")
        self._want(managed)

    def check_failed(self, managed: Managed, failure: CheckFailed) -> None:
        """A reconcile stopped at a check."""
        before = managed.conditions
        managed.conditions = status.check_failed(before, failure.step, str(failure))
        for reason, note in failure.events:
            self._warn(managed, reason, note)
        if before != managed.conditions:
            _log.warning("ScaledObject refused", object=managed.so.key, problem=failure.text)
        self._want(managed)

    def decided(self, managed: Managed, decision: Decision) -> None:
        """An evaluation was made. lastActiveTime is written at both edges of activity, never in between."""
        live = self._live_hpa(managed.so.namespace, managed.hpa_name)
        trouble = status.hpa_trouble(live, self._clock.now())
        managed.conditions = status.tick(decision, managed.tried(), trouble, managed.conditions)
        wanted: dict[str, Any] = {"conditions": managed.conditions, "triggersActivity": managed.activity()}
        if decision.active is not None:
            before = managed.was_active if managed.active is None else managed.active
            if decision.active is not before:
                wanted["lastActiveTime"] = _text(decision.last_active)
            managed.active = decision.active
        managed.last_active = decision.last_active
        self._writer.want(managed.uid, wanted)

    def replicas_unknown(self, managed: Managed, error: str) -> None:
        """An evaluation could not be made."""
        managed.conditions = status.replicas_unknown(managed.conditions, error)
        self._writer.want(managed.uid, {"conditions": managed.conditions})

    def trigger_failed(self, managed: Managed, built: Built, error: ScalerError) -> None:
        """A trigger cannot be built, or no longer be read."""
        self._warn(managed, "KEDAScalerFailed", built.fault(error))

    def broken(self, seen: Observed) -> None:
        """The API server stored what our models refuse: another CRD than ours is installed."""
        text = "\n".join(map(str, seen.problems))
        found = status.check_failed(status.conditions(seen.status), Step.SCHEMA, text)
        self._writer.want(seen.uid, {"conditions": found})
        _log.warning("ScaledObject refused", object="/".join(seen.key), problem=text)

    def gone(self, managed: Managed) -> None:
        """The object is deleted, or being deleted."""
        if managed.started:
            self._say(managed, "KEDAScalersStopped", "Stopped scalers watch")
        self._warn(managed, "ScaledObjectDeleted", "ScaledObject was deleted")
        _log.info("ScaledObject gone", object=managed.so.key)

    def _want(self, managed: Managed) -> None:
        self._writer.want(managed.uid, {**managed.status(), "conditions": managed.conditions})

    def _say(self, managed: Managed, reason: str, note: str, *, action: str | None = None) -> None:
        self._events.record(managed.reference, reason, note, action=action)

    def _warn(self, managed: Managed, reason: str, note: str) -> None:
        self._events.record(managed.reference, reason, note, type="Warning")


def _text(moment: datetime | None) -> str | None:
    """RFC 3339 in whole seconds, rounded up: a restart may lengthen a cooldown, never shorten it."""
    if moment is None:
        return None
    return (min(moment, _LAST) + timedelta(microseconds=999_999)).strftime("%Y-%m-%dT%H:%M:%SZ")
