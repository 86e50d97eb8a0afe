"""Why, in words: the first line for each situation, the document, its text, and deciding again what was recorded."""

import json
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from worlds import CREATED, NOW, cpu, failed, outcome, policies
from worlds import outcomes as drawn_outcomes

from scaler.core.decision import Outcome, Policy, Times
from scaler.core.explain import answer, asked_for, winner
from scaler.core.explain_document import document, summary
from scaler.core.explain_entries import Decided, Facts, Happened, Scaled, Subject
from scaler.core.explain_hpa import rescaled, verdict, view
from scaler.core.explain_replay import replayed
from scaler.core.explain_text import entry_line, lines, plain
from scaler.core.policy import Fallback, Modifiers, OnError, Pause, Restraint
from scaler.core.record import Given
from scaler.core.steps import Step

S = timedelta(seconds=1)
LATE = NOW - 400 * S


def given(*outcomes, replicas=0, last_active=None, now=NOW, restraint=None, ready=None, **policy):
    more = {} if restraint is None else {"restraint": restraint}
    return Given(
        policy=Policy(**policy),
        outcomes=tuple(Outcome(**each) for each in outcomes),
        replicas=replicas,
        times=Times(CREATED, last_active),
        now=now,
        ready=ready,
        **more,
    )


def decided(*outcomes, acted=True, held="", **world):
    made_from = given(*outcomes, **world)
    return Decided(made_from, made_from.decide(), acted, held, made_from.now)


def subject(**more):
    fields = {"namespace": "shop", "name": "worker", "uid": "u", "since": CREATED, "in_charge": True}
    return Subject(**{**fields, **more})


def first_line(entry=None, *, scaled=None, happened=None, **about):
    return answer(subject(**about), entry, scaled, happened).line("shop/worker")


def happened(kind, word, text, at=NOW):
    return Happened(kind, word, text, at, at)


def hpa(*conditions, desired=4, behavior=None, current="5", **spec):
    external = {"metric": {"name": "s0-jobs"}, "target": {"type": "AverageValue", "averageValue": "5"}}
    status = {
        "currentReplicas": 4,
        "desiredReplicas": desired,
        "conditions": [
            {"type": kind, "status": status, "reason": reason, "message": message}
            for kind, status, reason, message in conditions
        ],
        "currentMetrics": [
            {
                "type": "External",
                "external": {"metric": {"name": "s0-jobs"}, "current": {"averageValue": current}},
            }
        ],
    }
    wanted = {
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{"type": "External", "external": external}],
        **spec,
    }
    if behavior is not None:
        wanted["behavior"] = behavior
    return view({"metadata": {"name": "keda-hpa-worker"}, "spec": wanted, "status": status})


FINE = ("ScalingActive", "True", "ValidMetricFound", "")
ABLE = ("AbleToScale", "True", "ReadyForNewScale", "")


def limited(reason):
    return ("ScalingLimited", "True", reason, "")


BUSY = outcome(active=True, value=47.0)
CUT_OFF = "Unavailable: connection refused"


def explained(name, entry, line, **about):
    return pytest.param(entry, about, line, id=name)


