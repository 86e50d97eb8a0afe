"""The `cron` trigger: a number of replicas inside a window of time, 0 outside (KEDA's rules, facts 10).

The window is open when the next start comes no earlier than the next end. Nothing is connected to: the source
is the clock, and its wake-ups are the exact instants at which a window opens or closes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import datetime, tzinfo

from scalers._lib import cron
from scalers.sdk import (
    Change,
    Connection,
    Host,
    InvalidMetadata,
    Metadata,
    Problem,
    Reading,
    Scaler,
    check,
    key,
)

__all__ = ["Cron", "CronMetadata"]

_PUNCTUATION = str.maketrans({" ": "", "*": "x", "/": "Sl", "?": "Qm", ",": "Cm"})
_LOOK_AHEAD = 64
"""Firings without effect to look past for the next flip; beyond them only polling finds it."""


class Windows:
    """The client: what time it is, and when the windows that were read open or close next."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._flips: dict[datetime, dict[Hashable, Metadata]] = {}
        self._news = asyncio.Event()

    def now(self) -> datetime:
        """The time that schedules follow."""
        return self._host.now()

    def expect(self, moment: datetime, metadata: Metadata) -> None:
        """Tell of a change of this trigger at `moment`."""
        self._flips.setdefault(moment, {})[metadata.query()] = metadata
        self._news.set()

    async def changes(self) -> AsyncIterator[Change]:
        """Every expected change, at its moment."""
        while True:
            self._news.clear()
            soonest = min(self._flips, default=None)
            if soonest is None:
                await self._news.wait()
            elif soonest <= self._host.now():
                for metadata in self._flips.pop(soonest).values():
                    yield Change(metadata)
            else:
                await self._until(soonest)

    async def _until(self, moment: datetime) -> None:
        """Return at `moment`, or before it when something new is expected."""
        waits = [
            asyncio.ensure_future(self._host.sleep_until(moment)),
            asyncio.ensure_future(self._news.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


class CronConnection(Connection):
    """No connection: all cron triggers share the one clock."""

    remote = False

    @contextlib.asynccontextmanager
    async def open(self, host: Host) -> AsyncIterator[Windows]:
        """See Connection."""
        yield Windows(host)

    def describe(self) -> str:
        """See Connection."""
        return "clock"


class CronMetadata(Metadata):
    """KEDA's keys."""

    connection: CronConnection
    timezone: str = key(help="IANA name of the time zone that start and end are read in")
    start: str = key(help="cron expression (five fields): when the window opens")
    end: str = key(help="cron expression (five fields): when the window closes")
    desired_replicas: int = key(help="replicas inside the window; never 0")

    @check("start")
    def _start_parses(self) -> str | None:
        return _wrong(self.start)

    @check("end")
    def _end_parses(self) -> str | None:
        return _wrong(self.end)

    @check("end", "start")
    def _window_is_no_instant(self) -> str | None:
        return "is the same as start: the window would never be open" if self.start == self.end else None

    @check("desired_replicas")
    def _something_is_desired(self) -> str | None:
        return (
            "0 replicas inside the window change nothing: write another number"
            if not self.desired_replicas
            else None
        )

    def metric_name(self) -> str:
        """See Metadata."""
        start, end = (text.translate(_PUNCTUATION) for text in (self.start, self.end))
        return f"cron-{self.timezone}-{start}-{end}"

    def zone(self) -> tzinfo:
        """The time zone, which KEDA too looks up only when the trigger is read."""
        try:
            return cron.zone(self.timezone)
        except ValueError as error:
            raise InvalidMetadata(
                f"metadata.timezone: {error}; write an IANA name such as Europe/Paris"
            ) from None


class Window:
    """The window of a trigger as seen from a moment on."""

    def __init__(self, metadata: CronMetadata, now: datetime) -> None:
        self._zone = metadata.zone()
        self._schedules = cron.parse(metadata.start), cron.parse(metadata.end)
        self._upcoming = [schedule.next(now, self._zone) for schedule in self._schedules]

    @property
    def open(self) -> bool:
        """KEDA's rule, also for what never fires: the next start comes no earlier than the next end."""
        start, end = self._upcoming
        return start is None or (end is not None and start >= end)

    def flip(self) -> datetime | None:
        """Go to the next moment at which it opens or closes; None: there is none soon."""
        before = self.open
        for _ in range(_LOOK_AHEAD):
            start, end = self._upcoming
            if start is None or end is None:
                return None
            moment = min(start, end)
            for place, schedule in enumerate(self._schedules):
                if self._upcoming[place] == moment:
                    self._upcoming[place] = schedule.next(moment, self._zone)
            if self.open != before:
                return moment
        return None


class Cron(Scaler[Windows, CronMetadata]):
    """See the module."""

    metadata = CronMetadata
    freshness = 0.0

    async def measure(self, client: Windows, metadata: CronMetadata) -> Reading:
        """See Scaler."""
        window = Window(metadata, client.now())
        active = window.open
        if (flip := window.flip()) is not None:
            client.expect(flip, metadata)
        return Reading(float(metadata.desired_replicas) if active else 0.0, active=active)

    def changes(self, client: Windows) -> AsyncIterator[Change]:
        """See Wakes."""
        return client.changes()

    def warnings(self, metadata: CronMetadata) -> Sequence[Problem]:
        """See Scaler: a time zone is looked up when the trigger is read."""
        try:
            metadata.zone()
        except InvalidMetadata:
            text = f"{metadata.timezone!r} is no known time zone"
            return (Problem("metadata.timezone", text, "write an IANA name such as Europe/Paris"),)
        return ()


def _wrong(expression: str) -> str | None:
    try:
        cron.parse(expression)
    except ValueError as error:
        return f"{expression!r} {error}"
    return None
