"""From results to decisions: the loop's inner half. Called for every result, it only computes; writes are the executor's.

An object is decided about when it is in charge (its HPA stands, its checks passed) and each of its triggers has been tried;
one that says there is work need not wait for its siblings.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaler.clock import Clock
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.managed import Managed
from scaler.control.results import Result, TriggerKey
from scaler.control.sources import Sources
from scaler.control.targets import Target, TargetError, TargetKey, Targets
from scaler.control.triggers import Built
from scaler.core.decision import Decision, Reason
from scaler.kube.errors import KubeError
from scalers.sdk import ScalerError

__all__ = ["Evaluator", "Hooks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Whom an Evaluator tells what, and asks. All are called on the loop and must be quick."""

    blind: Callable[[], bool]
    """Does the API server serve no ScaledObjects? Nothing is decided from memories of them."""
    in_touch: Callable[[], bool]
    """Are ScaledObjects watched at this moment? What is out of date must not take replicas away."""
    hoped_for: Callable[[Managed], None]
    """A result came that an object was waiting for in order to be in charge."""
    decided: Callable[[Managed, Decision], None]
    """A decision was made that is final."""
    failed: Callable[[Managed, Built, ScalerError], None]
    """A trigger that could be read until now no longer can."""
    replicas_unknown: Callable[[Managed, str], None]
    """Nothing could be decided: the target's replicas could not be read."""


class Evaluator:
    """See the module. `objects` is every object under control by uid, seen live."""

    def __init__(
        self,
        clock: Clock,
        *,
        objects: Mapping[str, Managed],
        sources: Sources,
        targets: Targets,
        feed: Feed,
        executor: Executor,
        hooks: Hooks,
    ) -> None:
        self._clock = clock
        self._objects = objects
        self._sources = sources
        self._targets = targets
        self._feed = feed
        self._executor = executor
        self._hooks = hooks
        self._tasks: set[asyncio.Task[None]] = set()

    def result(self, key: TriggerKey, result: Result) -> None:
        """A trigger was read, or could not be."""
        managed = self._objects.get(key.uid)
        if managed is None or key.index >= len(managed.triggers):
            return
        built, before = managed.triggers[key.index], managed.results.get(key.index)
        if result.pushed:
            result = _with_verdict(before, result)
        else:
            self._feed.result(managed, built, result)
        managed.results[key.index] = result
        if managed.in_charge:
            if result.error is not None and (before is None or before.error is None):
                self._hooks.failed(managed, built, result.error)
            self.evaluate(managed)
        elif managed.waiting and (result.error is None or not managed.unread()):
            self._hooks.hoped_for(managed)

    def evaluate(self, managed: Managed) -> None:
        """Decide about one object, and have done what follows."""
        key = managed.target
        target = self._targets.get(key) if key is not None else None
        if key is None or target is None or not managed.in_charge or managed.settling or self._hooks.blind():
            return
        if managed.busy:
            managed.again = True
        elif target.replicas is None:
            managed.busy = True
            self._spawn(self._look(managed, key))
        else:
            self._evaluate(managed, target, target.replicas)

    def written(self, managed: Managed) -> None:
        """A scale write of the object is over."""
        self.watch_floor(managed)
        if managed.again:
            managed.again = False
            self.evaluate(managed)

    def watch_floor(self, managed: Managed) -> None:
        """Wake-ups matter only below the floor: tell the sources on which side the target is."""
        target = self._targets.get(managed.target) if managed.target is not None else None
        if managed.in_charge and target is not None and target.replicas is None:
            return  # Not known just now; what was said last stands until it is.
        below = target is not None and target.replicas is not None and target.replicas < managed.so.floor
        self._sources.below_floor(managed.uid, managed.in_charge and below)

    async def close(self) -> None:
        """Stop settling and looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _evaluate(self, managed: Managed, target: Target, replicas: int) -> None:
        decision = self._decide(managed, replicas)
        if decision.active is not True and managed.unread():
            return
        if decision.replicas is not None and decision.replicas != replicas:
            if decision.replicas < replicas and not self._hooks.in_touch():
                return  # The next read decides again.
            if (
                decision.reason is Reason.ACTIVATED
                and managed.activation == "desired"
                and not managed.settled
            ):
                managed.settling = True
                self._spawn(self._settle(managed))
                return
            self._executor.scale(managed, decision, target)
        managed.settled = False
        managed.decision = decision
        self._hooks.decided(managed, decision)

    def _decide(self, managed: Managed, replicas: int) -> Decision:
        now = self._clock.now()
        decision = managed.decide(replicas, now)
        if managed.active is None and decision.active is False and managed.was_active:
            # The status says Active, we find no work: when it ended is unknown, so the cooldown counts from now.
            managed.last_active = now
            decision = managed.decide(replicas, now)
        return decision

    async def _look(self, managed: Managed, key: TargetKey) -> None:
        """Read replicas that the watch does not show, then decide on what was read."""
        try:
            target = await self._targets.read(key)
        except (KubeError, TargetError) as error:
            managed.busy = managed.again = False
            if managed.in_charge:
                self._hooks.replicas_unknown(managed, str(error))
            return
        managed.busy = managed.again = False
        self.watch_floor(managed)
        if managed.in_charge and managed.target == key and target.replicas is not None:
            self._evaluate(managed, target, target.replicas)

    async def _settle(self, managed: Managed) -> None:
        """Read what would activate until two reads agree, or the first write would see only the first of many messages."""
        triggers = managed.triggers
        first = {i: r.readings[0].value for i, r in managed.results.items() if len(r.readings) == 1}
        active = dict.fromkeys(o.index for o in managed.outcomes() if o.active and o.index in first)
        try:
            results = await asyncio.gather(
                *(self._sources.settle(TriggerKey(managed.uid, index), first[index]) for index in active)
            )
        finally:
            managed.settling = False
        if managed.triggers is triggers:
            # A read that failed while settling does not undo that there is work.
            managed.results.update({i: r for i, r in zip(active, results, strict=True) if r.error is None})
        managed.settled = True
        self.evaluate(managed)
        managed.settled = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _with_verdict(before: Result | None, pushed: Result) -> Result:
    """A pushed verdict replaces what the last reading said about activity, and keeps its number."""
    readings = before.readings if before is not None else ()
    return replace(pushed, readings=tuple(replace(reading, active=pushed.verdict) for reading in readings))
