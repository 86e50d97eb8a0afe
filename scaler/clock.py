"""The one Clock.

`app` makes it and hands it to everything that has a schedule: control, the embedded cluster and the metrics adapter.
Nobody else asks for the time, so fake time in tests and sped-up time in development reach every corner.

A factor above 1 (development, `TIDEGATE_TIME_FACTOR`) makes schedules run faster: polls, cooldowns, windows, HPA syncs,
grace periods and back-off. It never touches IO deadlines or the settle time, which are real: those use `deadline` and `pause`.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock"]

_DAY = 86_400.0


class Clock(Protocol):
    """Time as schedules see it. All durations are seconds."""

    factor: float

    def now(self) -> datetime:
        """The wall clock: aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return `seconds` of schedule time later (at once when not positive)."""
        ...

    async def sleep_until(self, monotonic: float) -> None:
        """Return when `monotonic()` has reached the given value."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait real seconds: for settling and IO retries, which no factor speeds up."""
        ...

    def deadline(self, seconds: float) -> asyncio.Timeout:
        """An `async with` block that raises TimeoutError after real seconds: for IO."""
        ...


class SystemClock:
    """The machine's time, run faster by `factor`.

    With a factor the wall clock is anchored at the start of the UTC day (or at `origin`, seconds since the epoch), so that
    two processes started with the same factor agree.
    """

    def __init__(self, factor: float = 1.0, origin: float | None = None) -> None:
        if not factor > 0:
            raise ValueError(f"time factor {factor}: must be above 0")
        self.factor = factor
        wall = time.time()
        self._origin = wall - wall % _DAY if origin is None else origin

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "SystemClock":
        """Read `TIDEGATE_TIME_FACTOR` (default 1) and `TIDEGATE_TIME_ORIGIN` (seconds since the epoch, default today's start).

        Raises ValueError naming the variable when it is no number above 0.
        """
        try:
            factor = float(environ.get("TIDEGATE_TIME_FACTOR") or 1)
            origin = environ.get("TIDEGATE_TIME_ORIGIN")
            return cls(factor, float(origin) if origin else None)
        except ValueError as error:
            raise ValueError(
                f"TIDEGATE_TIME_FACTOR / TIDEGATE_TIME_ORIGIN: {error}; give numbers, or unset both"
            ) from error

    def now(self) -> datetime:
        """See Clock."""
        if self.factor == 1.0:
            return datetime.now(UTC)
        return datetime.fromtimestamp(self._origin, UTC) + timedelta(
            seconds=(time.time() - self._origin) * self.factor
        )

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic() * self.factor

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, seconds) / self.factor)

    async def sleep_until(self, monotonic: float) -> None:
        """See Clock."""
        await self.sleep(monotonic - self.monotonic())

    async def pause(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(seconds)

    def deadline(self, seconds: float) -> asyncio.Timeout:
        """See Clock."""
        return asyncio.timeout(seconds)
