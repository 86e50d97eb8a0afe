"""From results to decisions: the loop's inner half. Called for every result, it only computes; writes are the executor's.

An object is decided about when it is in charge (its HPA stands, its checks passed) and each of its triggers has been tried;
one that says there is work need not wait for its siblings.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from scaler.clock import Clock
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.managed import Managed
from scaler.control.results import Result, TriggerKey
from scaler.control.sources import Sources
from scaler.control.targets import Targets
from scaler.core.decision import Decision, Reason

__all__ = ["Evaluator"]


class Evaluator:
    """See the module.

    `on_first` is called when every trigger of an object that is not in charge was tried; `on_decision` after each decision
    that is final, for the status.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        objects: Mapping[str, Managed],
        sources: Sources,
        targets: Targets,
        feed: Feed,
        executor: Executor,
        on_first: Callable[[Managed], None],
        on_decision: Callable[[Managed, Decision], None],
    ) -> None:
        self._clock = clock
        self._objects = objects
        self._sources = sources
        self._targets = targets
        self._feed = feed
        self._executor = executor
        self._on_first = on_first
        self._on_decision = on_decision
        self._settling: set[asyncio.Task[None]] = set()

    def result(self, key: TriggerKey, result: Result) -> None:
        """A trigger was read, or could not be."""
        managed = self._objects.get(key.uid)
        if managed is None or key.index >= len(managed.triggers):
            return
        if result.pushed:
            result = _with_verdict(managed.results.get(key.index), result)
        else:
            self._feed.result(managed, managed.triggers[key.index], result)
        managed.results[key.index] = result
        if managed.in_charge:
            self.evaluate(managed)
        elif not managed.unread():
            self._on_first(managed)

    def evaluate(self, managed: Managed) -> None:
        """Decide about one object, and have done what follows."""
        target = self._targets.get(managed.target) if managed.target is not None else None
        if not managed.in_charge or target is None or target.replicas is None or managed.settling:
            return
        if managed.busy:
            managed.again = True
            return
        decision = self._decide(managed, target.replicas)
        if decision.active is not True and managed.unread():
            return
        if decision.replicas is not None and decision.replicas != target.replicas:
            if (
                decision.reason is Reason.ACTIVATED
                and managed.activation == "desired"
                and not managed.settled
            ):
                self._settle(managed)
                return
            self._executor.scale(managed, decision, target)
        managed.settled = False
        managed.decision = decision
        self._on_decision(managed, decision)

    def written(self, managed: Managed) -> None:
        """A scale write of the object is over."""
        self.watch_floor(managed)
        if managed.again:
            managed.again = False
            self.evaluate(managed)

    def watch_floor(self, managed: Managed) -> None:
        """Wake-ups matter only below the floor: tell the sources on which side the target is."""
        target = self._targets.get(managed.target) if managed.target is not None else None
        below = target is not None and target.replicas is not None and target.replicas < managed.so.floor
        self._sources.below_floor(managed.uid, managed.in_charge and below)

    async def close(self) -> None:
        """Stop settling."""
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    def _decide(self, managed: Managed, replicas: int) -> Decision:
        now = self._clock.now()
        decision = managed.decide(replicas, now)
        if managed.active is None and decision.active is False and managed.was_active:
            # The status says Active, we find no work: when it ended is unknown, so the cooldown counts from now.
            managed.last_active = now
            decision = managed.decide(replicas, now)
        return decision

    def _settle(self, managed: Managed) -> None:
        managed.settling = True
        task = asyncio.get_running_loop().create_task(self._settled(managed))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settled(self, managed: Managed) -> None:
        """Read what would activate until two reads agree, or the first write would see only the first of many messages."""
        first = {
            index: result.readings[0].value
            for index, result in managed.results.items()
            if len(result.readings) == 1
        }
        keys = [TriggerKey(managed.uid, o.index) for o in managed.outcomes() if o.active and o.index in first]
        try:
            await asyncio.gather(*(self._sources.settle(key, first[key.index]) for key in keys))
        finally:
            managed.settling = False
        managed.settled = True
        self.evaluate(managed)
        managed.settled = False


def _with_verdict(before: Result | None, pushed: Result) -> Result:
    """A pushed verdict replaces what the last reading said about activity, and keeps its number."""
    readings = before.readings if before is not None else ()
    return replace(pushed, readings=tuple(replace(reading, active=pushed.verdict) for reading in readings))
