"""The HPA controller's arithmetic beyond what the recorded cases show: several syncs, windows, rates, failures.

The recorded cases (tests/conformance/test_hpa.py) each show one sync; here syncs follow one another.
"""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scaler.core import desired, proposal, rates

NOW = 1000.0
EVERY_MINUTE = {
    "policies": [{"type": "Pods", "value": 3, "periodSeconds": 60}],
    "stabilizationWindowSeconds": 0,
}
AT_ONCE = {"stabilizationWindowSeconds": 0}


def external(name="m0", target="10", kind="AverageValue"):
    key = kind[0].lower() + kind[1:]
    return {"type": "External", "external": {"metric": {"name": name}, "target": {"type": kind, key: target}}}


def spec(*metrics, minimum=1, maximum=100, behavior=None):
    made = {"minReplicas": minimum, "maxReplicas": maximum, "metrics": list(metrics) or [external()]}
    return made if behavior is None else {**made, "behavior": behavior}


def read(*values):
    return desired.Answer(values=tuple(values))


class Hpa:
    """An HPA and its scale target, synced as often as the test says."""

    def __init__(self, hpa_spec, replicas, ready=None):
        self.spec, self.replicas, self.ready = hpa_spec, replicas, ready
        self.state, self.now = desired.State(), NOW

    def sync(self, *answers, after=0.0):
        self.now += after
        ready = self.replicas if self.ready is None else self.ready
        scale = desired.Scale(replicas=self.replicas, observed=self.replicas, ready=ready)
        result = desired.evaluate(self.spec, scale=scale, answers=answers, state=self.state, now=self.now)
        self.state = result.state
        if result.write is not None:
            self.replicas = result.write
        return result


def reasons(result):
    return {condition.type: condition.reason for condition in result.conditions}


# Windows.


def test_downwards_the_highest_recommendation_of_the_window_counts():
    hpa = Hpa(spec(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}}), 10)
    assert reasons(hpa.sync(read("100")))["AbleToScale"] == "ReadyForNewScale"
    assert reasons(hpa.sync(read("40"), after=30))["AbleToScale"] == "ScaleDownStabilized"
    assert hpa.replicas == 10
    hpa.sync(read("20"), after=31)  # The 10 is 61 s old: of 4 and 2 the 4 counts.
    assert hpa.replicas == 4
    hpa.sync(read("20"), after=30)  # The 4 was asked for 61 s ago.
    assert hpa.replicas == 2


def test_upwards_the_lowest_recommendation_of_the_window_counts():
    hpa = Hpa(spec(behavior={"scaleUp": {"stabilizationWindowSeconds": 60}}), 2)
    assert reasons(hpa.sync(read("60")))["AbleToScale"] == "ScaleUpStabilized"
    hpa.sync(read("50"), after=59)
    assert hpa.replicas == 2
    hpa.sync(read("60"), after=2)  # Of 6, 5 and 6 the 5 counts.
    assert hpa.replicas == 5


def test_without_behavior_downwards_300_s_and_upwards_at_once():
    hpa = Hpa(spec(), 5)
    assert hpa.sync(read("100")).write == 10
    hpa.sync(read("10"), after=299)
    assert hpa.replicas == 10
    hpa.sync(read("10"), after=2)
    assert hpa.replicas == 1


def test_without_behavior_a_recommendation_of_exactly_300_s_ago_still_counts():
    hpa = Hpa(spec(), 10)
    hpa.sync(read("100"))
    assert reasons(hpa.sync(read("10"), after=300))["AbleToScale"] == "ScaleDownStabilized"
    assert hpa.replicas == 10


def test_a_window_upwards_is_remembered_also_where_none_looks_down():
    hpa = Hpa(spec(behavior={"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": AT_ONCE}), 2)
    for value, after in (("20", 0), ("60", 30), ("60", 20)):
        hpa.sync(read(value), after=after)
    assert hpa.replicas == 2


@pytest.mark.parametrize(("replicas", "highest"), [(1, 4), (2, 4), (3, 6), (10, 20)])
def test_without_behavior_at_most_twice_or_4_in_one_sync(replicas, highest):
    hpa = Hpa(spec(), replicas)
    assert reasons(hpa.sync(read("5k")))["ScalingLimited"] == "ScaleUpLimit"
    assert hpa.replicas == highest


# Rates.


def test_a_rate_looks_back_at_what_was_already_added():
    hpa = Hpa(spec(behavior={"scaleUp": EVERY_MINUTE}), 2)
    hpa.sync(read("1k"))
    assert hpa.replicas == 5
    held = hpa.sync(read("1k"), after=59)
    assert (held.write, reasons(held)["ScalingLimited"]) == (None, "ScaleUpLimit")
    hpa.sync(read("1k"), after=1)
    assert hpa.replicas == 8