LINES = [
    explained(
        "below activation",
        decided(outcome(value=3.0)),
        "0 replicas. AtRest: no work; at 0. s0-jobs is 3, and activation takes more than 5",
        triggers={0: Facts(type="redis", activation=5.0)},
    ),
    explained("at rest", decided(outcome()), "0 replicas. AtRest: no work; at 0"),
    explained(
        "at the minimum",
        decided(outcome(), replicas=2, minimum=2),
        "2 replicas. AtRest: no work; at 2 (minReplicaCount 2)",
    ),
    explained(
        "idle",
        decided(outcome(), replicas=1, minimum=3, idle=1),
        "1 replica. AtRest: no work; at 1 (idleReplicaCount 1)",
    ),
    explained(
        "cooldown",
        decided(outcome(), replicas=1, last_active=NOW - 100 * S),
        "1 replica. CoolingDown: no work; from 1 to 0 after 2026-01-05T12:03:20Z (cooldownPeriod 300 s)",
    ),
    explained(
        "initial cooldown",
        decided(outcome(), replicas=1, initial_cooldown=90000.0),
        "no work; from 1 to 0 after 2026-01-05T13:00:00Z (initialCooldownPeriod 90000 s)",
    ),
    explained(
        "paused",
        decided(replicas=3, pause=Pause(full=True)),
        "3 replicas. Paused: paused; at 3 (annotation autoscaling.keda.sh/paused)",
    ),
    explained(
        "paused at a count",
        decided(replicas=3, pause=Pause(full=True, replicas=5)),
        "3 replicas. Paused: paused; from 3 to 5 (annotation autoscaling.keda.sh/paused-replicas)",
    ),
    explained(
        "fallback",
        decided(failed(failures=4, since=LATE), fallback=Fallback(threshold=3, replicas=6)),
        "0 replicas. Activated: work in s0-jobs; from 0 to 1. The fallback stands in for s0-jobs, 4 failed polls "
        f"being more than failureThreshold 3: 6 replicas, behavior static ({CUT_OFF})",
    ),
    explained(
        "last known",
        decided(
            failed(since=LATE, last=9.0, was_active=True),
            on_error=OnError(kind="last-known", seconds=900.0),
            replicas=2,
        ),
        "2 replicas. HPAInCharge: work in s0-jobs; at 2 the HPA decides. "
        f"s0-jobs cannot be read ({CUT_OFF}); its last value 9 counts (tidegate.dev/on-error)",
    ),
    explained(
        "ignored",
        decided(failed(since=LATE), outcome(1), on_error=OnError(kind="ignore")),
        f"0 replicas. AtRest: no work; at 0. s0-jobs cannot be read ({CUT_OFF}) and is ignored (tidegate.dev/on-error)",
    ),
    explained(
        "one failing beside work",
        decided(failed(), outcome(1, active=True), replicas=1),
        f"1 replica. HPAInCharge: work in s1-jobs; at 1 the HPA decides. s0-jobs cannot be read: {CUT_OFF}",
    ),
    explained(
        "failing alone",
        decided(failed(since=LATE), replicas=3),
        "3 replicas. TriggersFailed: s0-jobs: Unavailable since 2026-01-05T11:53:20Z connection refused",
    ),
    explained(
        "a part of a formula that fails",
        decided(failed(trigger="jobs"), modifiers=Modifiers(formula="jobs", target=5000, names=("jobs",))),
        f"s0-jobs cannot be read: {CUT_OFF}",
    ),
    explained(
        "observed",
        decided(BUSY, acted=False),
        "0 replicas. Activated: work in s0-jobs; from 0 to 1. Not done: mode observe writes nothing",
        observed=True,
    ),
    explained(
        "held",
        decided(outcome(), replicas=2, last_active=LATE, held="ScaledObjects are not watched just now"),
        "2 replicas. Deactivated: no work; from 2 to 0. Not done: ScaledObjects are not watched just now",
    ),
    explained(
        "braked",
        decided(outcome(), replicas=2, last_active=LATE, restraint=Restraint(not_before=NOW + 60 * S)),
        "2 replicas. Braked: no work; from 2 to 0 after 2026-01-05T12:01:00Z: many fell to zero at once",
    ),
    explained(
        "max",
        decided(BUSY, replicas=4, maximum=4),
        "work in s0-jobs; at 4 the HPA decides: TooManyReplicas: maxReplicaCount 4 is reached, 10 are asked for",
        hpa=hpa(ABLE, FINE, limited("TooManyReplicas")),
    ),
    explained(
        "window",
        decided(outcome(), replicas=3, minimum=1),
        "3 replicas. AtRest: no work; at 3; down to 1 the HPA decides (minReplicaCount 1): ScaleDownStabilized: more "
        "were asked for within the last 300 s, which counts (behavior.scaleDown.stabilizationWindowSeconds)",
        hpa=hpa(("AbleToScale", "True", "ScaleDownStabilized", ""), FINE),
    ),
    explained(
        "paused scale-in",
        decided(outcome(), replicas=3, minimum=1, pause=Pause(scale_in=True)),
        "ScaleDownLimit: scale-in is paused by annotation autoscaling.keda.sh/paused-scale-in",
        hpa=hpa(ABLE, FINE, limited("ScaleDownLimit"), behavior={"scaleDown": {"selectPolicy": "Disabled"}}),
    ),
    explained(
        "metrics that the HPA cannot read",
        decided(BUSY, replicas=3),
        "work in s0-jobs; at 3 the HPA decides. The HPA cannot work: FailedGetExternalMetric: no answer; "
        "Tidegate has the numbers, so look at the APIService v1beta1.external.metrics.k8s.io",
        hpa=hpa(ABLE, ("ScalingActive", "False", "FailedGetExternalMetric", "no answer")),
    ),
    explained("nothing decided", None, "NotDecidedYet: nothing has been decided yet"),
    explained(
        "not read yet",
        None,
        "NotReadYet: its triggers are being read for the first time",
        in_charge=False,
        waiting=True,
    ),
]


