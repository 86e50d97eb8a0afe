"""What Tidegate offers to the connections of scalers: the time of schedules, and the off switch of wake-ups.

See scalers.sdk.Host.
"""

from datetime import datetime

from scaler.clock import Clock

__all__ = ["ClockHost"]


class ClockHost:
    """A Host on the one Clock."""

    def __init__(self, clock: Clock, *, wake_ups: bool = True, allow_loopback: bool = True) -> None:
        self._clock = clock
        self._wake_ups = wake_ups
        self._allow_loopback = allow_loopback

    @property
    def wake_ups(self) -> bool:
        """See Host."""
        return self._wake_ups

    @property
    def allow_loopback(self) -> bool:
        """See Host."""
        return self._allow_loopback

    def now(self) -> datetime:
        """See Host."""
        return self._clock.now()

    async def sleep_until(self, moment: datetime) -> None:
        """See Host. The wall clock may be set while we sleep, so it is asked again."""
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)