def test_a_rate_looks_back_at_what_was_already_taken_away():
    hpa = Hpa(spec(behavior={"scaleDown": EVERY_MINUTE}), 10)
    hpa.sync(read("0"))
    assert hpa.replicas == 7
    assert reasons(hpa.sync(read("0"), after=59))["ScalingLimited"] == "ScaleDownLimit"
    hpa.sync(read("0"), after=1)
    assert hpa.replicas == 4


def test_what_was_taken_away_may_be_added_again_on_top_of_a_rate():
    hpa = Hpa(spec(behavior={"scaleUp": EVERY_MINUTE, "scaleDown": AT_ONCE}), 10)
    hpa.sync(read("50"))
    assert hpa.replicas == 5
    hpa.sync(read("1k"), after=15)  # The period began with 10: 13 are allowed.
    assert hpa.replicas == 13


def test_a_rate_remembers_for_its_own_period_not_for_that_of_the_other_direction():
    slow = [
        {"type": "Pods", "value": 3, "periodSeconds": 60},
        {"type": "Pods", "value": 2, "periodSeconds": 15},
    ]
    hpa = Hpa(spec(behavior={"scaleUp": {"policies": slow, "selectPolicy": "Min"}}), 1)
    assert [hpa.sync(read("1k"), after=20).write for _ in range(3)] == [3, 4, None]
    assert hpa.sync(read("1k"), after=25).write == 6  # The first two are 65 s old.


def test_of_two_rates_downwards_min_takes_the_smaller_change():
    both = [
        {"type": "Pods", "value": 1, "periodSeconds": 60},
        {"type": "Percent", "value": 50, "periodSeconds": 60},
    ]
    down = {"policies": both, "selectPolicy": "Min", "stabilizationWindowSeconds": 0}
    assert Hpa(spec(behavior={"scaleDown": down}), 8).sync(read("0")).write == 7
    assert Hpa(spec(behavior={"scaleDown": {**down, "selectPolicy": "Max"}}), 8).sync(read("0")).write == 4


def test_a_limit_equal_to_a_bound_is_the_bounds():
    rates_of_3 = {"scaleUp": EVERY_MINUTE, "scaleDown": EVERY_MINUTE}
    top = Hpa(spec(maximum=8, behavior=rates_of_3), 5).sync(read("1k"))
    bottom = Hpa(spec(minimum=2, behavior=rates_of_3), 5).sync(read("0"))
    assert (top.write, reasons(top)["ScalingLimited"]) == (8, "TooManyReplicas")
    assert (bottom.write, reasons(bottom)["ScalingLimited"]) == (2, "TooFewReplicas")


def test_a_period_that_began_high_never_forces_a_scale_out():
    hpa = Hpa(spec(maximum=4, behavior={"scaleDown": EVERY_MINUTE}), 10)
    assert hpa.sync().write == 4  # More than the rate, since 10 were above the maximum.
    assert hpa.sync(read("0"), after=10).write is None


def test_a_period_that_began_low_never_forces_a_scale_in():
    hpa = Hpa(spec(behavior={"scaleUp": EVERY_MINUTE}), 2)
    hpa.sync(read("1k"))
    hpa.replicas = 9  # By hand.
    assert hpa.sync(read("1k"), after=10).write is None


def test_floats_are_rounded_like_the_controllers():
    """10 x (1 - 0.8) is a little less than 2 in floating point, so one step of 80 % from 10 leads to 1."""
    assert rates.least(rates.Rules(rates=(rates.Rate("Percent", 80, 60.0),)), 10, (), NOW) == 1
    assert rates.most(rates.Rules(rates=(rates.Rate("Percent", 120, 60.0),)), 25, (), NOW) == 56


def test_a_rate_saturates_at_32_bits():
    rule = rates.Rules(rates=(rates.Rate("Percent", 900, 60.0),))
    assert rates.most(rule, 2**31 - 2, (), NOW) == 2**31 - 1


# Metrics.


def test_tolerances_differ_by_direction():
    behavior = {"scaleUp": {"tolerance": "0.05"}, "scaleDown": {**AT_ONCE, "tolerance": "0.3"}}
    assert Hpa(spec(behavior=behavior), 10).sync(read("106")).write == 11
    assert Hpa(spec(behavior=behavior), 10).sync(read("105")).write is None
    assert Hpa(spec(behavior=behavior), 10).sync(read("70")).write is None
    assert Hpa(spec(behavior=behavior), 10).sync(read("69")).write == 7


