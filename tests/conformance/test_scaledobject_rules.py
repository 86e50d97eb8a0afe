"""The rules by which we deviate in ScaledObjects, each on a record made for it: that it applies, and that its promise is kept.

What KEDA is said to do here follows from the facts; what is asserted is only ours.
"""

from copy import deepcopy
from pathlib import Path

import deviations
import pytest
from hpa_rules import HPA_RULES
from object_rules import OBJECT_RULES
from playing import found_different
from promises import Story
from redis_server import RedisServer
from runner import Case

from scaler.core import hpa as rules


@pytest.fixture(scope="module")
def redis():
    with RedisServer() as server:
        yield server


def workload(name="web", replicas=1, **container):
    labels = {"app": name}
    pod = {"containers": [{"name": "app", "image": "busybox", **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def trigger(listed="jobs", address="redis.test:6379", **more):
    metadata = {"address": address, "listName": listed}
    return {"type": "redis", "metadata": metadata, **more}


def scaled(*triggers, name="worker", to="web", **spec):
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "pollingInterval": 2,
            "scaleTargetRef": {"name": to},
            "triggers": list(triggers) or [trigger()],
            **spec,
        },
    }


def composed(**modifiers):
    """One whose two lists, a and b, are `first` and `second` of a formula."""
    triggers = (trigger("a", name="first"), trigger("b", name="second"))
    return scaled(*triggers, advanced={"scalingModifiers": modifiers})


def hpa(name, to="web"):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": to},
        },
    }


def named(name):
    return {"advanced": {"horizontalPodAutoscalerConfig": {"name": name}}}


def state(ready="True ScaledObjectReady", active="False ScalerNotActive", **replicas):
    words = {"ready": ready, "active": active, "fallback": "False NoFallbackFound", "paused": "False "}
    conditions = {
        kind: dict(zip(("status", "reason"), text.split(" "), strict=True)) for kind, text in words.items()
    }
    return {**conditions, "hpas": [], "replicas": {f"Deployment/{name}": n for name, n in replicas.items()}}


def recorded(*states, events=()):
    """What KEDA does, as a record has it."""
    first, *later = states
    told = [{"on": "ScaledObject", "reason": reason} for reason in events]
    return {"accepted": True, "settled": first, "after_patches": later, "events": told}


def given(manifest, *existing, lists=None, patches=()):
    return {"manifest": manifest, "existing": [*existing], "lists": lists or {}, "patches": [*patches]}


STARTED = ("ScaledObjectReady", "KEDAScalersStarted")
TO_ZERO = (*STARTED, "KEDAScaleTargetDeactivated")
FAILED = state("False ScaledObjectCheckFailed", "Unknown UnknownState", web=1)
LOST_SECRET = {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]}

