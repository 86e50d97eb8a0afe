"""Cron schedules: robfig's dialect, and its search against one that looks at every minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalers._lib import cron


def moment(written):
    return datetime.fromisoformat(written).astimezone(UTC)


def following(expression, zone, after, count):
    """The next firings, as wall-clock texts with offsets in the zone."""
    schedule, where = cron.parse(expression), cron.zone(zone)
    found, at = [], moment(after)
    for _ in range(count):
        at = schedule.next(at, where)
        found.append(at.astimezone(where).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("* * * * * *", "has 6 fields"),
        ("@daily", "descriptor"),
        ("@every 1h", "descriptor"),
        ("TZ=UTC @daily", "descriptor"),
        ("60 * * * *", "bad minute '60': outside 0 to 59"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day of month"),
        ("* * 32 * *", "bad day of month"),
        ("* * * 0 *", "bad month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 7", "bad day of week"),
        ("* * * * L", "no number"),
        ("* * 8#2 * *", "no number"),
        ("30-10 * * * *", "beyond its end"),
        ("1-2-3 * * * *", "too many"),
        ("*/2/3 * * * *", "too many"),
        ("*/0 * * * *", "step of 0"),
        ("*/-1 * * * *", "too many|no number"),
        ("*/x * * * *", "no number"),
        ("-5 * * * *", "no number"),
        ("5- * * * *", "no number"),
        ("1.5 * * * *", "no number"),
        ("٣ * * * *", "no number"),
        ("9" * 5000 + " * * * *", "no number"),
        ("* * * Januar *", "no number"),
        ("TZ=Mars/Olympus 0 8 * * *", "unknown time zone Mars/Olympus"),
        ("CRON_TZ=UTC", "has 0 fields"),
    ],
)
def test_refused(expression, words):
    with pytest.raises(ValueError, match=words):
        cron.parse(expression)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("? ? ? ? ?", "* * * * *"),
        ("00 08 * * *", "0 8 * * *"),
        ("+5 8 * * *", "5 8 * * *"),
        ("5,,6 8 * * *", "5,6 8 * * *"),
        ("\t0  8 * * MON-fri ", "0 8 * * 1-5"),
        ("0 0 1 JAN,dec *", "0 0 1 1,12 *"),
        ("10/25 * * * *", "10,35 * * * *"),
        ("10-40/15 * * * *", "10,25,40 * * * *"),
        ("*/1 8 * * *", "* 8 * * *"),
        ("*-5-x 8 * * *", "* 8 * * *"),
    ],
)
def test_the_same_schedule(one, other):
    assert cron.parse(one) == cron.parse(other)


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("0 0 13 * 5", "2026-06-05"),  # Either is enough: a Friday, or a 13th.
        ("0 0 * * 5", "2026-06-05"),
        ("0 0 13 * *", "2026-06-13"),
        ("0 0 13 * ?", "2026-06-13"),
        ("0 0 */1 * 5", "2026-06-05"),  # A step of 1 is still a star.
        ("0 0 */2 * 5", "2026-06-03"),  # A stepped one is not: odd days, or Fridays.
        ("0 0 1-31 * 5", "2026-06-02"),  # Nor is a full range.
    ],
)
def test_day_of_month_and_day_of_week(expression, first):
    assert following(expression, "UTC", "2026-06-01T00:00Z", 1) == [f"{first}T00:00+00:00"]


def test_a_time_in_the_spring_gap_does_not_happen_that_day():
    assert following("30 2 * * *", "Europe/Paris", "2026-03-28T00:00Z", 2) == [
        "2026-03-28T02:30+01:00",
        "2026-03-30T02:30+02:00",
    ]


def test_a_time_in_the_repeated_hour_happens_twice():
    assert following("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", 3) == [
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:30+01:00",
        "2026-10-26T02:30+01:00",
    ]


def test_the_end_of_the_repeated_hour_lies_after_its_beginning():
    """Python would compare the wall-clock fields of two datetimes of one zone; hence UTC."""
    after, zone = moment("2026-10-25T00:40Z"), cron.zone("Europe/Paris")
    start, end = (cron.parse(text).next(after, zone) for text in ("50 2 * * *", "10 2 * * *"))
    assert start < end
    assert start.tzinfo is UTC


def test_the_prefix_overrides_the_zone():
    assert following("TZ=Asia/Tokyo 0 9 * * *", "UTC", "2026-06-01T00:00Z", 1) == ["2026-06-02T00:00+00:00"]
    assert following("CRON_TZ=Local  0 9 * * *", "UTC", "2026-06-01T00:00Z", 1) == ["2026-06-01T09:00+00:00"]


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 30 2 *", ", * * * *"])
def test_what_never_comes(expression):
    assert cron.parse(expression).next(moment("2026-06-01T00:00Z"), UTC) is None


def test_a_leap_day_may_be_further_away_than_the_search_goes():
    assert following("0 0 29 2 *", "UTC", "2026-06-01T00:00Z", 1) == ["2028-02-29T00:00+00:00"]
    assert cron.parse("0 0 29 2 *").next(moment("2096-03-01T00:00Z"), UTC) is None  # 2100 is no leap year.


@pytest.mark.parametrize("name", ["Europe/Paris", "Etc/GMT+3", "UTC", "Local", ""])
def test_zones(name):
    assert cron.zone(name).utcoffset(datetime(2026, 1, 1)) is not None  # noqa: DTZ001 - a wall-clock time


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "x" * 5000, " "]
)
def test_unknown_zones(name):
    with pytest.raises(ValueError, match="unknown time zone"):
        cron.zone(name)


def field(first, last):
    number = st.integers(first, last)
    step = st.integers(1, 40)
    part = st.one_of(
        st.sampled_from(["*", "?"]),
        number.map(str),
        st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        step.map(lambda n: f"*/{n}"),
        st.tuples(number, step).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).map(" ".join)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given the zone


@settings(max_examples=200)
@given(EXPRESSIONS, MOMENTS)
def test_without_daylight_saving_it_is_the_first_matching_minute(expression, after):
    schedule = cron.parse(expression)
    found = schedule.next(after, UTC)
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(3 * 24 * 60):
        day, weekday = minute.day in schedule.days, minute.isoweekday() % 7 in schedule.weekdays
        days = (day and weekday) if schedule.both_days else (day or weekday)
        fields = (
            minute.minute in schedule.minutes
            and minute.hour in schedule.hours
            and minute.month in schedule.months
        )
        if days and fields:
            assert found == minute
            return
        minute += timedelta(minutes=1)
    assert found is None or found >= minute


@settings(max_examples=200)
@given(
    EXPRESSIONS,
    MOMENTS,
    st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"]),
)
def test_everywhere_a_firing_matches_the_wall_clock_and_time_moves_on(expression, after, name):
    schedule, zone = cron.parse(expression), cron.zone(name)
    found = schedule.next(after, zone)
    if found is not None:
        local = found.astimezone(zone)
        assert found > after
        assert local.second == 0
        assert (local.minute in schedule.minutes, local.hour in schedule.hours) == (True, True)
        assert local.month in schedule.months
        assert local.day in schedule.days or local.isoweekday() % 7 in schedule.weekdays


@given(st.text(max_size=40))
def test_no_text_does_more_than_be_refused(written):
    try:
        schedule = cron.parse(written)
    except ValueError:
        return
    assert schedule.minutes <= set(range(60))
