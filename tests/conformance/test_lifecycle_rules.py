"""The rules by which we deviate in whole lives, each on records made for it: that it applies, and that its promise is kept.

What KEDA is said to do here follows from the facts; what is asserted is only ours. Beside them, that a rule leaves alone
what it is not about, and that the comparison finds what is not as promised.
"""

from copy import deepcopy
from pathlib import Path

import deviations
import pytest
from life_comparison import found_different
from life_playing import PATIENCE, played
from life_rules import LIFE_RULES
from lifecycle import Seen

REDIS = {"type": "redis", "metadata": {"address": "redis.test:6379", "listName": "q"}}
OWN = {"type": "redis", "metadata": {"address": "redis-own.test:6379", "listName": "q"}}
CLOSED = {"type": "redis", "metadata": {"address": "closed.test:1", "listName": "other"}}
WEB = {
    "type": "metrics-api",
    "metadata": {"url": "http://http.test:8000/value", "valueLocation": "value", "targetValue": "5"},
}
AT_ONCE = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}

READY, FAILED = ["True", "ScaledObjectReady"], ["False", "TriggerError"]
WORKING, IDLE = ["True", "ScalerActive"], ["False", "ScalerNotActive"]
STARTED = ("KEDAScalersStarted", "ScaledObjectReady")
UP, DOWN = ("KEDAScaleTargetActivated", "SuccessfulRescale"), ("KEDAScaleTargetDeactivated",)
FAILING = ("KEDAScalerFailed", "FailedGetExternalMetric", "FailedComputeMetricsReplicas")


def life(*triggers, steps, until, replicas=0, **spec):
    manifest = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "pollingInterval": 2,
            "cooldownPeriod": 6,
            "maxReplicaCount": 10,
            "advanced": AT_ONCE,
            "triggers": list(triggers),
            **spec,
        },
    }
    done = [{"t": at, "do": what, **({"with": given} if given else {})} for at, what, given in steps]
    target = {"kind": "Deployment", "replicas": replicas}
    return {"manifest": manifest, "target": target, "steps": done, "observed_until": until}


def recorded(*replicas, ready=READY, active=IDLE, fallback=False, events=()):
    """What KEDA does, as a record has it."""
    fallen = ["True", "FallbackExists"] if fallback else ["False", "NoFallbackFound"]
    conditions = {"Ready": ready, "Active": active, "Fallback": fallen, "Paused": ["False", ""]}
    final = {
        "conditions": conditions,
        "hpa": [{"name": "keda-hpa-worker", "min": 1, "max": 10}],
        "scaledobject": "present",
        "spec.replicas": replicas[-1][1],
    }
    reasons = [[reason, ""] for reason in events]
    return {"replicas": [*replicas], "final": final, "event_reasons": reasons}


def push(count, name="q"):
    return {"list": name, "n": count}


def fallback(replicas, threshold=2, **more):
    return {"failureThreshold": threshold, "replicas": replicas, **more}


