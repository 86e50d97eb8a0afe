"""From results to decisions: the loop's inner half. Called for every result, it only computes; writes are the executor's.

An object is decided about when it is in charge (its HPA stands, its checks passed) and each of its triggers has been tried;
one that says there is work need not wait for its siblings.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
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
from scaler.core.record import Given
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
    read: Callable[[Managed, TriggerKey, Result], None]
    """A trigger was read, or could not be."""
    restrain: Callable[[Managed, Decision, int], bool]
    """A change from so many replicas is about to be written. True: the object's restraint is another now, decide anew."""
    decided: Callable[[Managed, Given, Decision], None]
    """A decision was made that is final."""
    held: Callable[[Managed, Given, Decision], None]
    """A decision is not carried out, since ScaledObjects are not watched at this moment."""
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
        managed.readings.result(key.index, result)
        self._hooks.read(managed, key, result)
        if not result.pushed:
            target = self._target(managed)
            judged = managed.judged(target, self._clock.now())
            self._feed.result(managed, built, result, judged, target.replicas if target is not None else None)
        if managed.in_charge:
            if result.error is not None and (before is None or before.error is None):
                self._hooks.failed(managed, built, result.error)
            self.evaluate(managed)
        elif managed.waiting and (result.error is None or not managed.readings.unread()):
            self._hooks.hoped_for(managed)

    def evaluate(self, managed: Managed) -> None:
        """Decide about one object, and have done what follows."""
        key, target = managed.target, self._target(managed)
        if key is None or target is None or not managed.in_charge or managed.settling or self._hooks.blind():
            return
        if managed.busy:
            managed.again = True
        elif target.replicas is None:
            managed.busy = True
            self._spawn(self._look(managed, key))
        else:
            self._evaluate(managed, target, target.replicas)

    def tick(self, managed: Managed) -> None:
        """A pollingInterval is over for what is not read: count it for what cannot even be tried, and decide."""
        managed.readings.tick()
        target = self._target(managed)
        now = self._clock.now()
        replicas = target.replicas if target is not None else None
        self._feed.untried(managed, managed.judged(target, now), replicas, self._clock.monotonic(), now)
        self.evaluate(managed)

    def written(self, managed: Managed) -> None:
        """A scale write of the object is over."""
        self.watch_floor(managed)
        if managed.again:
            managed.again = False
            self.evaluate(managed)

    def watch_floor(self, managed: Managed) -> None:
        """Wake-ups matter only below the floor: tell the sources on which side the target is."""
        target = self._target(managed)
        if managed.in_charge and target is not None and target.replicas is None:
            return  # Not known just now; what was said last stands until it is.
        below = target is not None and target.replicas is not None and target.replicas < managed.so.floor
        self._sources.below_floor(managed.uid, managed.in_charge and below)

    async def close(self) -> None:
        """Stop settling and looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _target(self, managed: Managed) -> Target | None:
        return self._targets.get(managed.target) if managed.target is not None else None

    def _evaluate(self, managed: Managed, target: Target, replicas: int) -> None:
        given, decision = self._decide(managed, target, replicas)
        paused = decision.reason is Reason.PAUSED
        if decision.active is not True and not paused and managed.readings.unread():
            return
        if decision.replicas is not None and decision.replicas != replicas:
            if decision.replicas < replicas and not self._hooks.in_touch():
                self._hooks.held(managed, given, decision)
                return  # The next read decides again.
            if self._to_settle(managed, decision):
                managed.settling = True
                self._spawn(self._settle(managed))
                return
            if self._hooks.restrain(managed, decision, replicas):
                given, decision = self._decide(managed, target, replicas)
            if decision.replicas is not None and not managed.observed:
                self._executor.scale(managed, decision, target)
        managed.settled = False
        managed.decision = decision
        self._hooks.decided(managed, given, decision)

    @staticmethod
    def _to_settle(managed: Managed, decision: Decision) -> bool:
        wanted = decision.reason is Reason.ACTIVATED and managed.activation == "desired"
        return wanted and not managed.settled and not managed.observed

    def _decide(self, managed: Managed, target: Target, replicas: int) -> tuple[Given, Decision]:
        now = self._clock.now()
        given = managed.given(replicas, now, target.ready)
        decision = given.decide()
        if managed.active is None and decision.active is False and managed.was_active:
            # The status says Active, we find no work: when it ended is unknown, so the cooldown counts from now.
            managed.last_active = now
            given = managed.given(replicas, now, target.ready)
            decision = given.decide()
        return given, decision

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
        outcomes = managed.readings.outcomes()
        active = dict.fromkeys(o.index for o in outcomes if o.active and o.index in first)
        try:
            results = await asyncio.gather(
                *(self._sources.settle(TriggerKey(managed.uid, index), first[index]) for index in active)
            )
        finally:
            managed.settling = False
        if managed.triggers is triggers:
            # A read that failed while settling does not undo that there is work.
            for index, result in zip(active, results, strict=True):
                if result.error is None:
                    managed.readings.result(index, result)
        managed.settled = True
        self.evaluate(managed)
        managed.settled = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
