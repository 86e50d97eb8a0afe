"""Who fell from above zero to zero, and did so many fall at one moment that queues did not merely drain?

Used by `brake`, once for each Source and once for the whole controller. A fall is seen by a read, and happened
at some moment after the read before: it is the span (after, at]. Falls whose spans share a moment may be one
event; those of queues that drain one by one share none. Spans, not a window of fixed length, since objects
are polled at different paces and a Source that was unreachable is read late.

Pure: times are arguments (monotonic seconds), and never go back.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Fall", "Falls", "Mass"]

_SPARE = 64


@dataclass(slots=True)
class Fall:
    """One object had something above zero `after` and nothing at `at`. `covered`: a brake accounts for it already."""

    after: float
    at: float
    covered: bool = False


@dataclass(frozen=True, slots=True)
class Mass:
    """`uids` all fell at `moment` (or a little before), and `of` is the most that were active from just before it on."""

    uids: tuple[str, ...]
    moment: float
    of: int


@dataclass(slots=True)
class Falls:
    """The objects of one scope: how many are active now and were lately, and those that fell and are still at zero."""

    objects: int = 0
    active: int = 0
    fallen: dict[str, Fall] = field(default_factory=dict)
    _times: list[float] = field(default_factory=list)
    _peaks: list[int] = field(default_factory=list)
    """How many were active just before a fall at that time; only where it was never more since, so it decreases."""

    def rose(self, uid: str) -> None:
        """It has something above zero: at its first read, or anew."""
        self.active += 1
        self.fallen.pop(uid, None)

    def fell(self, uid: str, fall: Fall) -> None:
        """Nothing of it is above zero any more. O(1) amortised."""
        while self._peaks and self._peaks[-1] <= self.active:
            self._peaks.pop()
            self._times.pop()
        self._peaks.append(self.active)
        self._times.append(fall.at)
        self.active -= 1
        self.fallen[uid] = fall

    def stopped(self) -> None:
        """One that was active is no longer asked: fewer are active, and nothing fell."""
        self.active -= 1

    def left(self, uid: str) -> None:
        """Nothing of the object is in this scope any more."""
        self.objects -= 1
        self.fallen.pop(uid, None)
        if len(self._peaks) > 2 * self.objects + _SPARE:  # Those are peaks of objects long gone.
            del self._peaks[: -self.objects - 1], self._times[: -self.objects - 1]

    def before(self, after: float) -> int:
        """The most that were active at any moment later than `after`, the moment just after it included."""
        return self._peak(bisect_right(self._times, after))

    def mass(self, after: float, share: float, least: int) -> Mass | None:
        """The event that happened later than `after`, if one did.

        More than `share` of the objects active then, and at least `least`, fell at one moment, and the number of
        active objects dropped by more than that share too: where as many rise as fall, short work comes and goes.
        Of 100 active, 51 that fell between two polls are an event; 51 that fell in two rounds are none.

        O(log n) while the number has not dropped; else the falls since `after` are gone through.
        """
        before = self.before(after)
        if before - self.active <= share * before:
            return None
        recent = tuple(self._since(after))[::-1]
        fresh = [(uid, fall) for uid, fall in recent if not fall.covered]
        if len(fresh) < least:
            return None
        covered = [fall.at for _, fall in recent if fall.covered]
        best: tuple[int, float, int] = (0, 0.0, 0)
        for count, moment in _shared([fall for _, fall in fresh]):
            of = self._peak(bisect_left(self._times, moment)) - len(covered) + bisect_left(covered, moment)
            if count >= max(least, best[0]) and min(count, of - self.active) > share * of:
                best = (count, moment, of)
        count, moment, of = best
        if not count:
            return None
        return Mass(tuple(uid for uid, fall in fresh if fall.after < moment <= fall.at), moment, of)

    def _peak(self, index: int) -> int:
        return max(self.active, self._peaks[index]) if index < len(self._peaks) else self.active

    def _since(self, after: float) -> Iterator[tuple[str, Fall]]:
        """The latest falls, the latest first."""
        for uid, fall in reversed(self.fallen.items()):
            if fall.at <= after:
                return
            yield uid, fall


def _shared(falls: Sequence[Fall]) -> Iterator[tuple[int, float]]:
    """For each end of a span, how many spans hold it, and the end. `falls` are ordered by it."""
    starts = sorted(fall.after for fall in falls)
    over = 0
    for index, fall in enumerate(falls):
        if fall.at != falls[over].at:
            over = index
        yield bisect_left(starts, fall.at) - over, fall.at
