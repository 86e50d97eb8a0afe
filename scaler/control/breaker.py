"""When to try again: a back-off for one query, and a breaker for a connection that many share.

Pure: both are values; each event takes `now` (seconds, monotonic) and answers the next value.

    closed ──failed──► open ──due, probing──► half-open ──succeeded──► closed
                        ▲                         │
                        └────────failed───────────┘

Only connection failures are shown to a breaker. A query's own error or timeout goes to its back-off alone.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["CALM", "Backoff", "Breaker", "State"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often something failed in a row, and until when it is left alone."""

    failures: int = 0
    until: float = -math.inf

    def failed(self, now: float, *, first: float, cap: float) -> "Backoff":
        """One more failure: `first` seconds, then twice as long each time, never more than `cap`."""
        delay = min(first * 2.0 ** min(self.failures, 32), cap)
        return Backoff(self.failures + 1, now + delay)

    def open(self, now: float) -> bool:
        """Is it still to be left alone?"""
        return now < self.until


CALM = Backoff()
"""No failure so far."""


class State(StrEnum):
    """See the module's picture."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether a connection may be used. `error` says in a sentence why not."""

    state: State = State.CLOSED
    backoff: Backoff = CALM
    error: str = ""

    @property
    def closed(self) -> bool:
        """Reads go out as they are due."""
        return self.state is State.CLOSED

    @property
    def probe_at(self) -> float | None:
        """When the next probe is due; None unless open."""
        return self.backoff.until if self.state is State.OPEN else None

    def failed(self, now: float, error: str, *, first: float, cap: float) -> "Breaker":
        """The connection failed, or its probe did. `cap`: the smallest pollingInterval of its triggers."""
        lasted = self.closed and now - self.backoff.until >= cap
        backoff = CALM if lasted else self.backoff
        return Breaker(State.OPEN, backoff.failed(now, first=first, cap=cap), error)

    def probing(self) -> "Breaker":
        """One probe is sent. Nothing else is until it is answered."""
        return replace(self, state=State.HALF_OPEN)

    def postponed(self, until: float) -> "Breaker":
        """There was nothing to probe with."""
        return replace(self, state=State.OPEN, backoff=Backoff(self.backoff.failures, until))

    def succeeded(self, now: float) -> "Breaker":
        """The server answered, be it with a query's error.

        Only when that lasts does the back-off start over: a connection that comes and goes is tried ever less.
        """
        return Breaker(State.CLOSED, Backoff(self.backoff.failures, now))
