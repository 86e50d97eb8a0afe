"""One query on a Source: all triggers that ask the same, and when it is to be read next and why.

Pure: every event takes `now` (monotonic seconds). `plan` alone says what is next, from these reasons:

- a member's poll is due, `interval` after the last read of any kind that answered;
- the last read failed, and the back-off is over;
- somebody asked (refresh, settle, a reconnection);
- the source told of a change since the last read was sent (`dirty`), and an object of ours is below its
  floor. At or above the floor the mark only stays, so that a change is not lost when the object comes down
  later.
"""

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scaler.control.breaker import CALM, Backoff
from scaler.control.results import Cause, Result, TriggerKey
from scaler.control.schedule import EPSILON
from scaler.control.source_settings import SourceSettings
from scalers.sdk import InvalidMetadata, Metadata, NoData, Scaler, ScalerError, Unauthorized

__all__ = ["Plan", "Query", "identify"]


def identify(scaler: Scaler[Any, Any], metadata: Metadata, otherwise: Hashable = None) -> Hashable:
    """What is equal for triggers that ask the same; `otherwise` where a plugin's `query()` is broken."""
    try:
        query = metadata.query()
        hash(query)
    except Exception:  # noqa: BLE001 - a plugin's code: its triggers are then all different
        query = otherwise
    return (id(scaler), query)


class Plan(NamedTuple):
    """The next read."""

    due: float
    cause: Cause


@dataclass(slots=True, eq=False)
class Member:
    """One trigger that wants the query read, and when its own next poll is due."""

    interval: float
    due: float