CASES = {
    "a-list-that-grows-is-seen-before-the-next-poll": (
        "wake-ups",
        life(REDIS, steps=[(4, "push", push(10))], until=24, pollingInterval=14),
        recorded([0, 0], [14, 1], [16, 2], active=WORKING, events=(*STARTED, *UP)),
    ),
    "a-failure-shorter-than-the-hpa-is-served": (
        "steady-through-failure",
        life(
            WEB,
            steps=[(4, "http-set", {"value": 15}), (14, "http-fail", None), (16, "http-ok", None)],
            until=26,
            minReplicaCount=1,
        ),
        recorded([0, 0], [0, 1], [8, 3], active=WORKING, events=(*STARTED, "SuccessfulRescale", *FAILING)),
    ),
    "a-source-that-refuses-beside-one-with-work": (
        "one-bad-trigger",
        life(CLOSED, REDIS, steps=[(4, "push", push(10)), (14, "pop", push(10))], until=28),
        recorded([0, 0], ready=["False", "ScaledObjectCheckFailed"], events=("KEDAScalerFailed",)),
    ),
    "a-redis-that-goes-with-work-left": (
        "not-zero",
        life(OWN, steps=[(4, "push", push(15)), (14, "redis-stop", None)], until=40),
        recorded([0, 0], [6, 1], [8, 3], [21, 0], events=(*STARTED, *UP, *DOWN, *FAILING)),
    ),
    "one-of-two-goes-and-the-other-is-empty": (
        "not-zero",
        life(
            WEB,
            REDIS,
            steps=[
                (4, "push", push(20)),
                (14, "http-fail", None),
                (20, "pop", push(20)),
                (34, "http-ok", None),
            ],
            until=50,
        ),
        recorded([0, 0], [6, 1], [8, 4], [22, 0], events=(*STARTED, *UP, *DOWN, *FAILING)),
    ),
    "a-fallback-that-waits": (
        "failure-told",
        life(WEB, steps=[(14, "http-fail", None)], until=24, fallback=fallback(5, threshold=30)),
        recorded([0, 0], events=(*STARTED, "KEDAScalerFailed")),
    ),
    "a-fallback-from-zero-and-back": (
        "fallback-counts-polls",
        life(
            WEB,
            steps=[(6, "http-fail", None), (34, "http-ok", None)],
            until=50,
            fallback=fallback(3, threshold=5),
        ),
        recorded([0, 0], [12, 1], [14, 3], [35, 1], [42, 0], events=(*STARTED, *UP, *DOWN, *FAILING)),
    ),
    "a-fallback-to-nothing": (
        "fallback-counts-polls",
        life(
            WEB,
            steps=[(4, "http-set", {"value": 15}), (14, "http-fail", None)],
            until=34,
            fallback=fallback(0),
        ),
        recorded([0, 0], [6, 1], [8, 3], [16, 1], active=WORKING, fallback=True, events=(*STARTED, *UP)),
    ),
    "a-fallback-for-a-source-that-never-answered": (
        "fallback-counts-polls",
        life(CLOSED, REDIS, steps=[], until=24, fallback=fallback(4)),
        recorded([0, 0], ready=["False", "ScaledObjectCheckFailed"], events=("KEDAScalerFailed",)),
    ),
    "a-fallback-in-a-formulas-place": (
        "fallback-counts-polls",
        life(
            {**WEB, "name": "web"},
            {**REDIS, "name": "jobs"},
            steps=[(4, "push", push(10)), (14, "http-fail", None)],
            until=30,
            advanced={**AT_ONCE, "scalingModifiers": {"formula": "web + jobs", "target": "5"}},
            fallback=fallback(4),
        ),
        recorded([0, 0], [6, 1], [8, 2], [15, 4], active=WORKING, fallback=True, events=(*STARTED, *UP)),
    ),
    "a-target-that-comes-late": (
        "target-appears",
        life(
            REDIS,
            steps=[(4, "push", push(10)), (12, "create-target", {"replicas": 0})],
            until=24,
            replicas=None,
        ),
        recorded([0, None], [12, 0], [21, 1], [22, 2], active=WORKING, events=(*STARTED, *UP)),
    ),
    "a-target-that-goes-and-comes-again": (
        "target-appears",
        life(
            REDIS,
            steps=[
                (4, "push", push(10)),
                (14, "delete-target", None),
                (20, "create-target", {"replicas": 0}),
            ],
            until=30,
        ),
        recorded(
            [0, 0], [6, 1], [8, 2], [14, None], [20, 0], [22, 2], active=WORKING, events=(*STARTED, *UP)
        ),
    ),
}


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("name", CASES)
async def test_a_promise_is_kept(name, tmp_path_factory):
    rule, given, output = CASES[name]
    found, promised = deviations.promised("lifecycle", given, deepcopy(output))
    assert rule in (found or "").split("+")
    seen = await played(given, promised, tmp_path_factory.getbasetemp().parent)
    different = found_different(seen, promised)
    assert not different


@pytest.mark.parametrize("rule", [name for name, _, _ in LIFE_RULES])
def test_a_rule_has_its_paragraph_and_its_record(rule):
    text = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert f'<a id="{rule}"></a>' in text
    assert rule in {name for name, _, _ in CASES.values()}