@pytest.mark.parametrize(("entry", "about", "line"), LINES)
def test_the_first_line_names_the_cause(entry, about, line):
    said = first_line(entry, **about)
    assert said.startswith("shop/worker: ")
    assert line in said


def test_a_refusal_goes_before_all_else():
    refusal = happened(
        "refused", "ScaledObjectCheckFailed", f"{Step.TARGET}: spec.scaleTargetRef: no\nsuch thing."
    )
    said = first_line(decided(BUSY, replicas=2), refusal=refusal, in_charge=False)
    assert said == (
        "shop/worker: 2 replicas. ScaledObjectCheckFailed: ScaledObject doesn't have correct scaleTargetRef specification: "
        "spec.scaleTargetRef: no; such thing"
    )


def test_a_write_that_failed_is_told_until_it_is_no_longer_wanted():
    failure = happened("write-failed", "Activated", "the replicas could not be written: no right")
    said = first_line(decided(BUSY), happened=failure)
    assert said.endswith("from 0 to 1. Not done: the replicas could not be written: no right")
    assert "Not done" not in first_line(decided(BUSY, replicas=1), happened=failure)
    assert "Not done" not in first_line(decided(BUSY, now=NOW + S), happened=failure)


def test_replicas_that_cannot_be_read_are_told_until_they_are():
    unknown = happened(
        "replicas-unknown", "ErrorGettingCurrentReplicas", "the target's replicas could not be read: gone"
    )
    assert first_line(decided(BUSY, now=NOW - S), happened=unknown) == (
        "shop/worker: ErrorGettingCurrentReplicas: the target's replicas could not be read: gone"
    )
    assert "HPAInCharge" in first_line(decided(BUSY, replicas=1, now=NOW + S), happened=unknown)


def test_the_newest_count_is_shown():
    before = decided(BUSY, replicas=1)
    assert first_line(before, scaled=Scaled(NOW + S, 1, 7, "hpa")).startswith("shop/worker: 7 replicas. ")
    assert first_line(before, scaled=Scaled(NOW - S, 0, 1, "tidegate")).startswith("shop/worker: 1 replica. ")


def test_what_keeps_the_controller_from_acting_is_told():
    assert first_line(decided(BUSY, replicas=1), trouble="the API server does not answer").endswith(
        ". the API server does not answer"
    )


def rates(direction, *policies, select="Max"):
    fields = ("type", "value", "periodSeconds")
    written = [dict(zip(fields, policy, strict=True)) for policy in policies]
    return {direction: {"selectPolicy": select, "policies": written}}


