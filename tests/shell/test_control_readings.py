"""What is kept of each trigger's reads: how failures are counted, and what an incomplete answer is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scaler.control.readings import Readings
from scaler.control.results import Result
from scaler.control.triggers import Built
from scalers.sdk import InvalidMetadata, MetricSpec, Reading, Unavailable

NOW = datetime(2026, 6, 10, 9, tzinfo=UTC)
TWO = Built(
    index=0, type="external", metric_type="AverageValue", specs=(MetricSpec("a", 5), MetricSpec("b", 5))
)


def answer(*readings, cause="poll", error=None, after=0):
    return Result(
        readings=tuple(Reading(value, metric=name) for name, value in readings),
        error=error,
        at=float(after),
        moment=NOW + timedelta(seconds=after),
        cause=cause,
    )


@pytest.fixture
def readings():
    made = Readings()
    made.take((TWO,), NOW)
    return made


def test_only_polls_are_counted_and_a_success_ends_the_count(readings):
    down = Unavailable("refused")
    for after, cause in enumerate(("poll", "refresh", "retry", "poll")):
        readings.result(0, answer(error=down, cause=cause, after=after))
    first, second = readings.outcomes()
    assert (first.failures, first.since) == (second.failures, second.since) == (2, NOW)
    readings.result(0, answer(("a", 1.0), ("b", 2.0), after=9))
    assert [(o.value, o.failures, o.since) for o in readings.outcomes()] == [(1.0, 0, None), (2.0, 0, None)]


def test_a_metric_that_an_answer_leaves_out_fails_alone_and_is_counted(readings):
    readings.result(0, answer(("a", 1.0), ("b", 2.0)))
    for after in (1, 2, 3):
        readings.result(0, answer(("a", 4.0), after=after))
    first, second = readings.outcomes()
    assert (first.value, first.failures) == (4.0, 0)
    assert (second.reason, second.failures, second.last) == ("NoData", 3, 2.0)
    assert second.since == NOW + timedelta(seconds=1)


def test_the_status_remembers_the_count_over_a_restart():
    made = Readings.remembering({"s0-a": {"numberOfFailures": 4, "status": "Failing"}, "odd": 7})
    made.take((TWO,), NOW)
    made.result(0, answer(error=Unavailable("refused")))
    assert made.outcomes()[0].failures == 5
    failing = {"numberOfFailures": 3, "status": "Failing"}
    assert made.health(2) == {"s0-a": failing, "s0-b": failing}


def test_a_trigger_that_can_no_longer_be_built_fails_from_now_on_and_keeps_its_last_value(readings):
    readings.result(0, answer(("a", 1.0), ("b", 2.0)))
    readings.take((replace(TWO, error=InvalidMetadata("the Secret is gone")),), NOW + timedelta(seconds=7))
    readings.tick()
    readings.tick()
    first = readings.outcomes()[0]
    assert (first.value, first.reason, first.failures, first.last) == (None, "InvalidMetadata", 2, 1.0)
    assert first.since == NOW + timedelta(seconds=7)


def test_what_the_status_remembered_counts_once():
    made = Readings.remembering({"s0-a": {"numberOfFailures": 4, "status": "Failing"}})
    made.take((TWO,), NOW)
    made.result(0, answer(("a", 1.0), ("b", 2.0)))
    made.take((), NOW)  # A pause, and its end.
    made.take((TWO,), NOW)
    made.result(0, answer(error=Unavailable("refused")))
    assert made.outcomes()[0].failures == 1


def test_another_trigger_in_a_failing_ones_place_begins_anew(readings):
    gone = replace(TWO, error=InvalidMetadata("no such field"), specs=(MetricSpec("invalid", 1),))
    readings.take((gone,), NOW)
    readings.tick()
    readings.tick()
    readings.take((TWO,), NOW + timedelta(seconds=60))
    readings.result(0, answer(error=Unavailable("refused"), after=61))
    first = readings.outcomes()[0]
    assert (first.failures, first.since) == (1, NOW + timedelta(seconds=61))
