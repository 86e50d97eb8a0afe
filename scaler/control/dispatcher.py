"""The reading engine of one Source: when and in which lots, behind the breaker, learning from the answers.

Data flow: `Query.plan` says when each query is next and why → the first due time of the schedule wakes `_run`
→ what is due goes out in lots, each in a task, so that a hanging one delays nobody else → `reader` makes
every answer a value → breaker and queries learn from it → each trigger gets its Result, then those who wait
for the read.

It owns the tasks and asks for the time; Query, Schedule, Breaker and lots hold the rules and do no IO.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.alarm import Alarm
from scaler.control.breaker import Breaker
from scaler.control.client import Opened, SharedClient
from scaler.control.delivery import Delivery
from scaler.control.lots import lots, shrink
from scaler.control.query import Query
from scaler.control.reader import Answer, TimedOut, read
from scaler.control.results import Counts, Result
from scaler.control.schedule import EPSILON, Schedule
from scaler.control.source_settings import SourceSettings
from scaler.control.waiters import Waiters
from scalers.sdk import InvalidMetadata, NoData, ScalerError, Unauthorized, Unavailable

__all__ = ["Dispatcher"]

_TURN = 100
"""Queries whose results are delivered before others get the event loop."""
_LASTING = (InvalidMetadata, Unauthorized)
"""Why a client may not open, besides the server's being unavailable."""


