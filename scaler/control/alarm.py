"""A sleep that others may end: how a loop waits for what is due next, or for news that changes it."""

import asyncio
import math

from scaler.clock import Clock

__all__ = ["Alarm"]


class Alarm:
    """One task waits, anybody rings. A ring while nobody waits ends the next wait at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiter: asyncio.Future[None] | None = None
        self._rung = False
        self._until = math.inf

    def ring(self, due: float = -math.inf) -> None:
        """Something is due at `due` (monotonic): ends the wait, unless it ends before then anyway."""
        if due >= self._until:
            return
        if self._waiter is None:
            self._rung = True
        else:
            self._wake(self._waiter)

    async def wait(self, until: float | None) -> None:
        """Return when the Clock's `monotonic()` reaches `until` (None: never), or when rung."""
        if self._rung:
            self._rung = False
            return
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        sleeper = None
        try:
            if until is not None:
                self._until = until
                sleeper = asyncio.create_task(self._clock.sleep_until(until))
                sleeper.add_done_callback(lambda _: self._wake(waiter))
            await waiter
        except asyncio.CancelledError:
            if sleeper is not None:
                sleeper.cancel()
                await asyncio.wait([sleeper])  # Leaves no task behind.
            raise
        finally:
            self._waiter, self._until = None, math.inf
        if sleeper is not None:
            sleeper.cancel()  # Ends by itself in the loop's next turn; what rang should not wait for that.

    @staticmethod
    def _wake(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)
