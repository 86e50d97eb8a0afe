"""What the controller holds against single objects for the sake of all: the mass-event brake and the budget of new pods.

Both are pure and in `core`; here they are told of reads, asked before writes, and heard. A person hears of a brake by one
Event on one of its objects and by a metric, never by one per object.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from scaler.clock import Clock
from scaler.control.alarm import Alarm
from scaler.control.managed import Managed
from scaler.control.results import Result, TriggerKey
from scaler.control.schedule import Schedule
from scaler.control.source import Source
from scaler.core.brake import Brake, BrakeSettings, Ended, Engaged
from scaler.core.decision import Decision, Reason
from scaler.core.wake_budget import WakeBudget

__all__ = ["Restraints"]

_log = structlog.get_logger(__name__)
_AT_REST = frozenset({Reason.AT_REST, Reason.DEACTIVATED, Reason.RAISED_TO_MINIMUM})
_PAUSED = frozenset({Reason.PAUSED, Reason.SCALE_IN_PAUSED})


class Restraints:
    """See the module. All but `run` is called on the event loop and quick.

    `source_of` says where a trigger is read, `tell` is given the reason and the words of an Event about an object, and
    `again` has an object decided about anew.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        brake: BrakeSettings,
        wake_budget: int | None,
        source_of: Callable[[TriggerKey], Source | None],
        tell: Callable[[Managed, str, str], None],
        again: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._brake = Brake(brake)
        self._budget = WakeBudget(wake_budget) if wake_budget is not None else None
        self._source_of = source_of
        self._tell = tell
        self._again = again
        self._alarm = Alarm(clock)
        self._slots: Schedule[str] = Schedule()
        self._closed = False
        self.engagements = 0
        """How often the brake engaged so far."""

    def read(self, managed: Managed, key: TriggerKey, result: Result) -> None:
        """A trigger was read. Only numbers count: not knowing is no fall."""
        if result.error is not None or result.pushed or not result.readings:
            return
        edge = self._brake.read(
            managed.uid,
            self._source_of(key),
            key.index,
            above=any(reading.value > 0 for reading in result.readings),
            interval=float(managed.so.polling_interval),
            now=result.at,
        )
        self._hear(managed, edge)
        braked = self._brake.braked(managed.uid)
        if braked is not managed.restraint.braked:
            managed.restraint = replace(managed.restraint, braked=braked)

    def restrain(self, managed: Managed, decision: Decision, replicas: int) -> bool:
        """A change from `replicas` is about to be made: is anything held against it that was not before?"""
        now = self._clock.monotonic()
        if decision.reason is Reason.DEACTIVATED:
            if managed.brake_off:
                self._hear(managed, self._brake.release(managed.uid))
            slot = self._brake.slot(managed.uid, now)
            if slot > now:
                self._slots.put(managed.uid, slot)
                self._alarm.ring(slot)
                until = self._clock.now() + timedelta(seconds=slot - now)
                managed.restraint = replace(managed.restraint, not_before=until)
                return True
        elif decision.reason is Reason.ACTIVATED and self._budget is not None and not managed.observed:
            pods = (decision.replicas or 0) - replicas
            waits = not self._budget.ask(managed.uid, managed.so.namespace, pods, now)
            managed.restraint = replace(managed.restraint, awaits_budget=waits)
            self._alarm.ring()
            return waits
        return False

    def decided(self, managed: Managed, decision: Decision) -> None:
        """A decision is final: an object at rest, or with work, waits for nothing any more."""
        if decision.active and managed.restraint.not_before is not None:
            managed.restraint = replace(managed.restraint, not_before=None)
        if decision.reason in _AT_REST:
            self._hear(managed, self._brake.at_rest(managed.uid))
        elif decision.reason in _PAUSED:
            self._hear(managed, self._brake.excuse(managed.uid))
        if self._budget is not None and decision.reason is not Reason.AWAITS_BUDGET:
            self._budget.forget(managed.uid)
            if (
                managed.restraint.awaits_budget
            ):  # Out of the queue, nobody would call it: the next work asks anew.
                managed.restraint = replace(managed.restraint, awaits_budget=False)

    def taken(self, managed: Managed) -> None:
        """A reconcile took the object's triggers, and its wishes."""
        self._brake.edit(managed.uid, {b.index for b in managed.triggers if b.reads})
        if managed.brake_off:
            self._hear(managed, self._brake.release(managed.uid))
            managed.restraint = replace(managed.restraint, braked=False, not_before=None)

    def resume(self, managed: Managed) -> None:
        """The object was braked when the process before ended."""
        self._brake.resume(managed.uid)

    def forget(self, managed: Managed) -> None:
        """The object is gone."""
        self._hear(managed, self._brake.forget(managed.uid))
        self._slots.drop(managed.uid)
        if self._budget is not None:
            self._budget.forget(managed.uid)

    def braked(self) -> dict[str, int]:
        """How many objects are braked, by the source's short name; `controller` for all sources together."""
        found: dict[str, int] = {}
        for source, count in self._brake.engaged().items():
            name = _name(source)
            found[name] = found.get(name, 0) + count
        return found

    async def run(self) -> None:
        """Have objects decided about when their slot has come, or the budget has some for them, until closed."""
        while not self._closed:
            now = self._clock.monotonic()
            for uid in [*self._slots.take(now), *(self._budget.due(now) if self._budget is not None else ())]:
                self._again(uid)
            moments = (self._slots.next(), self._budget.next(now) if self._budget is not None else None)
            await self._alarm.wait(min((moment for moment in moments if moment is not None), default=None))

    def close(self) -> None:
        """End `run`."""
        self._closed = True
        self._alarm.ring()

    def _hear(self, managed: Managed, edge: Engaged | Ended | None) -> None:
        if isinstance(edge, Engaged):
            self.engagements += 1
            name = _name(edge.source)
            _log.warning("mass-event brake engaged", source=name, fell=edge.fell, of=edge.of)
            note = (
                f"{edge.fell} of {edge.of} active objects on {name} fell to zero at once; their deactivation is paced. "
                f"Annotate objects or namespaces with tidegate.dev/brake=off to let them through"
            )
            self._tell(managed, "MassEventBrakeEngaged", note)
        elif isinstance(edge, Ended):
            _log.info("mass-event brake ended", source=_name(edge.source), through=edge.through)


def _name(source: object) -> str:
    return source.describe if isinstance(source, Source) else "the whole controller"