@pytest.mark.parametrize(
    "given",
    [
        life(REDIS, steps=[(4, "push", push(1)), (12, "pop", push(1))], until=20),
        life(REDIS, steps=[(4, "push", push(100, "another"))], until=20, pollingInterval=30),
        life(REDIS, steps=[(4, "push", push(50))], until=20, minReplicaCount=1, pollingInterval=30),
        life(WEB, steps=[(4, "http-set", {"value": 50})], until=20, fallback=fallback(3)),
        life(REDIS, steps=[(4, "delete", None)], until=20, replicas=3),
    ],
)
def test_no_rule_is_about_a_life_without_failures(given):
    output = recorded([0, 0])
    assert deviations.promised("lifecycle", given, output) == (None, output)


def test_of_what_the_model_does_not_know_only_the_events_of_the_hpa_are_left_open():
    steps = [(4, "patch", {"spec": {"minReplicaCount": 2}}), (14, "http-fail", None)]
    given = life(WEB, steps=steps, until=40, fallback=fallback(3))
    found, promised = deviations.promised("lifecycle", given, recorded([0, 0]))
    assert found == "steady-through-failure"
    assert promised["replicas"] == [[0, 0]]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"replicas": [[0, 0], [6, 1], [40, 3]]}, "replicas"),
        ({"conditions": {"Ready": FAILED}}, "conditions"),
        ({"hpa": []}, "hpa"),
        ({"hpa": [{"name": "keda-hpa-worker", "min": 1, "max": 11}]}, "hpa"),
        ({"scaledobject": "absent"}, "scaledobject"),
        ({"spec.replicas": 2}, "spec.replicas"),
        ({"reasons": {*STARTED, *UP, "KEDAScalerFailed"}}, "reasons"),
        ({"reasons": {*STARTED, "SuccessfulRescale"}}, "reasons"),
    ],
)
def test_what_is_not_as_recorded_is_found(change, where):
    output = recorded([0, 0], [6, 1], [8, 3], active=WORKING, events=(*STARTED, *UP))
    seen = _seen(output)
    assert not found_different(seen, output)
    if where in {"replicas", "reasons"}:
        setattr(seen, where, change[where])
    else:
        conditions = {**seen.final["conditions"], **change.pop("conditions", {})}
        seen.final = {**seen.final, "conditions": conditions, **change}
    assert where in found_different(seen, output)


def test_what_the_recorded_runs_do_not_agree_on_is_left_open():
    output = recorded([0, 3], [8, 0], [10, 1], [16, 0], events=(*STARTED, *DOWN, "SuccessfulRescale"))
    output |= {"replicas_second_run": [[0, 3], [8, 0]], "same_in_second_run": False}
    seen = _seen({**output, "replicas": [[0, 3], [8, 0]]})
    assert not found_different(seen, output)
    seen.reasons.discard("SuccessfulRescale")
    assert not found_different(seen, output)
    output["replicas_second_run"] = [[0, 3]]
    seen.final = {**seen.final, "spec.replicas": 3}
    seen.replicas = [[0, 3]]
    assert not found_different(seen, output)
    seen.reasons.add("KEDAScalerFailed")
    assert list(found_different(seen, output)) == ["reasons", "told"]


def test_no_verdict_yet_and_a_target_that_is_not_there_are_not_compared_where_not_told():
    output = recorded([0, 0], [6, 1], active=["Unknown", ""], events=STARTED)
    seen = _seen(recorded([0, None], [1, 0], [6, 1], events=STARTED))
    assert "conditions" in found_different(seen, recorded([0, 0], [6, 1], active=WORKING, events=STARTED))
    seen.final["conditions"].pop("Active")
    assert not found_different(seen, output)
    output["replicas"] = [[0, 0], [3, None], [6, 1]]
    assert "replicas" in found_different(seen, output)


def _seen(output):
    """A life that went as recorded."""
    return Seen(
        replicas=deepcopy(output["replicas"]),
        final=deepcopy(output["final"]),
        reasons={reason for reason, _type in output["event_reasons"]},
    )