CASES = {
    "a-field-of-a-newer-release": (
        "unknown-field-kept",
        given(scaled(trigger(), advanced={"colour": {"red": [1, 2]}}, colour="blue"), workload()),
        recorded(state(web=0), events=TO_ZERO) | {"stored_spec": scaled(trigger(), advanced={})["spec"]},
    ),
    "an-unknown-type-beside-an-empty-list": (
        "one-bad-trigger",
        given(scaled({"type": "tarot", "metadata": {}}, trigger()), workload()),
        recorded(FAILED, events=["KEDAScalerFailed", "ScaledObjectCheckFailed"]),
    ),
    "bad-metadata-beside-work": (
        "one-bad-trigger",
        given(
            scaled({"type": "redis", "metadata": {"address": "redis.test:6379"}}, trigger()),
            workload(replicas=0),
            lists={"jobs": 12},
        ),
        recorded(FAILED, events=["KEDAScalerFailed"]),
    ),
    "a-source-that-refuses-beside-work": (
        "one-bad-trigger",
        given(
            scaled(trigger("a", "closed.test:1"), trigger(), maxReplicaCount=2),
            workload(replicas=0),
            lists={"jobs": 30},
        ),
        recorded(FAILED, events=["KEDAScalerFailed"]),
    ),
    "a-source-that-refuses-above-zero": (
        "one-bad-trigger",
        given(scaled(trigger("a", "closed.test:1"), trigger(), minReplicaCount=2), workload()),
        recorded(FAILED, events=["KEDAScalerFailed"]),
    ),
    "a-bad-trigger-comes-later": (
        "one-bad-trigger",
        given(
            scaled(),
            workload(replicas=3),
            lists={"jobs": 6},
            patches=[{"spec": {"triggers": [trigger(), {"type": "tarot", "metadata": {}}]}}],
        ),
        recorded(
            state(active="True ScalerActive", web=3),
            state("False ScaledObjectCheckFailed", "Unknown UnknownState", web=3),
            events=[*STARTED, "KEDAScalerFailed"],
        ),
    ),
    "an-authentication-that-is-not-there": (
        "missing-credentials",
        given(scaled(trigger(authenticationRef={"name": "nobody"})), workload()),
        recorded(state(web=0), events=TO_ZERO),
    ),
    "a-variable-that-nobody-names": (
        "variables-needed-only",
        given(scaled(), workload(**LOST_SECRET)),
        recorded(FAILED, events=["KEDAScalerFailed"]),
    ),
    "a-variable-that-nobody-names-beside-work": (
        "variables-needed-only",
        given(
            scaled(minReplicaCount=1),
            workload(replicas=0, envFrom=[{"configMapRef": {"name": "gone"}}]),
            lists={"jobs": 7},
        ),
        recorded(FAILED, events=["KEDAScalerFailed"]),
    ),
    "two-objects-one-hpa": (
        "hpa-claimed",
        given(
            scaled(**named("shared")),
            workload(replicas=2),
            workload("other"),
            scaled(trigger("b"), name="first", to="other", **named("shared")),
        ),
        recorded(
            state(web=0, other=0),
            events=TO_ZERO,
        ),
    ),
    "renamed-to-an-hpa-that-exists": (
        "hpa-adopted",
        given(scaled(), workload(), hpa("taken"), patches=[{"spec": named("taken")}]),
        recorded(
            state(web=0),
            state("False ScaledObjectCheckFailed", "Unknown UnknownState", web=0),
            events=TO_ZERO,
        ),
    ),
    "edited-to-a-source-that-refuses": (
        "edited-to-unreachable",
        given(
            scaled(),
            workload(),
            patches=[{"spec": {"triggers": [trigger("b", "closed.test:1")]}}],
        ),
        recorded(
            state(web=0),
            state("False ScaledObjectCheckFailed", "Unknown UnknownState", web=0),
            events=[*TO_ZERO, "KEDAScalerFailed"],
        ),
    ),
    "edited-to-bad-metadata-at-work": (
        "steady-through-failure",
        given(
            scaled(),
            workload(replicas=2),
            lists={"jobs": 10},
            patches=[{"spec": {"triggers": [{"type": "redis", "metadata": {"address": "redis.test:6379"}}]}}],
        ),
        recorded(
            state(active="True ScalerActive", web=2),
            state("False ScaledObjectCheckFailed", "Unknown UnknownState", web=2),
            events=[*STARTED, "KEDAScalerFailed"],
        ),
    ),
    "from-below-the-idle-count": (
        "raised-to-idle",
        given(scaled(idleReplicaCount=1, minReplicaCount=3), workload(replicas=0)),
        recorded(state(web=0), events=STARTED),
    ),
    "a-behavior-that-the-api-server-refuses": (
        "refused-hpa-told",
        given(
            scaled(
                advanced={
                    "horizontalPodAutoscalerConfig": {
                        "behavior": {
                            "scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}
                        }
                    }
                }
            ),
            workload(),
        ),
        recorded(FAILED, events=["KEDAScalersStarted"]),
    ),
    "a-formula-that-divides-by-an-empty-list": (
        "formula-failed",
        given(composed(formula="first / second", target="2"), workload(replicas=2), lists={"a": 4}),
        recorded(state(web=0), events=TO_ZERO),
    ),
    "a-formula-with-an-activation-target-in-words": (
        "activation-target-refused",
        given(
            composed(formula="first + second", target="2", activationTarget="some"),
            workload(),
            lists={"a": 4},
        ),
        recorded(state(active="Unknown ", web=1), events=STARTED),
    ),
    "a-formula-without-a-target": (
        "fewer-events",
        given(composed(formula="first + second"), workload()),
        recorded(FAILED, events=["KEDAScalersStarted"]),
    ),
}


def with_hpas(record, output):
    """The HPAs that KEDA would have: those around, and the object's own as it was when last ready."""
    before = []
    for _, stage in Story(record, output).stages():
        others = [rules.defaulted(each) for each in stage.around("HorizontalPodAutoscaler")]
        own = [stage.own_hpa()] if stage.recorded["ready"]["status"] == "True" and not stage.refused else []
        stage.recorded["hpas"] += [each for each in others if each["metadata"]["name"] != stage.so.hpa_name]
        before = own or [each for each in before if each["metadata"]["name"] == stage.so.hpa_name]
        stage.recorded["hpas"] += before
    return output


@pytest.mark.parametrize("name", CASES)
async def test_a_promise_is_kept(name, redis):
    rule, record, output = CASES[name]
    found, promised = deviations.promised("scaledobjects", record, with_hpas(record, deepcopy(output)))
    assert rule in (found or "").split("+")
    case = Case(name, "scaledobjects", record, promised)
    different = await found_different(case, redis)
    assert not different


@pytest.mark.parametrize("rule", [name for name, _, _ in (*OBJECT_RULES, *HPA_RULES)])
def test_a_rule_has_its_paragraph_and_its_record(rule):
    text = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert f'<a id="{rule}"></a>' in text
    assert rule in {name for name, _, _ in CASES.values()}