def test_several_values_of_one_metric_add_up():
    assert Hpa(spec(), 2).sync(read("15", "16")).write == 4
    assert Hpa(spec(external(kind="Value")), 2).sync(read("8", "12")).write == 4


def test_a_value_metric_needs_pods_to_multiply_unless_it_is_within_the_tolerance():
    scale = desired.Scale(replicas=2, observed=2, ready=None)
    nothing = {"scale": scale, "state": desired.State(), "now": NOW}
    value = spec(external(kind="Value"))
    assert (
        reasons(desired.evaluate(value, answers=[read("20")], **nothing))["ScalingActive"]
        == "FailedGetExternalMetric"
    )
    within = desired.evaluate(value, answers=[read("11")], **nothing)
    assert (reasons(within)["ScalingActive"], within.write) == ("ValidMetricFound", None)


def test_within_the_tolerance_a_value_metric_counts_no_pods():
    assert (
        Hpa(spec(external(kind="Value"), behavior={"scaleDown": AT_ONCE}), 4, ready=2).sync(read("10")).write
        is None
    )


def test_a_failed_metric_beside_one_that_asks_for_the_present_count_is_no_failure():
    result = Hpa(spec(external("m0"), external("m1")), 4).sync(desired.Answer(error="503"), read("40"))
    assert reasons(result)["ScalingActive"] == "ValidMetricFound"
    assert [e.reason for e in result.events] == ["FailedGetExternalMetric"]


def test_a_negative_value_metric_asks_for_the_minimum():
    hpa = Hpa(spec(external(kind="Value"), minimum=2, behavior={"scaleDown": AT_ONCE}), 5)
    assert reasons(hpa.sync(read("-20")))["ScalingLimited"] == "TooFewReplicas"
    assert hpa.replicas == 2


def test_counts_saturate_at_32_bits():
    hpa = Hpa(
        spec(
            external(target="1m"),
            maximum=2**31 - 1,
            behavior={"scaleUp": {"policies": [{"type": "Percent", "value": 10**9, "periodSeconds": 1}]}},
        ),
        400,
    )
    assert hpa.sync(read("9e15")).write == 2**31 - 1
    assert proposal.replicas_for(-(10**18), 1) == -(2**31)


def test_a_suffixed_quantity_out_of_range_saturates():
    result = Hpa(spec(), 2).sync(read("10E"))
    assert result.current_metrics[0]["external"]["current"] == {"averageValue": "9223372036854775807m"}


def test_no_observed_replica_yet_gives_no_average_but_a_count():
    scale = desired.Scale(replicas=1, observed=0, ready=0)
    result = desired.evaluate(spec(), scale=scale, answers=[read("35")], state=desired.State(), now=NOW)
    assert result.write == 4
    assert result.current_metrics[0]["external"]["current"] == {"averageValue": "0"}


@pytest.mark.parametrize(
    "answer", [desired.Answer(), desired.Answer(error="503"), read(), read("no number"), read("1", "x")]
)
def test_whatever_gives_no_number_fails_the_metric_and_never_scales_in(answer):
    hpa = Hpa(spec(external("m0"), external("m1"), behavior={"scaleDown": AT_ONCE}), 5)
    result = hpa.sync(answer, read("20"))
    assert (result.write, result.desired) == (None, None)
    assert reasons(result) == {"AbleToScale": "SucceededGetScale", "ScalingActive": "FailedGetExternalMetric"}
    assert [e.reason for e in result.events] == ["FailedGetExternalMetric", "FailedComputeMetricsReplicas"]
    assert [current["type"] for current in result.current_metrics] == ["", "External"]
    assert hpa.sync(answer, read("80")).write == 8


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"type": "Resource", "resource": {"name": "cpu"}}, "FailedGetResourceMetric"),
        ({"type": "ContainerResource"}, "FailedGetContainerResourceMetric"),
        ({"type": "Pods"}, "FailedGetPodsMetric"),
        ({"type": "Object"}, "FailedGetObjectMetric"),
        ({"type": "Other"}, "InvalidMetricSourceType"),
        (
            {"type": "External", "external": {"metric": {"name": "m"}, "target": {}}},
            "FailedGetExternalMetric",
        ),
    ],
)
def test_a_metric_that_cannot_be_served_has_the_controllers_reason(metric, reason):
    result = Hpa(spec(metric), 3).sync(read("5"))
    assert reasons(result)["ScalingActive"] == reason


