"""Time in the tests' hands: a Clock that stands still until it is advanced.

    clock = FakeClock()
    task = asyncio.create_task(thing_that_sleeps_30_s(clock))
    await clock.advance(30)

`advance` wakes sleepers one by one in the order of their due times (first come, first woken among equals),
and lets the loop settle after each, so that a sleeper that sleeps again within the span is woken again: every
run is the same.

IO deadlines and `pause` are real, as in the real Clock, so that real servers can be used. A test whose IO is
scripted takes `FakeClock(virtual_io=True)`: there they follow fake time too.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

__all__ = ["FakeClock"]

_START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)  # A Monday.
_ORIGIN = 1000.0
_ROUNDS = 10_000


class FakeClock:
    """Implements scaler.clock.Clock. Starts at Monday 2026-01-05 12:00 UTC, `monotonic()` at 1000."""

    def __init__(self, start: datetime = _START, *, virtual_io: bool = False) -> None:
        self.factor = 1.0
        self.start = start
        self.elapsed = 0.0
        self.virtual_io = virtual_io
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return _ORIGIN + self.elapsed

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.monotonic() + seconds)

    async def sleep_until(self, monotonic: float) -> None:
        if monotonic <= self.monotonic():
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        entry = self._at(monotonic, lambda: woken.done() or woken.set_result(None))
        try:
            await woken
        finally:
            self._drop(entry)

    async def pause(self, seconds: float) -> None:
        await (self.sleep(seconds) if self.virtual_io else asyncio.sleep(seconds))

    def deadline(self, seconds: float) -> asyncio.Timeout:
        return _VirtualTimeout(self, seconds) if self.virtual_io else asyncio.timeout(seconds)

    # What tests use.

    @property
    def sleepers(self) -> int:
        """How many sleeps (and virtual deadlines) are waiting."""
        return len(self._due)

    @property
    def next_due(self) -> float | None:
        """Seconds until the next sleeper is due, or None when nobody sleeps."""
        return self._due[0][0] - self.monotonic() if self._due else None

    async def settle(self) -> None:
        """Let everything run that can without time passing. (What waits for a socket is not waited for.)"""
        loop = asyncio.get_running_loop()
        ready = getattr(loop, "_ready", None)  # uvloop has none: a fixed number of rounds has to do.
        for done in range(_ROUNDS):
            await asyncio.sleep(0)
            if done >= 50 if ready is None else not ready:
                return
        raise AssertionError(f"the loop is still busy after {_ROUNDS} rounds without time passing")

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking in order everyone who becomes due, and settle."""
        end = self.elapsed + seconds
        await self.settle()
        while self._due and self._due[0][0] <= _ORIGIN + end:
            due, _, wake = heapq.heappop(self._due)
            self.elapsed = max(self.elapsed, due - _ORIGIN)
            wake()
            await self.settle()
        self.elapsed = end
        await self.settle()

    async def until(self, condition: Callable[[], object], *, within: float) -> None:
        """Let time pass from sleeper to sleeper until `condition()`; fail after `within` fake seconds."""
        end = self.elapsed + within
        await self.settle()
        while not condition():
            if not self._due or self._due[0][0] > _ORIGIN + end:
                raise AssertionError(f"not reached within {within} s of fake time: {condition}")
            await self.advance(max(0.0, self._due[0][0] - self.monotonic()))

    def _at(self, monotonic: float, wake: Callable[[], None]) -> tuple[float, int, Callable[[], None]]:
        entry = (monotonic, next(self._order), wake)
        heapq.heappush(self._due, entry)
        return entry

    def _drop(self, entry: tuple[float, int, Callable[[], None]]) -> None:
        if entry in self._due:
            self._due.remove(entry)
            heapq.heapify(self._due)


class _VirtualTimeout(asyncio.Timeout):
    """An asyncio.Timeout that runs out in fake time."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        super().__init__(None)
        self._clock = clock
        self._seconds = seconds

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._entry = self._clock._at(self._clock.monotonic() + self._seconds, self._expire)
        return self

    async def __aexit__(self, *exc_info: object) -> bool | None:
        self._clock._drop(self._entry)
        return await super().__aexit__(*exc_info)

    def _expire(self) -> None:
        self.reschedule(asyncio.get_running_loop().time())