@dataclass(slots=True, eq=False)
class Query:
    """See the module. `fraction` (0 to 1] places its polls within the interval when a herd is spread."""

    settings: SourceSettings
    identity: Hashable
    scaler: Scaler[Any, Any]
    metadata: Metadata
    fraction: float
    together: bool = False
    """Its polls fall on whole multiples of the interval, where all queries of the Source meet, whenever they came."""
    members: dict[TriggerKey, Member] = field(default_factory=dict)
    interval: float = math.inf
    below: int = 0
    """Members whose object is below its floor."""

    planned: Plan | None = None
    cause: Cause = "poll"
    horizon: float = -math.inf
    """Of the read under way: polls due until then are answered by it."""
    busy: bool = False
    attempted: float = -math.inf
    last: Result | None = None
    """The last read that answered."""

    asked: Plan | None = None
    dirty: bool = False
    woke: float = -math.inf
    fruitless: int = 0
    quiet_until: float = -math.inf
    backoff: Backoff = CALM
    scatter: bool = False
    """The next poll is spread, since this query is (or was) read together with all others."""
    lot: int = 0
    """The largest batch it may go in, after a batch failed as a whole; 0: any."""
    suspect: bool = False
    """It reported a lost connection while others on it were answered: it is believed no more until it answers."""
    pushed: tuple[bool, float] | None = None
    """The last verdict of the source's own, and when."""

    def join(self, key: TriggerKey, interval: float, *, now: float, below: bool, anew: bool = True) -> None:
        """A new member: read as soon as others had time to join. A known one may have a new interval.

        `anew`: what is made of the number has changed, so even a known one is read at once.
        """
        interval = max(interval, self.settings.shortest_interval)
        member = self.members.get(key)
        if member is None:
            self.members[key] = Member(interval, now + self.settings.gather)
            self.below += below
            self.scatter = True
        else:
            if anew or interval != member.interval:
                member.due = min(member.due, now + (self.settings.gather if anew else interval))
            member.interval = interval
        self.interval = min(m.interval for m in self.members.values())

    def leave(self, key: TriggerKey, *, below: bool) -> None:
        """A member is no longer wanted."""
        del self.members[key]
        self.below -= below
        self.interval = min((m.interval for m in self.members.values()), default=math.inf)

    def plan(self, *, reachable: bool) -> Plan | None:
        """The next read; None while one is under way. If unreachable, only polls are due (and fail)."""
        self.planned = self._plan(reachable=reachable)
        return self.planned

    def _plan(self, *, reachable: bool) -> Plan | None:
        if self.busy or not self.members:
            return None
        plan = Plan(min(member.due for member in self.members.values()), "poll")
        if not reachable:
            return plan
        if self.backoff.failures and self.backoff.until < plan.due:
            plan = Plan(self.backoff.until, "retry")
        if self.dirty and self.below:
            due = max(self.woke + self.settings.wake_interval, self.backoff.until, self.quiet_until)
            if due < plan.due:
                plan = Plan(due, "wake-up")
        if self.asked is not None and self.asked.due < plan.due:
            plan = self.asked
        return plan

    def slack(self) -> float:
        """How much too early it may go with others: a poll a little, what was asked for any time."""
        if self.asked is not None:
            return math.inf
        return self._early if self.planned is not None and self.planned.cause == "poll" else 0.0

    @property
    def _early(self) -> float:
        return min(self.settings.coalesce, self.interval / 10)

    def ask(self, due: float, cause: Cause) -> None:
        """Somebody wants a read that is sent from now on, by `due`."""
        if self.asked is None or due < self.asked.due:
            self.asked = Plan(due, cause)

    def begin(self, now: float, cause: Cause | None = None) -> None:
        """The planned read, or another for `cause`, is under way, though perhaps not sent."""
        self.cause = cause or (self.planned.cause if self.planned else "retry")
        self.busy, self.planned, self.attempted = True, None, now
        self.horizon = now + (self._early if self.cause == "poll" else 0.0)

    def sent(self, now: float) -> None:
        """What changed or was asked for until now will be seen by this read."""
        self.dirty, self.asked = False, None
        if self.cause == "wake-up":
            self.woke = now

    def answered(self, now: float, result: Result, *, herd: bool) -> bool:
        """The read succeeded. True: its wake-ups found nothing new too often, and are off for a while."""
        evicted = self._fruitless(result) >= self.settings.evictions
        if evicted:
            self.fruitless, self.quiet_until = 0, now + self.settings.quiet
        scattered = self.scatter and herd
        for member in self.members.values():
            member.due = self._next(member, now, scattered=scattered)
        self.busy, self.scatter, self.last = False, False, result
        self.backoff, self.lot, self.suspect = CALM, 0, False
        return evicted

    def failed(self, now: float, error: ScalerError, *, lost: bool) -> None:
        """The read failed. A lost connection is the breaker's, and NoData is an answer: neither backs off."""
        self.busy = False
        for member in self.members.values():
            if self.polled(member, now):
                member.due = self._next(member, now, scattered=False)
        if isinstance(error, NoData):
            self.backoff = CALM
        elif not lost:
            self.suspect = error.connection
            next_poll = min((member.due for member in self.members.values()), default=now) - now
            # Trying again between polls cannot help against what only a person can mend.
            first = (
                next_poll
                if isinstance(error, InvalidMetadata | Unauthorized)
                else self.settings.backoff_first
            )
            self.backoff = self.backoff.failed(now, first=first, cap=min(next_poll, self.interval))

    def change(self, *, specific: bool) -> bool:
        """The source says that it changed, or (not specific) that anything may have. Is a read to be planned?"""
        if not specific:
            self.fruitless = -1  # That it finds nothing new then proves nothing.
        known, self.dirty = self.dirty, True
        return self.below > 0 and not known

    def push(self, now: float, verdict: bool) -> bool:  # noqa: FBT001 - what it is about
        """The source gave a verdict. False: it said the same only just now."""
        if self.pushed is not None:
            known, at = self.pushed
            if known == verdict and now < at + self.settings.wake_interval:
                return False
        self.pushed = (verdict, now)
        return True

    def skip(self, now: float) -> list[TriggerKey]:
        """The source cannot be reached: whose polls were due and so failed."""
        self.asked = None
        keys = [key for key, member in self.members.items() if member.due <= now + EPSILON]
        for key in keys:
            self.members[key].due = now + self.members[key].interval
        return keys

    def causes(self, now: float) -> Iterator[tuple[TriggerKey, Cause]]:
        """Why the read under way was made, for each member: a poll only where its own was due."""
        other: Cause = "refresh" if self.cause == "poll" else self.cause
        for key, member in list(self.members.items()):
            yield key, "poll" if self.polled(member, now) else other

    def polled(self, member: Member, now: float) -> bool:
        """Does the read that ends now answer this member's poll?"""
        return member.due <= max(self.horizon, now) + EPSILON

    def _next(self, member: Member, now: float, *, scattered: bool) -> float:
        if self.together:
            done = max(now, self.horizon) + EPSILON
            return (done // member.interval + 1) * member.interval
        if scattered:
            return now + member.interval * self.fraction
        kept = member.due + member.interval  # Polls keep their phase: lateness and batching do not add up.
        return kept if self.polled(member, now) and kept > now else now + member.interval

    def _fruitless(self, result: Result) -> int:
        if self.cause == "wake-up":
            same = self.last is not None and self.last.readings == result.readings
            self.fruitless = self.fruitless + 1 if same else 0
        return self.fruitless
