"""The one place that writes replicas: through the scale subresource, against the resourceVersion the decision was made on.

A conflict means that somebody changed the target meanwhile: the target is read again and the decision made anew. At most one
write of an object is under way; what is decided meanwhile is decided again at its end. A write that fails is decided about
anew after a back-off, or at the next read if that comes first.
"""

import asyncio
from collections.abc import Callable

import structlog

from scaler.clock import Clock
from scaler.control.feed import Feed
from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.targets import Target, TargetError, Targets
from scaler.core.decision import Decision, Reason
from scaler.kube.errors import Conflict, KubeError
from scaler.kube.events import EventRecorder

__all__ = ["Executor"]

_log = structlog.get_logger(__name__)
_UP = frozenset({Reason.ACTIVATED, Reason.RAISED_TO_MINIMUM})
_FIRST, _LONGEST = 0.5, 30.0
"""Back-off after failed writes, in seconds."""


class Executor:
    """See the module. `attempts` bounds the tries of one write; `on_done` is called when an object's write is over."""

    def __init__(
        self,
        targets: Targets,
        feed: Feed,
        events: EventRecorder,
        clock: Clock,
        *,
        attempts: int,
        journal: Journal,
        on_done: Callable[[Managed], None],
    ) -> None:
        self._targets = targets
        self._feed = feed
        self._events = events
        self._clock = clock
        self._attempts = attempts
        self._journal = journal
        self._on_done = on_done
        self._tasks: set[asyncio.Task[None]] = set()
        self._reminders: set[asyncio.Task[None]] = set()

    def scale(self, managed: Managed, decision: Decision, target: Target) -> None:
        """Begin to write what was decided about the target as it was seen. The object must not be busy."""
        managed.busy = True
        task = asyncio.get_running_loop().create_task(self._scale(managed, decision, target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let writes under way end; they have deadlines. None is tried again."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for reminder in self._reminders:
            reminder.cancel()
        await asyncio.gather(*self._reminders, return_exceptions=True)

    async def _scale(self, managed: Managed, decision: Decision, target: Target) -> None:
        try:
            await self._write(managed, decision, target)
        except (KubeError, TargetError) as error:
            self._failed(managed, decision, target, error)
            self._remind(managed)
        else:
            managed.failures = 0
        finally:
            managed.busy = False
            self._on_done(managed)

    def _remind(self, managed: Managed) -> None:
        """Decide anew after a while, and not at once, whatever came meanwhile."""
        managed.again = False
        if not managed.reminded:
            managed.reminded = True
            delay = min(_LONGEST, _FIRST * 2.0 ** min(managed.failures, 16))
            reminder = asyncio.get_running_loop().create_task(self._later(managed, delay))
            self._reminders.add(reminder)
            reminder.add_done_callback(self._reminders.discard)
        managed.failures += 1

    async def _later(self, managed: Managed, delay: float) -> None:
        await self._clock.sleep(delay)
        managed.reminded = False
        managed.again = True
        if not managed.busy:
            self._on_done(managed)

    async def _write(self, managed: Managed, decision: Decision, target: Target) -> None:
        key = managed.target
        for attempt in range(1, self._attempts + 1):
            if key is None or not managed.in_charge or managed.observed:
                return
            if decision.replicas is None or target.replicas is None:
                return
            if decision.reason is Reason.ACTIVATED and managed.activation == "desired":
                self._feed.pin(managed, decision.triggers)
            before = target.replicas
            try:
                await self._targets.scale(key, decision.replicas, target.resource_version)
            except Conflict:
                if attempt == self._attempts:
                    raise
                target = await self._targets.read(key)
                fresh = managed.given(target.replicas or 0, self._clock.now(), target.ready).decide()
                # Whatever comes of it, what was told of the first decision is out of date.
                managed.again = True
                if fresh.reason is not decision.reason:
                    return  # Whatever may hold back such a change is asked when it is decided again.
                decision = fresh
                continue
            self._succeeded(managed, decision, before)
            return

    def _succeeded(self, managed: Managed, decision: Decision, before: int) -> None:
        self._feed.replicas_changed(managed, self._clock.monotonic())
        managed.wrote(decision)
        if decision.replicas is not None:
            self._journal.scaled(managed, before, decision.replicas, by="tidegate", why=str(decision.reason))
        _log.info(
            "scaled",
            object=managed.so.key,
            target=str(managed.target),
            before=before,
            after=decision.replicas,
            reason=str(decision.reason),
        )
        if decision.reason is Reason.ACTIVATED:
            note = f"Scaled {managed.target} from {before} to {decision.replicas}"
            if decision.forced:
                note += ", caused by forced activation annotation"
            elif decision.triggers:
                note += f", triggered by {';'.join(decision.triggers)}"
            self._events.record(managed.reference, "KEDAScaleTargetActivated", note)
        elif decision.reason is Reason.DEACTIVATED:
            note = f"Deactivated {managed.target} from {before} to {decision.replicas}"
            self._events.record(managed.reference, "KEDAScaleTargetDeactivated", note)

    def _failed(self, managed: Managed, decision: Decision, target: Target, error: Exception) -> None:
        _log.warning(
            "scale write failed", object=managed.so.key, target=str(managed.target), error=str(error)
        )
        self._journal.failed_write(managed, decision, str(error))
        tail = f"{managed.target} from {target.replicas} to {decision.replicas}: {error}"
        if decision.reason in _UP:
            reason, note = "KEDAScaleTargetActivationFailed", f"Failed to scale {tail}"
        else:
            reason, note = "KEDAScaleTargetDeactivationFailed", f"Failed to deactivate {tail}"
        self._events.record(managed.reference, reason, note, type="Warning")
