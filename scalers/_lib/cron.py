"""Cron schedules as robfig/cron v3 reads them, which is what KEDA's users write for.

Five fields: minute, hour, day of month, month, day of week. `*` and `?` are the same; `N/step` runs from N to
the end; names are English and case-insensitive; Sunday is 0 (7 is an error); there are no descriptors
(`@daily`); a prefix `TZ=zone ` or `CRON_TZ=zone ` overrides the zone that the schedule is asked in.

Day of month and day of week: both must match when one of them is an unstepped star, else either is enough.

Daylight saving is robfig's: a time inside the spring gap does not happen on that day, a time inside the
repeated autumn hour happens twice. Its search works on wall-clock fields and Go's calendar arithmetic; both
are followed step by step here, since the odd corners (a half-hour shift, a gap at midnight) are recorded
behaviour.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

__all__ = ["Schedule", "parse", "zone"]

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
# Name, first and last value, and names of values.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_YEARS = 5
"""How far the search goes before it gives up (31 February never comes)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression: the values of each field, and the zone of its prefix, if it has one."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool
    """Day of month and day of week must both match."""
    zone: tzinfo | None = None

    def next(self, after: datetime, local: tzinfo) -> datetime | None:
        """The first firing after `after`, to the second, in UTC; None: none in five years.

        `local` is the zone that the fields are read in. (UTC, because Python compares datetimes of one zone
        by their wall-clock fields, which lie in the repeated hour.)
        """
        search = _Search(after, self.zone or local)
        last_year = search.local.year + _YEARS
        while search.local.year <= last_year:
            if self._month(search) and self._day(search) and self._hour(search) and self._minute(search):
                return search.utc
        return None

    # Each step moves the search forward to a match of its field. It answers False when a larger field has
    # changed on the way, so that the whole search starts over; a step that matches already leaves the search
    # where it is.

    def _month(self, search: "_Search") -> bool:
        while search.local.month not in self.months:
            search.begin(day=1, hour=0)
            search.to_date(search.local.year, search.local.month + 1, search.local.day)
            if search.local.month == 1:
                return False
        return True

    def _day(self, search: "_Search") -> bool:
        while not self._matches_day(search.local):
            search.begin(hour=0)
            search.to_date(search.local.year, search.local.month, search.local.day + 1)
            hour = search.local.hour
            if hour:  # Midnight does not exist, or came an hour early.
                search.add(hours=24 - hour if hour > 12 else -hour)
            if search.local.day == 1:
                return False
        return True

    def _hour(self, search: "_Search") -> bool:
        while search.local.hour not in self.hours:
            search.begin()
            search.add(hours=1)
            if search.local.hour == 0:
                return False
        return True

    def _minute(self, search: "_Search") -> bool:
        while search.local.minute not in self.minutes:
            search.begin_minute()
            search.add(minutes=1)
            if search.local.minute == 0:
                return False
        if search.local.second:
            search.add(seconds=60 - search.local.second)
            search.begun = True
            return False
        return True

    def _matches_day(self, local: datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.both_days else (day or weekday)


class _Search:
    """A moment moving forward, seen as wall-clock fields in a zone.

    The first step that moves it drops what is below its own field (robfig does so once per search: afterwards
    the smaller fields are at their start anyway, or where a shift of the clock has put them).
    """

    def __init__(self, after: datetime, where: tzinfo) -> None:
        self._zone = where
        self.begun = False
        self._set(after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1))

    def _set(self, utc: datetime) -> None:
        self.utc = utc
        self.local = utc.astimezone(self._zone).replace(tzinfo=None)

    def add(self, **amount: int) -> None:
        self._set(self.utc + timedelta(**amount))

    def begin(self, *, day: int | None = None, hour: int | None = None) -> None:
        """Drop the smaller fields, once: the minutes and seconds, and the given ones."""
        if not self.begun:
            self.begun = True
            now = self.local
            self._at(
                now.replace(day=day or now.day, hour=now.hour if hour is None else hour, minute=0, second=0)
            )

    def begin_minute(self) -> None:
        """Drop the seconds, once."""
        if not self.begun:
            self.begun = True
            self._set(self.utc.replace(second=0))

    def to_date(self, year: int, month: int, day: int) -> None:
        """The same time of day on a date, where the day or the month may be one too many (Go's AddDate)."""
        first = datetime(year + month // 13, (month - 1) % 12 + 1, 1)  # noqa: DTZ001 - wall-clock fields
        time = self.local - datetime(self.local.year, self.local.month, self.local.day)  # noqa: DTZ001 - same
        self._at(first + timedelta(days=day - 1) + time)

    def _at(self, fields: datetime) -> None:
        """Wall-clock fields to a moment, guessed as by Go's time.Date where ambiguous or missing."""
        as_utc = fields.replace(tzinfo=UTC)
        guess = as_utc - self._offset(as_utc)
        self._set(as_utc - self._offset(guess) if guess != as_utc else as_utc)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name, as Go's time.LoadLocation. Raises ValueError for an unknown one."""
    if name in {"", "UTC", "Local"}:  # Local is the operator's own, which is UTC in a container.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Schedule:
    """Parse an expression. Raises ValueError with a sentence that completes "the schedule ..."."""
    where = None
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, _, text = text.partition(" ")
        where = zone(prefix.partition("=")[2])
    text = text.strip()
    if text.startswith("@"):
        raise ValueError("uses a descriptor such as @daily, which is not supported: write the five fields")
    written = text.split()
    if len(written) != len(_FIELDS):
        raise ValueError(f"has {len(written)} fields: write five, such as 0 8 * * 1-5")
    (minutes, _), (hours, _), (days, day_star), (months, _), (weekdays, weekday_star) = (
        _field(expression, *field) for expression, field in zip(written, _FIELDS, strict=True)
    )
    return Schedule(minutes, hours, days, months, weekdays, day_star or weekday_star, where)


def _field(
    expression: str, name: str, first: int, last: int, names: dict[str, int]
) -> tuple[frozenset[int], bool]:
    """The values of one field, and whether it has an unstepped star."""
    values: set[int] = set()
    star = False
    for part in filter(None, expression.split(",")):
        try:
            low, high, step, is_star = _range(part, first, last, names)
        except ValueError as error:
            raise ValueError(f"has a bad {name} {part!r}: {error}") from None
        values.update(range(low, high + 1, step))
        star = star or is_star
    return frozenset(values), star


def _range(part: str, first: int, last: int, names: dict[str, int]) -> tuple[int, int, int, bool]:
    """(low, high, step, unstepped star) of `*`, `N`, `N-M`, each perhaps with `/step`."""
    ends, *steps = part.split("/")
    low_text, *highs = ends.split("-")
    star = low_text in {"*", "?"}
    if len(steps) > 1 or (len(highs) > 1 and not star):  # What follows `*-` is not looked at.
        raise ValueError("too many hyphens or slashes")
    if star:
        low, high = first, last
    else:
        low = _value(low_text, names)
        high = _value(highs[0], names) if highs else low
    step = _number(steps[0]) if steps else 1
    if steps and not highs:
        high = last
    if low < first or high > last:
        raise ValueError(f"outside {first} to {last}")
    if low > high:
        raise ValueError("its start is beyond its end")
    if step == 0:
        raise ValueError("a step of 0 never moves")
    return low, high, step, star and step == 1


def _value(text: str, names: dict[str, int]) -> int:
    return names[text.lower()] if text.lower() in names else _number(text)


def _number(text: str) -> int:
    """Go's Atoi without negative numbers: digits, perhaps after a plus."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise ValueError("no number")
    return int(digits)