class Dispatcher:
    """See the module. `queries` is the Source's own mapping, seen live.

    `connected(client)` is called before each read, for who listens to the source; None: it was given up.
    """

    def __init__(
        self,
        queries: Mapping[Any, Query],
        *,
        name: str,
        clock: Clock,
        settings: SourceSettings,
        client: SharedClient,
        delivery: Delivery,
        connected: Callable[[Opened | None], None],
    ) -> None:
        self.breaker = Breaker()
        self.waiters = Waiters()
        self.counts = Counts()
        self._queries = queries
        self._name = name
        self._clock = clock
        self._settings = settings
        self._client = client
        self._delivery = delivery
        self._connected = connected
        self._log = structlog.get_logger(__name__).bind(source=name)
        self._schedule: Schedule[Query] = Schedule()
        self._alarm = Alarm(clock)
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._lost_by: type[ScalerError] = Unavailable
        self._answered_at = clock.monotonic()
        self._said_evictions = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._run())

    def replan(self, query: Query) -> None:
        """Something about the query has changed: when is it next?"""
        plan = query.plan(reachable=self.breaker.closed)
        if plan is None:
            self._schedule.drop(query)
        else:
            self._schedule.put(query, plan.due)
            self._alarm.ring(plan.due)

    def untried(self) -> Result:
        """What comes of a read while the breaker is not closed."""
        return self._delivery.failure(self._untried())

    async def close(self) -> None:
        """End every task, and answer whoever waits for a read."""
        for task in self._tasks:
            task.cancel()
        self.waiters.close(self._delivery.failure(Unavailable("the source was closed")))
        try:
            async with self._clock.deadline(self._settings.close_timeout):
                if self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            self._log.warning("reads_do_not_end", tasks=len(self._tasks))

    # Out.

    async def _run(self) -> None:
        not_before = self._clock.monotonic()
        while True:
            times = [at for at in (self._schedule.next(), self.breaker.probe_at) if at is not None]
            due = max(min(times), not_before) if times else None
            now = self._clock.monotonic()
            if due is None or due > now + EPSILON:
                await self._alarm.wait(due)
                continue
            not_before = now + self._settings.gap
            self._dispatch(now)

    def _dispatch(self, now: float) -> None:
        if self.breaker.closed:
            due = self._schedule.take(now, ahead=self._settings.coalesce, slack=Query.slack)
            for lot in lots(due, self._settings):
                for query in lot:
                    query.begin(now)
                self._spawn(self._fly(lot))
            return
        for query in self._schedule.take(now):
            self._skip(query, now)
        if self.breaker.probe_at is not None and self.breaker.probe_at <= now + EPSILON:
            self._probe(now)

    def _skip(self, query: Query, now: float) -> None:
        polled = query.skip(now)
        self.counts.skipped += len(polled)
        self.replan(query)
        self._delivery.give(query, [(key, "poll") for key in polled], self.untried())

    def _probe(self, now: float) -> None:
        """Try the query tried longest ago: the connection must not always be judged by one that hangs."""
        idle = [query for query in self._queries.values() if not query.busy]
        if not idle:
            self.breaker = self.breaker.postponed(now + self._settings.backoff_first)
            return
        query = min(idle, key=lambda query: query.attempted)
        self.breaker = self.breaker.probing()
        self._schedule.drop(query)
        query.begin(now, "retry")
        self._spawn(self._fly([query], probe=True))

    async def _fly(self, lot: Sequence[Query], *, probe: bool = False) -> None:
        """One call of a scaler, from waiting for its turn to the delivery of its results."""
        answer: list[Answer] | ScalerError | None = None
        opened = None
        sent = self._clock.monotonic()
        async with self._slots:
            if probe or self.breaker.closed:
                client = await self._client.get()
                if isinstance(client, ScalerError):
                    answer = client
                else:
                    opened = client
                    with opened.hold():
                        sent = self._send(lot, opened)
                        metadata = [query.metadata for query in lot]
                        answer = await read(self._clock, opened.client, lot[0].scaler, metadata)
        await self._land(lot, answer or self._untried(), opened, sent, probe=probe)

    def _send(self, lot: Sequence[Query], opened: Opened) -> float:
        if opened is self._client.current:
            self._connected(opened)
        now = self._clock.monotonic()
        self.counts.batches += 1
        self.counts.reads += len(lot)
        for query in lot:
            self.counts.wake_ups += query.cause == "wake-up"
            query.sent(now)
            self.waiters.sent(query)
        return now

    # And back.

    async def _land(
        self,
        lot: Sequence[Query],
        answer: list[Answer] | ScalerError,
        opened: Opened | None,
        sent: float,
        *,
        probe: bool,
    ) -> None:
        now = self._clock.monotonic()
        answers = [answer] * len(lot) if isinstance(answer, ScalerError) else answer
        lost = all(isinstance(one, ScalerError) and one.connection for one in answers)
        if not probe and all(query.suspect for query in lot):
            lost = False
        if isinstance(answers[0], ScalerError) and (lost or (probe and isinstance(answer, TimedOut))):
            self._lose(answers[0], opened, now, probe=probe)
        elif probe:
            self._restore(lot[0], now)
        if isinstance(answer, ScalerError) and not lost:
            shrink(lot, self._settings, others_answer=self._answered_at >= sent)
        elif any(not isinstance(one, ScalerError) or isinstance(one, NoData) for one in answers):
            self._answered_at = now
        for count, (query, one) in enumerate(zip(lot, answers, strict=True), start=1):
            self._finish(query, one, sent, lost=lost)
            if count % _TURN == 0:
                await asyncio.sleep(0)

    def _finish(self, query: Query, answer: Answer, sent: float, *, lost: bool) -> None:
        now, moment = self._clock.monotonic(), self._clock.now()
        receivers = list(query.causes(now))
        if isinstance(answer, ScalerError):
            result = Result(error=answer, at=sent, moment=moment, cause=query.cause)
            self.counts.errors += 1
            query.failed(now, answer, lost=lost)
        else:
            result = Result(readings=answer, at=sent, moment=moment, cause=query.cause)
            if query.answered(now, result, herd=len(self._queries) > self._settings.herd):
                self._say_evictions()
        self.replan(query)
        self._delivery.give(query, receivers, result)
        self.waiters.done(query, result)

    def _lose(self, error: ScalerError, opened: Opened | None, now: float, *, probe: bool) -> None:
        """The connection failed; unless this is old news, of a client that is no longer used."""
        if not probe and not (self.breaker.closed and (opened is None or opened is self._client.current)):
            return
        if self.breaker.closed:
            self._log.warning("source_unreachable", error=str(error))
        if opened is not None:
            self._client.retire(opened)
        self._connected(None)
        first = self._settings.backoff_first
        cap = min((query.interval for query in self._queries.values()), default=first)
        self.breaker = self.breaker.failed(now, str(error), first=first, cap=cap)
        self._lost_by = next((kind for kind in _LASTING if isinstance(error, kind)), Unavailable)
        untried = self.untried()
        for query in self._queries.values():
            query.asked = None
            self.waiters.give_up(query, untried)
            self.replan(query)
        self._alarm.ring()

    def _restore(self, probed: Query, now: float) -> None:
        """The connection is back: whatever happened meanwhile, read everything else as well."""
        self._log.info("source_reachable")
        self.breaker = self.breaker.succeeded(now)
        for query in self._queries.values():
            query.scatter = True
            if query is not probed:
                query.ask(now, "retry")
                self.replan(query)

    # Small things.

    def _untried(self) -> ScalerError:
        """With the reason of the attempt that failed, or the reason would change from poll to poll."""
        error = self._lost_by(f"not tried: {self.breaker.error}")
        error.connection = True
        return error

    def _say_evictions(self) -> None:
        if not self._said_evictions:
            self._said_evictions = True
            meaning = "its tracking table is too small, and such triggers are only polled for a while"
            self._log.warning("wake_ups_without_change", meaning=meaning, seconds=self._settings.quiet)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"source {self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("source_task_failed", error=repr(error))
