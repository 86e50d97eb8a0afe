"""Objects of which nothing is read (only cpu and memory) are decided about every pollingInterval all the same.

Elsewhere each result of a read is the occasion; here only time is. Somebody may have scaled the target to zero, and what
is wrong with the HPA is to be told.
"""

from collections.abc import Callable

from scaler.clock import Clock
from scaler.control.alarm import Alarm
from scaler.control.schedule import Schedule

__all__ = ["Ticks"]

_SHORTEST = 1.0
"""Seconds: a pollingInterval of 0 must not keep the process busy."""


class Ticks:
    """See the module. `due` is called on the loop with an object's uid. `run` is a task of the owner's, until `close`."""

    def __init__(self, clock: Clock, due: Callable[[str], None]) -> None:
        self._clock = clock
        self._due = due
        self._alarm = Alarm(clock)
        self._schedule: Schedule[str] = Schedule()
        self._intervals: dict[str, float] = {}
        self._closed = False

    def want(self, uid: str, interval: float) -> None:
        """Call for this object every `interval` seconds, counted from now if that is new."""
        if self._intervals.get(uid) != interval:
            self._intervals[uid] = interval
            self._put(uid)

    def forget(self, uid: str) -> None:
        """Call no more."""
        if self._intervals.pop(uid, None) is not None:
            self._schedule.drop(uid)

    async def run(self) -> None:
        """Call until closed."""
        while not self._closed:
            for uid in self._schedule.take(self._clock.monotonic()):
                self._put(uid)
                self._due(uid)
            await self._alarm.wait(self._schedule.next())

    def close(self) -> None:
        """End `run`."""
        self._closed = True
        self._alarm.ring()

    def _put(self, uid: str) -> None:
        due = self._clock.monotonic() + max(self._intervals[uid], _SHORTEST)
        self._schedule.put(uid, due)
        self._alarm.ring(due)
