"""How sources are read: every number that could be another one. Seconds, unless they say otherwise."""

from dataclasses import dataclass

__all__ = ["SourceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """The defaults suit thousands of triggers a source. The last group is real, the rest schedule time."""

    # Batching.

    batch_size: int = 1000
    """Queries in one `measure_many`. A thousand pipelined LLEN take Redis 9 ms; more would hold up the event
    loop."""

    max_concurrency: int = 20
    """Calls of scalers at once on one Source. Those beyond it wait; their deadlines start when they are sent."""

    gather: float = 0.005
    """How long a new trigger waits for others, so that all objects found at a start are read in one batch."""

    join: float = 0.0015
    """How long a refresh waits for others: the HPA controller asks from five workers at once."""

    gap: float = 0.002
    """The least time between two dispatches of a Source. The first of a burst goes at once."""

    coalesce: float = 0.1
    """How much earlier than due a poll may go in order to share a batch (at most a tenth of its interval)."""

    herd: int = 10
    """With more queries than this on a Source, their polls are spread over the interval after they were all
    read at once. A few are no herd and keep the exact interval."""

    shortest_interval: float = 0.1
    """A pollingInterval below this (0 is allowed in a manifest) is taken for this."""

    # After failures.

    backoff_first: float = 0.5
    """Until the first new attempt, of a connection (breaker) or of one query; doubles with each failure. No
    back-off ever exceeds the pollingInterval: a breaker's is capped by the smallest of its triggers."""

    split: int = 8
    """A batch that failed as a whole, not for the connection, is cut into so many for the next attempt, until
    those that answer are apart from the one that spoils it."""

    # Wake-ups.

    wake_ups: bool = True
    """Listen to sources that tell of changes. The off switch: without it there is only polling."""

    wake_interval: float = 0.05
    """At most one wake-up read of a query in this time. A hot key causes 14,000 changes a second."""

    evictions: int = 10
    """So many wake-ups in a row that found nothing new mean that the source's tracking table is too small."""

    quiet: float = 60.0
    """How long a query then is only polled."""

    listen_backoff: float = 1.0
    """Until listening is tried again after it ended; doubles with each failure."""

    listen_backoff_max: float = 60.0
    """The longest such wait, and also how long listening must have lasted to start over at the first."""

    # Real time: what no time factor speeds up.

    settle_step: float = 0.005
    """Between two reads of a trigger that is about to activate its object."""

    settle_limit: float = 0.05
    """The longest that an activation is held back in order to see the whole of a burst."""

    open_timeout: float = 5.0
    """The deadline of opening a client; counts as a connection failure."""

    close_timeout: float = 3.0
    """The deadline of closing one; it is then left to itself and logged."""
