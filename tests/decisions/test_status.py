"""Conditions and status: KEDA's words for what a reconcile or an evaluation found, in patches no larger than needed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import status
from scaler.core.conditions import ORDER, Condition
from scaler.core.decision import Clamp, Decision, Outcome, Reason
from scaler.core.outcome import By
from scaler.core.steps import Step

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = Outcome(index=0, metric="s0-redis-jobs", target=5000, value=3.0, active=True)
IDLE = Outcome(index=0, metric="s0-redis-jobs", target=5000, value=0.0, active=False)
BROKEN = Outcome(
    index=1,
    metric="s1-redis-mail",
    target=5000,
    reason="Unavailable",
    message="redis.test:6379: connection refused\ntwice",
)


def decision(reason, active):
    return Decision(
        replicas=None,
        reason=reason,
        active=active,
        last_active=None,
        cooldown_until=None,
        message="",
        triggers=(),
    )


def short(conditions):
    return {kind: (c.status, c.reason) for kind, c in conditions.items()}


def after(reason, active, outcomes, hpa=None, now=None):
    return status.tick(decision(reason, active), outcomes, hpa, status.initial() if now is None else now)


def test_initial():
    assert short(status.initial()) == {
        "Ready": ("Unknown", ""),
        "Active": ("Unknown", ""),
        "Fallback": ("Unknown", ""),
        "Paused": ("False", ""),
    }


# The ways an evaluation can end (facts 1.5, 3.4)

TICKS = [
    (Reason.ACTIVATED, True, [GOOD], None, ("True", "ScaledObjectReady"), ("True", "ScalerActive")),
    (Reason.HPA_IN_CHARGE, True, [GOOD], None, ("True", "ScaledObjectReady"), ("True", "ScalerActive")),
    (Reason.AT_REST, False, [IDLE], None, ("True", "ScaledObjectReady"), ("False", "ScalerNotActive")),
    (
        Reason.RAISED_TO_MINIMUM,
        False,
        [IDLE],
        None,
        ("True", "ScaledObjectReady"),
        ("False", "ScalerNotActive"),
    ),
    (Reason.COOLING_DOWN, False, [IDLE], None, ("True", "ScaledObjectReady"), ("False", "ScalerCooldown")),
    (Reason.DEACTIVATED, False, [IDLE], None, ("True", "ScaledObjectReady"), ("False", "ScalerNotActive")),
    (Reason.SCALING_IN, False, [IDLE], None, ("True", "ScaledObjectReady"), ("False", "ScalerCooldown")),
    (Reason.BRAKED, False, [IDLE], None, ("True", "ScaledObjectReady"), ("False", "ScalerCooldown")),
    (
        Reason.SCALE_IN_PAUSED,
        False,
        [IDLE],
        None,
        ("True", "ScaledObjectReady"),
        ("False", "ScalerNotActive"),
    ),
    (Reason.SCALE_OUT_PAUSED, True, [GOOD], None, ("True", "ScaledObjectReady"), ("True", "ScalerActive")),
    (Reason.AWAITS_BUDGET, True, [GOOD], None, ("True", "ScaledObjectReady"), ("True", "ScalerActive")),
    (
        Reason.HPA_IN_CHARGE,
        True,
        [GOOD, BROKEN],
        None,
        ("Unknown", "PartialTriggerError"),
        ("True", "ScalerActive"),
    ),
    (
        Reason.ACTIVATED,
        True,
        [GOOD, BROKEN],
        None,
        ("Unknown", "PartialTriggerError"),
        ("True", "ScalerActive"),
    ),
    (
        Reason.TRIGGERS_FAILED,
        None,
        [IDLE, BROKEN],
        None,
        ("False", "TriggerError"),
        ("False", "ScalerNotActive"),
    ),
    (Reason.TRIGGERS_FAILED, None, [BROKEN], None, ("False", "TriggerError"), ("False", "ScalerNotActive")),
    (Reason.HPA_IN_CHARGE, True, [GOOD], "Bad", ("False", "HPAMetricsUnavailable"), ("True", "ScalerActive")),
    (
        Reason.TRIGGERS_FAILED,
        None,
        [BROKEN],
        "Bad",
        ("False", "ScalingDegraded"),
        ("False", "ScalerNotActive"),
    ),
    (
        Reason.HPA_IN_CHARGE,
        True,
        [GOOD, BROKEN],
        "Bad",
        ("False", "ScalingDegraded"),
        ("True", "ScalerActive"),
    ),
]


@pytest.mark.parametrize(("reason", "active", "outcomes", "hpa", "ready", "activity"), TICKS)
def test_tick(reason, active, outcomes, hpa, ready, activity):
    found = after(reason, active, outcomes, hpa)
    assert short(found) == {
        "Ready": ready,
        "Active": activity,
        "Fallback": ("False", "NoFallbackFound"),
        "Paused": ("False", ""),
    }
    assert found["Active"].message.startswith(f"{reason}: ")


def test_every_reason_has_a_condition():
    """A pause has none: it leaves what was."""
    assert {reason for reason, *_ in TICKS} | {Reason.PAUSED} == set(Reason)


def test_a_paused_tick_changes_nothing():
    for before in (status.initial(), after(Reason.HPA_IN_CHARGE, True, [GOOD, BROKEN])):
        assert after(Reason.PAUSED, None, [BROKEN], "Bad", now=before) == before


def test_messages():
    partial = after(Reason.HPA_IN_CHARGE, True, [GOOD, BROKEN])["Ready"].message
    assert partial == (
        "HPAInCharge: Some triggers defined in ScaledObject are not working correctly: "
        "s1-redis-mail: Unavailable: redis.test:6379: connection refused twice"
    )
    failed = after(Reason.TRIGGERS_FAILED, None, [BROKEN, BROKEN])["Ready"].message
    assert failed == (
        "TriggersFailed: Triggers defined in ScaledObject are not working correctly: "
        "s1-redis-mail: Unavailable: redis.test:6379: connection refused twice"
    )
    cooling = after(Reason.COOLING_DOWN, False, [IDLE])["Active"].message
    assert cooling == "CoolingDown: Scaler cooling down because triggers are not active"
    unavailable = after(Reason.AT_REST, False, [IDLE], "FailedGetExternalMetric")["Ready"].message
    assert (
        unavailable == "ScaledObject is configured correctly but HPA is not healthy: FailedGetExternalMetric"
    )
    degraded = after(Reason.TRIGGERS_FAILED, None, [BROKEN], "FailedGetExternalMetric")["Ready"].message
    assert degraded.startswith(
        "Not ready because HPA is not healthy: FailedGetExternalMetric and SO is not healthy: TriggerError - TriggersFailed: "
    )


def test_a_long_message_is_cut():
    endless = Outcome(index=0, metric="m", target=1, reason="Unavailable", message="x" * 10_000)
    assert len(after(Reason.TRIGGERS_FAILED, None, [endless])["Ready"].message) == 2000


def test_a_cpu_trigger_without_a_number_is_no_failure():
    cpu = Outcome(index=1, metric="cpu", target=0, metric_type="Resource")
    assert after(Reason.AT_REST, False, [IDLE, cpu])["Ready"].status == "True"


@pytest.mark.parametrize(
    ("edge", "steady", "active"),
    [
        (Reason.ACTIVATED, Reason.HPA_IN_CHARGE, True),
        (Reason.DEACTIVATED, Reason.AT_REST, False),
        (Reason.RAISED_TO_MINIMUM, Reason.AT_REST, False),
    ],
)
def test_entering_a_state_is_written_once(edge, steady, active):
    """The message keeps saying how the state was entered, so that the evaluation after it writes nothing."""
    outcomes = [GOOD if active else IDLE]
    entered = after(edge, active, outcomes)
    assert after(steady, active, outcomes, now=entered) == entered
    fresh = after(steady, active, outcomes)["Active"].message
    assert fresh.startswith(f"{steady}: ")


def test_a_failure_between_changes_the_message():
    entered = after(Reason.DEACTIVATED, False, [IDLE])
    failed = after(Reason.TRIGGERS_FAILED, None, [BROKEN], now=entered)
    assert failed["Active"].message.startswith("TriggersFailed: ")
    assert after(Reason.AT_REST, False, [IDLE], now=failed)["Active"].message.startswith("AtRest: ")


def test_while_a_source_is_down_attempts_and_skipped_polls_read_the_same():
    skipped = replace(BROKEN, message=f"not tried: {BROKEN.message}")
    for reason, active in ((Reason.TRIGGERS_FAILED, None), (Reason.HPA_IN_CHARGE, True)):
        tried = after(reason, active, [GOOD, BROKEN])
        assert after(reason, active, [GOOD, skipped], now=tried) == tried
    refused = status.check_failed({}, Step.HPA, "spec.triggers[0] (redis): refused")
    assert status.check_failed({}, Step.HPA, "spec.triggers[0] (redis): not tried: refused") == refused


# Reconciles


def test_reconciled():
    found = status.reconciled({}, fallback=False)
    assert short(found) == {
        "Ready": ("True", "ScaledObjectReady"),
        "Active": ("Unknown", ""),
        "Fallback": ("False", "NoFallbackFound"),
        "Paused": ("False", ""),
    }


def test_a_reconcile_leaves_what_the_last_evaluation_said():
    ticked = after(Reason.TRIGGERS_FAILED, None, [BROKEN])
    assert status.reconciled(ticked, fallback=False) == ticked
    healthy = after(Reason.HPA_IN_CHARGE, True, [GOOD])
    assert status.reconciled(healthy, fallback=False) == healthy


def test_check_failed_and_mended():
    failed = status.check_failed(
        after(Reason.HPA_IN_CHARGE, True, [GOOD]), Step.TRIGGERS, "spec.triggers[0].name: taken"
    )
    assert short(failed) == {
        "Ready": ("False", "ScaledObjectCheckFailed"),
        "Active": ("Unknown", "UnknownState"),
        "Fallback": ("False", "NoFallbackFound"),
        "Paused": ("False", ""),
    }
    assert failed["Ready"].message == (
        "ScaledObject doesn't have correct triggers specification: spec.triggers[0].name: taken"
    )
    assert failed["Active"].message == "ScaledObject check failed"
    assert status.reconciled(failed, fallback=False)["Ready"].status == "True"


def test_a_fallback_is_an_evaluations_to_tell():
    """Where the object has one, neither a reconcile nor a failed check says whether it is in effect."""
    fallen = status.tick(decision(Reason.HPA_IN_CHARGE, True), [GOOD], None, status.initial(), fallback=True)
    assert short(fallen)["Fallback"] == ("True", "FallbackExists")
    assert status.reconciled(fallen, fallback=True) == fallen
    assert status.check_failed(fallen, Step.HPA, "refused", fallback=True)["Fallback"] == fallen["Fallback"]
    assert status.paused(fallen, fallback=True)["Fallback"] == fallen["Fallback"]
    unknown = status.reconciled({}, fallback=True)
    assert short(unknown)["Fallback"] == ("Unknown", "")
    none = ("False", "NoFallbackFound")
    assert short(status.reconciled(fallen, fallback=False))["Fallback"] == none
    assert short(status.check_failed(fallen, Step.HPA, "refused"))["Fallback"] == none
    assert short(status.paused(fallen, fallback=False))["Fallback"] == none
    assert short(after(Reason.AT_REST, False, [IDLE], now=fallen))["Fallback"] == none


def test_a_fallback_that_cannot_be_is_neither_true_nor_false():
    only_cpu = [Outcome(index=0, metric="cpu", target=0, metric_type="Resource")]
    ticked = status.tick(
        decision(Reason.HPA_IN_CHARGE, True), only_cpu, None, status.initial(), fallback=None
    )
    assert short(ticked)["Fallback"] == ("Unknown", "")


# Pauses


def test_paused_is_true_while_it_lasts_and_says_when_it_was_over():
    before = after(Reason.HPA_IN_CHARGE, True, [GOOD])
    assert status.pausing(before, paused=False) == before, "never paused: nothing is said"
    begun = status.pausing(before, paused=True)
    assert begun["Paused"] == Condition("Paused", "True", "ScaledObjectPaused", "ScaledObject is paused")
    assert {**begun, "Paused": None} == {**before, "Paused": None}
    assert status.pausing(begun, paused=True) == begun
    over = status.pausing(begun, paused=False)
    assert over["Paused"] == Condition(
        "Paused", "False", "ScaledObjectUnpaused", "pause annotation removed for ScaledObject"
    )
    assert status.pausing(over, paused=False) == over


def test_a_paused_object_is_ready_and_as_active_as_it_was():
    for before in (
        after(Reason.HPA_IN_CHARGE, True, [GOOD]),
        after(Reason.TRIGGERS_FAILED, None, [BROKEN]),
        status.check_failed({}, Step.HPA, "refused"),
    ):
        paused = status.paused(before, fallback=False)
        assert short(paused)["Ready"] == ("True", "ScaledObjectReady")
        assert paused["Ready"].message == "ScaledObject is paused"
        assert paused["Active"] == before["Active"]
        assert short(paused)["Paused"] == ("True", "ScaledObjectPaused")
        assert status.paused(paused, fallback=False) == paused
        unpaused = status.reconciled(status.pausing(paused, paused=False), fallback=False)
        assert unpaused["Ready"].message == "ScaledObject is defined correctly and is ready for scaling"


# What stands in for a trigger


def test_what_stands_in_for_a_trigger_is_told_as_its_failure():
    since = NOW - timedelta(minutes=3)
    for by in (By.IGNORED, By.LAST_KNOWN):
        known = replace(BROKEN, value=4.0, active=by is By.LAST_KNOWN, by=by, since=since)
        found = after(Reason.HPA_IN_CHARGE, True, [GOOD, known])["Ready"]
        assert found.reason == "PartialTriggerError"
        assert "s1-redis-mail: Unavailable since 2026-01-02T03:01:05Z: redis" in found.message
    # A fallback has a condition of its own.
    fallen = replace(BROKEN, value=10.0, active=True, by=By.FALLBACK, since=since)
    assert after(Reason.HPA_IN_CHARGE, True, [GOOD, fallen])["Ready"].status == "True"


def test_a_composite_metric_is_told_of_when_its_parts_are_well():
    composite = Outcome(
        index=0,
        metric="composite-metric",
        target=1,
        reason="FormulaFailed",
        message="divided by nil",
        by=By.FORMULA,
    )
    alone = after(Reason.TRIGGERS_FAILED, None, [GOOD, composite])["Ready"].message
    assert alone.endswith("composite-metric: FormulaFailed: divided by nil")
    with_cause = after(Reason.TRIGGERS_FAILED, None, [GOOD, BROKEN, composite])["Ready"].message
    assert "s1-redis-mail" in with_cause
    assert "composite-metric" not in with_cause


def test_forced_and_braked_have_words_of_their_own():
    forced = replace(decision(Reason.ACTIVATED, True), forced=True)
    active = status.tick(forced, [GOOD], None, status.initial())["Active"]
    assert (active.status, active.reason) == ("True", "ScalerActive")
    assert (
        active.message == "Activated: Scaling is performed because activation is being forced by annotation"
    )
    braked = replace(decision(Reason.COOLING_DOWN, False), trail=(Clamp("brake", 3, 3, "mass-event brake"),))
    message = status.tick(braked, [IDLE], None, status.initial())["Active"].message
    assert message == (
        "CoolingDown: Scaler cooling down because triggers are not active; then the mass-event brake paces it"
    )
    assert message.endswith(status.BRAKED_TEXT)


def test_replicas_unknown():
    ready = status.replicas_unknown({}, "timed out")["Ready"]
    assert (ready.status, ready.reason) == ("False", "ErrorGettingCurrentReplicas")
    assert ready.message == "Error getting current replicas count for ScaleTarget: timed out"


# The HPA's health


def hpa(age, *scaling):
    created = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    found = (
        [dict(zip(("type", "status", "reason"), ("ScalingActive", *scaling), strict=True))] if scaling else []
    )
    return {"metadata": {"creationTimestamp": created}, "status": {"conditions": found}}


@pytest.mark.parametrize(
    ("found", "trouble"),
    [
        (None, None),
        ({"metadata": {}}, None),
        (hpa(61), None),
        (hpa(61, "True", "ValidMetricFound"), None),
        (hpa(61, "False", "ScalingDisabled"), None),
        (hpa(61, "False", "FailedGetExternalMetric"), "FailedGetExternalMetric"),
        (hpa(59, "False", "FailedGetExternalMetric"), None),
        (hpa(60, "False", "FailedGetExternalMetric"), "FailedGetExternalMetric"),
        (hpa(61, "Unknown", ""), "ScalingActive is Unknown"),
    ],
)
def test_hpa_trouble(found, trouble):
    assert status.hpa_trouble(found, NOW) == trouble


# Patches


def test_the_smallest_patch():
    live = {
        "hpaName": "x",
        "triggersActivity": {"a": {"isActive": False}, "b": {"isActive": True}},
        "other": 1,
    }
    assert status.patch(live, {}) is None
    assert status.patch(live, {"hpaName": "x"}) is None
    assert status.patch(live, {"hpaName": None}) == {"status": {"hpaName": None}}
    assert status.patch(live, {"pausedReplicaCount": None}) is None
    activity = {"a": {"isActive": True}, "c": {"isActive": False}}
    assert status.patch(live, {"triggersActivity": activity}) == {
        "status": {"triggersActivity": {"a": {"isActive": True}, "b": None, "c": {"isActive": False}}}
    }
    assert status.patch(live, {"triggersActivity": None}) == {"status": {"triggersActivity": None}}


def test_conditions_are_patched_as_a_whole_and_in_order():
    wanted = after(Reason.AT_REST, False, [IDLE])
    body = status.patch({}, {"conditions": dict(reversed(wanted.items()))})
    assert body is not None
    found = body["status"]["conditions"]
    assert [condition["type"] for condition in found] == list(ORDER)
    assert found[3] == {"type": "Paused", "status": "False"}
    assert status.patch(body["status"], {"conditions": wanted}) is None
    foreign = {"type": "Audited", "status": "True"}
    live = {"conditions": [foreign, *found]}
    assert status.conditions(live)["Audited"] == Condition("Audited", "True")
    failed = status.check_failed(wanted, Step.HPA, "refused")
    again = status.patch(live, {"conditions": failed})
    assert again is not None
    assert again["status"]["conditions"][-1] == foreign
    assert status.patch(again["status"], {"conditions": failed}) is None


def test_odd_conditions_are_skipped():
    live = {
        "conditions": ["x", None, {"status": "True"}, {"type": "Ready", "status": "True", "reason": None}]
    }
    assert status.conditions(live) == {"Ready": Condition("Ready", "True")}
    assert status.conditions({"conditions": "x"}) == {}


keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
stored_values = st.recursive(
    st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def merged(live, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def without_nulls(value):
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}


@given(st.dictionaries(keys, stored_values), st.dictionaries(keys, values))
def test_applied_once_a_patch_leaves_nothing_to_do(live, wanted):
    body = status.patch(live, wanted)
    result = live if body is None else merged(live, body["status"])
    expected = {**live, **wanted}
    assert result == without_nulls(expected)
    assert status.patch(result, wanted) is None


def test_a_thousand_steady_evaluations_write_nothing():
    live = {"conditions": []}
    writes = 0
    for n in range(1000):
        steady = after(Reason.HPA_IN_CHARGE, True, [GOOD, BROKEN], now=status.conditions(live))
        body = status.patch(live, {"conditions": steady, "hpaName": "x"})
        if body is not None:
            live = merged(live, body["status"])
            writes += 1
        assert n == 0 or body is None
    assert writes == 1