BEHAVIORS = [
    (
        "ScaleUpLimit",
        None,
        "not faster than 4 pods in 15 s or 100 % in 15 s, the most of these (behavior.scaleUp.policies), 9 are asked for",
    ),
    (
        "ScaleUpLimit",
        rates("scaleUp", ("Pods", 1, 60)),
        "not faster than 1 pod in 60 s (behavior.scaleUp.policies), 9 are asked for",
    ),
    (
        "ScaleUpLimit",
        {"scaleUp": {"selectPolicy": "Disabled"}},
        "scale-out is switched off (behavior.scaleUp.selectPolicy: Disabled), 9 are asked for",
    ),
    (
        "ScaleDownLimit",
        rates("scaleDown", ("Percent", 10, 60), ("Pods", 5, 30), select="Min"),
        "not faster than 10 % in 60 s or 5 pods in 30 s, the least of these (behavior.scaleDown.policies)",
    ),
    (
        "ScaleDownLimit",
        {"scaleDown": {"selectPolicy": "Disabled"}},
        "scale-in is switched off (behavior.scaleDown.selectPolicy: Disabled)",
    ),
    ("TooFewReplicas", None, "it does not go below 1 (minReplicaCount, at least 1)"),
]


@pytest.mark.parametrize(("reason", "behavior", "text"), BEHAVIORS)
def test_the_hpa_s_limits_name_the_field(reason, behavior, text):
    seen = hpa(ABLE, FINE, limited(reason), behavior=behavior)
    assert str(verdict(seen, Pause(), 9)) == f"{reason}: {text}"


def test_the_hpa_s_other_words():
    up = hpa(
        ("AbleToScale", "True", "ScaleUpStabilized", ""),
        FINE,
        behavior={"scaleUp": {"stabilizationWindowSeconds": 60}},
    )
    assert "fewer were asked for within the last 60 s" in str(verdict(up, Pause()))
    assert str(verdict(hpa(("AbleToScale", "True", "SucceededRescale", ""), FINE), Pause())) == (
        "SucceededRescale: the HPA set it to 4"
    )
    assert str(verdict(hpa(ABLE, FINE), Pause())) == "ValidMetricFound: that is what its metrics ask for"
    asleep = verdict(hpa(ABLE, ("ScalingActive", "False", "ScalingDisabled", "")), Pause())
    assert not asleep.trouble
    blocked = verdict(hpa(("AbleToScale", "False", "FailedUpdateScale", "forbidden")), Pause())
    assert blocked.trouble
    assert str(blocked) == "FailedUpdateScale: forbidden"
    assert verdict(hpa(), Pause()) is None
    assert rescaled(hpa(ABLE, FINE, limited("TooManyReplicas")), Pause()) == (
        "s0-jobs is 5 a replica, target 5 a replica; TooManyReplicas, maxReplicaCount 4 is reached"
    )


def test_who_won_is_who_asks_for_the_most():
    entry = decided(
        outcome(0, active=True, value=12.0),
        outcome(1, active=True, value=40.0),
        outcome(2, value=90.0),
        replicas=2,
    )
    # As in the HPA: the number of one without work of its own counts too.
    assert winner(entry.given.outcomes, 2).metric == "s2-jobs"
    assert winner(entry.given.outcomes[:2], 2).metric == "s1-jobs"
    assert asked_for(entry.decision) == 18
    assert "s2-jobs asks for 18" in [step.note for step in entry.decision.trail]
    assert winner(decided(outcome(value=9.0)).given.outcomes, 0) is None
    pushed = decided(outcome(0), outcome(1, active=True, value=None) | {"value": None})
    assert winner(pushed.given.outcomes, 0).metric == "s1-jobs"


