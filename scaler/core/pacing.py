"""Who may go when, a part of all in a minute: the times that `brake` hands out.

Pure: times are arguments, in monotonic seconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MINUTE", "Pacing"]

MINUTE = 60.0


@dataclass(slots=True)
class Pacing:
    """Evenly spaced slots. `through` counts those who are through; with those still waiting they are all."""

    through: int = 0
    _taken: deque[float] = field(default_factory=deque)
    """The slots of the last minute before the latest one."""

    def count(self, passed: Iterable[float]) -> None:
        """These went before anybody was asked to wait: they have used up part of their minute."""
        moments = sorted(passed)
        self.through += len(moments)
        self._taken = deque(sorted((*self._taken, *moments)))

    def slot(self, waiting: int, pace: float, now: float) -> float:
        """The next free moment from `now` on, taken by whoever asks, who is one of the `waiting`.

        Never more than `pace` times all of them in any minute [t, t + 60), but at least one: of 1,000 at a tenth,
        one every 0.6 s, the first at once; of 5, one a minute.
        """
        rate = max(1, int(pace * (waiting + self.through)))
        if self._taken:
            now = max(now, self._taken[-1] + MINUTE / rate)
        if len(self._taken) >= rate:
            now = max(now, self._taken[-rate] + MINUTE)
        self._taken.append(now)
        while self._taken[0] <= now - MINUTE:
            self._taken.popleft()
        return now