def test_an_hpa_without_metrics_computes_nothing():
    made = {**spec(), "metrics": []}
    assert reasons(Hpa(made, 3).sync())["ScalingActive"] == "InvalidMetricSourceType"


def test_the_highest_proposal_wins_and_is_named():
    result = Hpa(spec(external("m0"), external("m1"), external("m2")), 2).sync(
        read("20"), read("40"), read("30")
    )
    assert result.write == 4
    assert [e.message for e in result.events] == ["New size: 4; reason: external metric m1 above target"]


# Without metrics.


def test_metrics_are_needed_only_between_the_bounds():
    bounds = spec(minimum=2, maximum=4)
    assert [desired.needs_metrics(bounds, replicas) for replicas in (0, 1, 2, 4, 5)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert Hpa(bounds, 1).sync().write == 2
    assert Hpa(bounds, 5).sync().write == 4
    assert Hpa(bounds, 0).sync().write is None


def test_at_0_replicas_a_minimum_of_0_scales_out_again():
    assert Hpa(spec(minimum=0), 0).sync(read("35")).write == 4
    assert Hpa(spec(external(kind="Value"), minimum=0), 0).sync(read("35")).write == 4


def test_a_write_that_failed_leaves_no_trace_but_a_condition_and_an_event():
    hpa = Hpa(spec(behavior={"scaleUp": EVERY_MINUTE}), 2)
    before = desired.State()
    scale = desired.Scale(replicas=2, observed=2, ready=2)
    result = desired.evaluate(hpa.spec, scale=scale, answers=[read("1k")], state=before, now=NOW)
    failed = desired.unwritten(result, "409 Conflict")
    assert result.write == 5
    assert (failed.write, failed.desired) == (None, None)
    assert reasons(failed)["AbleToScale"] == "FailedUpdateScale"
    assert [(e.type, e.reason) for e in failed.events] == [("Warning", "FailedRescale")]
    assert failed.state.changes == ()
    assert failed.state.recommendations == result.state.recommendations


# Properties.


@given(
    replicas=st.integers(1, 60),
    usage=st.integers(0, 10**7),
    target=st.integers(1, 10**6),
    bounds=st.tuples(st.integers(1, 30), st.integers(0, 40)),
    with_behavior=st.booleans(),
)
def test_a_write_is_within_the_bounds_moves_towards_the_need_and_only_outside_the_tolerance(
    replicas, usage, target, bounds, with_behavior
):
    minimum, maximum = bounds[0], bounds[0] + bounds[1]
    assume(minimum <= replicas <= maximum)
    behavior = {"scaleDown": AT_ONCE} if with_behavior else None
    made = spec(external(target=f"{target}m"), minimum=minimum, maximum=maximum, behavior=behavior)
    result = Hpa(made, replicas).sync(read(f"{usage}m"))
    need = math.ceil(Fraction(usage, target))
    ratio = Fraction(usage, target * replicas)
    assume(abs(abs(ratio - 1) - Fraction(1, 10)) > Fraction(1, 10**9))  # Floats decide the border itself.
    if abs(ratio - 1) < Fraction(1, 10):
        assert result.write is None
    elif result.write is not None:
        assert minimum <= result.write <= maximum
        assert min(replicas, need) <= result.write <= max(replicas, need, minimum)
        assert (result.write > replicas) == (need > replicas)
    else:
        held = not with_behavior and need < replicas  # By the 300 s window.
        assert held or min(max(need, minimum), maximum) == replicas


@given(readings=st.lists(st.tuples(st.integers(0, 400), st.sampled_from([1.0, 15.0, 100.0])), max_size=30))
def test_what_is_remembered_is_bounded_by_the_windows(readings):
    hpa = Hpa(spec(behavior={"scaleUp": EVERY_MINUTE, "scaleDown": {"stabilizationWindowSeconds": 120}}), 3)
    for value, after in readings:
        hpa.sync(read(str(value)), after=after)
    assert all(r.at >= hpa.now - 120 for r in hpa.state.recommendations or ())
    assert all(c.at > hpa.now - 60 - sum(after for _, after in readings) for c in hpa.state.changes)


def test_scale_up_rules_of_a_scaledobject():
    assert desired.scale_up(None) is None
    assert desired.scale_up({"scaleDown": AT_ONCE}) is None
    assert desired.scale_up({"scaleUp": {}}) == rates.UP
    assert desired.scale_up(
        {"scaleUp": {"selectPolicy": "Min", "policies": None, "tolerance": "50m"}}
    ) == rates.Rules(select="Min", rates=rates.UP.rates, tolerance=0.05)