def test_the_document_is_plain_and_whole():
    entries = [
        decided(BUSY, cpu(1), now=NOW - 9 * S),
        Scaled(NOW - 8 * S, 0, 1, "tidegate", why="Activated"),
        decided(BUSY, cpu(1), replicas=1, now=NOW),
        Scaled(NOW - 5 * S, 1, 4, "hpa", hpa=hpa(ABLE, FINE), given=given(BUSY, replicas=1)),
        Scaled(NOW - 2 * S, 4, 1, "other"),
        happened("hpa", "HPAWritten", "made", NOW - 20 * S),
    ]
    about = subject(
        target="apps/v1.Deployment shop/web",
        hpa=hpa(ABLE, FINE),
        triggers={0: Facts(type="redis", activation=0.0)},
    )
    found = json.loads(msgspec.json.encode(document(about, entries, NOW)))
    assert found["object"] == {"kind": "ScaledObject", "namespace": "shop", "name": "worker", "uid": "u"}
    assert (found["state"], found["mode"], found["paused"], found["refused"]) == (
        "InCharge",
        "act",
        False,
        None,
    )
    assert (found["replicas"], found["reason"], found["won"]) == (1, "HPAInCharge", "s0-jobs")
    assert found["answer"].startswith("shop/worker: 1 replica. HPAInCharge: work in s0-jobs")
    first, second = found["triggers"]
    assert (first["value"], first["target"], first["activation"], first["active"], first["asksFor"]) == (
        47,
        5,
        0,
        True,
        10,
    )
    assert (first["won"], first["by"], first["type"], first["error"]) == (True, "read", "redis", None)
    assert (second["metricType"], second["value"], second["asksFor"]) == ("Resource", None, None)
    assert [step["name"] for step in found["trail"]] == ["triggers", "hpa"]
    assert found["hpa"]["desiredReplicas"] == 4
    assert [(e["kind"], e["last"][17:19]) for e in found["entries"]] == [
        ("decision", "00"), ("scaled", "58"), ("scaled", "55"), ("scaled", "52"), ("decision", "51"), ("hpa", "40"),
    ]  # fmt: skip
    by_hpa = found["entries"][2]
    assert by_hpa["text"] == "from 1 to 4 by the HPA: s0-jobs is 5 a replica, target 5 a replica"
    assert by_hpa["served"] == [{"metric": "s0-jobs", "value": 47, "target": 5}]
    assert [len(document(about, entries, NOW, last)["entries"]) for last in (0, 2, None)] == [0, 2, 6]
    assert summary(about, [entries[0], entries[2]]) == {
        "namespace": "shop", "name": "worker", "reason": "HPAInCharge", "replicas": 1, "since": "2026-01-05T12:00:00.000Z",
    }  # fmt: skip


def test_the_text_has_the_answer_first_and_one_line_an_entry():
    entries = [
        decided(BUSY, failed(1, since=LATE, failures=7), replicas=4, maximum=4),
        Scaled(NOW - S, 3, 4, "other"),
    ]
    about = subject(
        hpa=hpa(ABLE, FINE, limited("TooManyReplicas")), triggers={0: Facts(type="redis", activation=2.0)}
    )
    body = document(about, entries, NOW)
    text = list(lines(body, 1))
    assert text[0] == body["answer"]
    assert text[1] == "  in charge, watched since 2026-01-04T12:00:00Z"
    assert "  s0-jobs (redis)  47     5       2             yes     10        wins" in text
    assert any(
        line.endswith("Unavailable: connection refused (since 2026-01-05T11:53:20Z, 7 failed polls)")
        for line in text
    )
    assert "  max       10 → 4    maxReplicaCount 4" in text
    assert "  HPA keda-hpa-worker: 4 replicas, 1 to 4 allowed, asks for 4" in text
    assert text[-1].startswith("  2026-01-05T12:00:00Z  HPAInCharge: ")
    assert not any("somebody else" in line for line in text)
    assert "  2026-01-05T11:59:59Z  scaled: from 3 to 4 by somebody else" in list(lines(body, 2))


