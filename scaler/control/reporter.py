"""What is said of a ScaledObject: its conditions, the rest of its status, and Events. Reasons are KEDA's (facts 1.5, 8.5).

Nothing is decided here. The status is wanted, not written: the status writer writes it when it differs.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.check_failed import CheckFailed
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.readings import UNREAD
from scaler.control.status_writer import StatusWriter
from scaler.control.triggers import Built
from scaler.core import status
from scaler.core.decision import Decision, Reason
from scaler.core.judgement import judge
from scaler.core.outcome import Outcome
from scaler.core.record import Given
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

    def pausing(self, managed: Managed) -> None:
        """A reconcile begins: is any pause in effect?"""
        before = managed.conditions["Paused"].status
        paused = managed.policy().pause.any
        managed.conditions = status.pausing(managed.conditions, paused=paused)
        if before != "True" and paused:
            self._say(managed, "ScaledObjectPaused", status.PAUSED_TEXT)
        elif before == "True" and not paused:
            self._say(managed, "ScaledObjectUnpaused", status.UNPAUSED_TEXT)

    def in_charge(self, managed: Managed) -> None:
        """A reconcile succeeded."""
        before, fallback = managed.conditions["Ready"].status, managed.policy().fallback is not None
        if managed.policy().pause.full:
            self._stopped(managed)
            managed.conditions = status.paused(managed.conditions, fallback=fallback)
        else:
            self._started(managed)
            managed.conditions = status.reconciled(managed.conditions, fallback=fallback)
        if before != "True" and managed.conditions["Ready"].status == "True":
            self._say(managed, "ScaledObjectReady", "ScaledObject is ready for scaling")
        self._want(managed)

    def check_failed(self, managed: Managed, failure: CheckFailed) -> None:
        """A reconcile stopped at a check."""
        before = managed.conditions
        fallback = managed.policy().fallback is not None
        managed.conditions = status.check_failed(before, failure.step, str(failure), fallback=fallback)
        for reason, note in failure.events:
            self.warn(managed, reason, note)
        if before != managed.conditions:
            _log.warning("ScaledObject refused", object=managed.so.key, problem=failure.text)
        self._want(managed)

    def decided(self, managed: Managed, given: Given, decision: Decision) -> None:
        """An evaluation was made. lastActiveTime is written at both edges of activity, never in between."""
        live = self._live_hpa(managed.so.namespace, managed.hpa_name)
        trouble = status.hpa_trouble(live, self._clock.now())
        before = managed.conditions
        managed.conditions = status.tick(
            decision, _tried(given), trouble, before, fallback=managed.fallen_back()
        )
        self._tell_fallback(managed, before["Fallback"].status, managed.conditions["Fallback"].status)
        wanted: dict[str, Any] = {"conditions": managed.conditions}
        if decision.reason is not Reason.PAUSED:
            known = managed.so.status.get("triggersActivity") or {}
            wanted["triggersActivity"] = managed.readings.activity(known)
            fallback = managed.policy().fallback
            if fallback is not None:
                wanted["health"] = managed.readings.health(fallback.threshold)
            elif "health" in managed.so.status:
                wanted["health"] = None
        if decision.active is not None:
            active = managed.was_active if managed.active is None else managed.active
            if decision.active is not active:
                wanted["lastActiveTime"] = _text(decision.last_active)
            managed.active = decision.active
        managed.last_active = decision.last_active
        self._write(managed, wanted)

    def scaled_by_others(self, managed: Managed, now: datetime) -> None:
        """Somebody else scaled the target up from rest, which the object respects: the cooldown starts now."""
        managed.last_active = now
        self._write(managed, {"lastActiveTime": _text(now)})

    def replicas_unknown(self, managed: Managed, error: str) -> None:
        """An evaluation could not be made."""
        managed.conditions = status.replicas_unknown(managed.conditions, error)
        self._write(managed, {"conditions": managed.conditions})

    def trigger_failed(self, managed: Managed, built: Built, error: ScalerError) -> None:
        """A trigger cannot be built, or no longer be read."""
        computed = managed.policy().modifiers is not None and built.error is None
        reason = "KEDAMetricSourceFailed" if computed else "KEDAScalerFailed"
        self.warn(managed, reason, built.fault(error))

    def silence(self, managed: Managed) -> None:
        """The object is only observed: what was still to be written of its status is not."""
        self._writer.drop(managed.uid)

    def broken(self, seen: Observed, *, observed: bool) -> None:
        """The API server stored what our models refuse: another CRD than ours is installed."""
        text = "\n".join(map(str, seen.problems))
        found = status.check_failed(status.conditions(seen.status), Step.SCHEMA, text)
        if not observed:
            self._writer.want(seen.uid, {"conditions": found})
        _log.warning("ScaledObject refused", object="/".join(seen.key), problem=text)

    def gone(self, managed: Managed) -> None:
        """The object is deleted, or being deleted."""
        self._stopped(managed)
        self.warn(managed, "ScaledObjectDeleted", "ScaledObject was deleted")
        _log.info("ScaledObject gone", object=managed.so.key)

    def _started(self, managed: Managed) -> None:
        """Also told, the first time: what could not be read while another trigger brought the object in charge."""
        first = not managed.started
        if first:
            managed.started = True
            self._say(managed, "KEDAScalersStarted", "Started scalers watch", action="ScalersWatchStarted")
        for built in managed.triggers:
            error = managed.readings.error(built) if first else built.error
            if error is not None:
                self.trigger_failed(managed, built, error)

    def _stopped(self, managed: Managed) -> None:
        if managed.started:
            managed.started = False
            self._say(managed, "KEDAScalersStopped", "Stopped scalers watch")

    def _tell_fallback(self, managed: Managed, before: str, after: str) -> None:
        if before != "True" and after == "True":
            self._say(managed, "ScaledObjectFallbackActivated", "ScaledObject fallback is active")
        elif before == "True" and after != "True":
            text = "ScaledObject fallback is no longer active"
            self._say(managed, "ScaledObjectFallbackDeactivated", text)

    def _want(self, managed: Managed) -> None:
        self._write(managed, {**managed.status(), "conditions": managed.conditions})

    def _write(self, managed: Managed, wanted: dict[str, Any]) -> None:
        """Of an object that is only observed, somebody else writes the status and the Events."""
        if not managed.observed:
            self._writer.want(managed.uid, wanted)

    def _say(self, managed: Managed, reason: str, note: str, *, action: str | None = None) -> None:
        if not managed.observed:
            self._events.record(managed.reference, reason, note, action=action)

    def warn(self, managed: Managed, reason: str, note: str) -> None:
        """A Warning Event about the object."""
        if not managed.observed:
            self._events.record(managed.reference, reason, note, type="Warning")


def _tried(given: Given) -> tuple[Outcome, ...]:
    """What counts for the triggers that were tried: one that was not yet is no fault to tell of."""
    judged = judge(given.policy, given.outcomes, given.replicas, given.ready, given.now)
    return tuple(outcome for outcome in judged if outcome.reason != UNREAD)


def _text(moment: datetime | None) -> str | None:
    """RFC 3339 in whole seconds, rounded up: a restart may lengthen a cooldown, never shorten it."""
    if moment is None:
        return None
    return (min(moment, _LAST) + timedelta(microseconds=999_999)).strftime("%Y-%m-%dT%H:%M:%SZ")