def test_repeated_and_undone_entries_say_so():
    entry = decided(BUSY, acted=False)
    entry.repeated(given(BUSY, now=NOW + 9 * S), entry.decision, acted=False, held="")
    (row,) = document(subject(), [entry], NOW)["entries"]
    assert entry_line(row).endswith("from 0 to 1  (not done)  (2 times since 2026-01-05T12:00:00Z)")


def test_no_character_of_a_message_moves_the_cursor():
    assert plain("a\x1b[2Jb\rc\nd\u202e") == "a\\x1b[2Jb\\rc d\\u202e"
    entry = decided(failed(0) | {"message": "bad \x1b]0;title\x07 news"})
    text = "\n".join(lines(document(subject(), [entry], NOW), 5))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_lines_of_a_document_from_another_version():
    assert (
        next(lines({"answer": "shop/worker: AtRest: no work", "more": 1}, 5))
        == "shop/worker: AtRest: no work"
    )
    assert list(lines({}, 5)) == ["", "  "]


SAME = [
    ({"value": 48.0, "active": True}, True),
    ({"active": False, "value": 0.0}, False),
    ({"active": None, "reason": "NoData", "message": "", "value": None}, False),
]


@pytest.mark.parametrize(("changes", "same"), SAME)
def test_what_says_the_same_is_counted_not_kept(changes, same):
    entry = decided(BUSY, replicas=2)
    later = given(BUSY | changes, replicas=3, now=NOW + S)
    assert entry.repeated(later, later.decide(), acted=True, held="") is same
    assert (entry.count, entry.last, entry.first) == ((2, NOW + S, NOW) if same else (1, NOW, NOW))


def test_an_edit_or_a_hold_is_something_new():
    entry = decided(BUSY, replicas=2)
    edited = given(BUSY, replicas=2, maximum=7)
    assert not entry.repeated(edited, edited.decide(), acted=True, held="")
    assert not entry.repeated(entry.given, entry.decision, acted=False, held="")
    assert not entry.repeated(entry.given, entry.decision, acted=True, held="why")
    down = decided(outcome(), replicas=2, last_active=LATE)
    other = given(outcome(), replicas=3, last_active=LATE)
    assert not down.repeated(other, other.decide(), acted=True, held="")


@drawn(policies(), drawn_outcomes(), st.integers(0, 12), st.sampled_from([None, LATE, NOW]))
def test_every_decision_can_be_explained_and_replays(policy, outcomes, replicas, last_active):
    entry = decided(*outcomes, replicas=replicas, last_active=last_active, **policy)
    body = json.loads(msgspec.json.encode(document(subject(), [entry], NOW)))
    assert body["answer"].startswith(f"shop/worker: {replicas} replica")
    assert f"{entry.decision.reason}: " in body["answer"]
    assert len(list(lines(body, 5))) > 2
    (again,) = replayed(body)
    assert again.differences == ()


def test_a_record_that_decides_otherwise_now_says_what_differs():
    body = document(subject(), [decided(BUSY), decided(outcome(), now=NOW + S)], NOW)
    body = json.loads(msgspec.json.encode(body))
    body["entries"][1]["record"]["decision"]["replicas"] = 5
    quiet, busy = replayed(body)
    assert str(quiet) == "2026-01-05T12:00:01Z  AtRest: the same"
    assert str(busy) == "2026-01-05T12:00:00Z  Activated: replicas was 5, is 1"
    assert len(list(replayed([body["entries"], body["entries"][0], body["entries"][0]["record"]]))) == 4


@pytest.mark.parametrize("value", [None, {}, [], {"entries": []}, "text", {"entries": [{"kind": "scaled"}]}])
def test_without_a_record_there_is_nothing_to_replay(value):
    with pytest.raises(ValueError, match="no record of a decision in it"):
        list(replayed(value))


def test_half_a_record_is_refused_by_its_field():
    with pytest.raises(ValueError, match=r"no record of a decision: .*policy"):
        list(replayed({"given": {"outcomes": []}, "decision": {}}))
