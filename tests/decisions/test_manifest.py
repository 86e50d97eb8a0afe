"""Reading a ScaledObject: what is accepted, what is refused, and the words and paths it is refused with."""

import json
import time
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import annotations, manifest, policies, rules
from scaler.core.policy import OnError, Pause
from scaler.core.steps import Step

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "conformance/data/scaledobjects.jsonl").read_text().splitlines()
]


def so(metadata=None, **spec):
    base = {
        "scaleTargetRef": {"name": "web"},
        "triggers": [{"type": "redis", "metadata": {"listName": "jobs"}}],
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": "shop", **(metadata or {})},
        "spec": {**base, **spec},
    }


def parsed(**changes):
    found = manifest.parse(so(**changes))
    assert found.scaled_object is not None, [str(problem) for problem in found.problems]
    return found.scaled_object


def texts(problems):
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record["id"])
def test_accepts_and_refuses_as_recorded(record):
    found = manifest.parse(record["input"]["manifest"])
    assert (found.scaled_object is not None) == record["output"]["accepted"]
    if record["output"]["accepted"]:
        assert found.problems == ()
        return
    fields = {cause["field"] for cause in record["output"]["causes"]} - {"<nil>"}
    # Of the one rule over two fields the API server names the parent only.
    assert all(any(p.path.startswith(field) for p in found.problems) for field in fields)
    assert all(problem.mend for problem in found.problems)


def test_every_problem_is_reported_with_its_path():
    broken = {
        "metadata": {
            "name": "Worker_1",
            "labels": {"tier": 1},
            "annotations": {"autoscaling.keda.sh/paused": True},
        },
        "spec": {
            "pollingInterval": "30",
            "cooldownPeriod": 5.5,
            "maxReplicaCount": 1 << 40,
            "idleReplicaCount": True,
            "scaleTargetRef": ["web"],
            "fallback": {"failureThreshold": 3, "behavior": "guess"},
            "advanced": {
                "restoreToOriginalReplicaCount": "yes",
                "horizontalPodAutoscalerConfig": {
                    "behavior": {"scaleUp": {"tolerance": 0.05, "policies": [{"type": "Pods"}]}}
                },
            },
            "triggers": [
                {"type": "redis", "metadata": {"listLength": 5, 7: "x"}},
                {"metadata": {}},
                {"type": "", "metadata": "abc"},
                {"type": "cron", "metadata": {}, "authenticationRef": {"kind": "Secret"}},
            ],
        },
    }
    found = manifest.parse(broken)
    assert found.scaled_object is None
    behavior = "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp"
    assert {problem.path: (problem.problem, problem.mend) for problem in found.problems} == {
        "metadata.name": (
            "'Worker_1' is no name for an object",
            "use at most 253 lower case letters, digits, dashes and dots, a letter or digit at both ends",
        ),
        "metadata.labels.tier": ("is a number, not text", "put quotes around it"),
        "metadata.annotations.autoscaling.keda.sh/paused": ("is a boolean, not text", "put quotes around it"),
        "spec.scaleTargetRef": ("is a list, not a mapping", "write `key: value` lines below it"),
        "spec.pollingInterval": ("is text, not a whole number", "write it without quotes"),
        "spec.cooldownPeriod": ("is a number, not a whole number", "write digits only"),
        "spec.idleReplicaCount": ("is a boolean, not a whole number", "write digits only"),
        "spec.maxReplicaCount": ("1099511627776 is too high", "give at most 2147483647"),
        "spec.fallback.replicas": ("is required", "add it"),
        "spec.fallback.behavior": (
            "'guess' is none of the words known here",
            (
                "write 'static', 'currentReplicas', 'currentReplicasIfHigher', 'currentReplicasIfLower' or "
                "'scalingModifiers'"
            ),
        ),
        "spec.advanced.restoreToOriginalReplicaCount": (
            "is text, not true or false",
            "write true or false, without quotes",
        ),
        f"{behavior}.policies[0].value": ("is required", "add it"),
        f"{behavior}.policies[0].periodSeconds": ("is required", "add it"),
        f"{behavior}.tolerance": ("is a number, not text", "put quotes around it"),
        "spec.triggers[0].metadata.listLength": ("is a number, not text", "put quotes around it"),
        "spec.triggers[0].metadata[7]": ("is a number, not text", "put quotes around it"),
        "spec.triggers[1].type": ("is required", "add it"),
        "spec.triggers[2].type": ("is empty", "write text"),
        "spec.triggers[2].metadata": ("is text, not a mapping", "write `key: value` lines below it"),
        "spec.triggers[3].authenticationRef.name": ("is required", "add it"),
        "spec.triggers[3].authenticationRef.kind": (
            "'Secret' is none of the words known here",
            "write 'TriggerAuthentication' or 'ClusterTriggerAuthentication'",
        ),
    }


@pytest.mark.parametrize(
    ("broken", "paths"),
    [
        ({}, ["metadata", "spec"]),
        ({"metadata": [], "spec": 5}, ["metadata", "spec"]),
        ({"metadata": {"name": 5}, "spec": {}}, ["metadata.name", "spec.scaleTargetRef", "spec.triggers"]),
        ({"metadata": {"name": "x", "labels": "a"}, "spec": None}, ["metadata.labels", "spec"]),
        (so(triggers=[]), ["spec.triggers"]),
        (so(triggers=["redis", None]), ["spec.triggers[0]", "spec.triggers[1]"]),
        (so(triggers=[{"type": "redis"}]), ["spec.triggers[0].metadata"]),
        (so(minReplicaCount=-1, maxReplicaCount=0), ["spec.maxReplicaCount", "spec.minReplicaCount"]),
        (so(minReplicaCount=101), ["spec.minReplicaCount"]),
        (so(minReplicaCount=9, maxReplicaCount="3"), ["spec.maxReplicaCount"]),
    ],
)
def test_odd_shapes(broken, paths):
    found = manifest.parse(broken)
    assert found.scaled_object is None
    assert sorted({problem.path for problem in found.problems}) == paths


def test_a_wrong_element_is_not_reported_as_an_empty_list():
    assert texts(manifest.parse(so(triggers=[{"metadata": {}}])).problems) == [
        "spec.triggers[0].type: is required; add it"
    ]


def test_values_that_might_be_secret_are_not_repeated():
    found = manifest.parse(so(triggers=[{"type": "redis", "metadata": {"password": 123456}}]))
    assert "123456" not in " ".join(texts(found.problems))


def test_null_is_absent_as_for_the_api_server():
    found = parsed(
        minReplicaCount=None,
        fallback=None,
        triggers=[{"type": "redis", "name": None, "metadata": {"listName": "jobs", "address": None}}],
    )
    assert found.minimum == 0
    assert found.spec.fallback is None
    assert found.spec.triggers[0].name == ""
    assert found.spec.triggers[0].metadata == {"listName": "jobs"}
    assert texts(manifest.parse(so(triggers=[{"type": None, "metadata": {}}])).problems) == [
        "spec.triggers[0].type: is required; add it"
    ]


def test_whole_floats_are_integers():
    assert parsed(pollingInterval=5.0).polling_interval == 5


def test_unknown_fields_are_kept_and_named():
    found = manifest.parse(
        so(
            colour="blue",
            scaleTargetRef={"name": "web", "cluster": "b"},
            advanced={"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"pace": 1}}}},
            triggers=[{"type": "redis", "metadata": {}, "weight": 2}],
        )
    )
    assert found.scaled_object is not None
    assert {warning.path for warning in found.warnings} == {
        "spec.colour",
        "spec.scaleTargetRef.cluster",
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.pace",
        "spec.triggers[0].weight",
    }
    assert found.scaled_object.spec.model_extra == {"colour": "blue"}


def test_snake_case_is_no_field_of_a_manifest():
    found = manifest.parse(so(min_replica_count=3))
    assert found.scaled_object is not None
    assert found.scaled_object.minimum == 0
    assert [warning.path for warning in found.warnings] == ["spec.min_replica_count"]


def test_effective_values():
    plain = parsed()
    assert (plain.key, plain.hpa_name) == ("shop/worker", "keda-hpa-worker")
    assert (plain.minimum, plain.maximum, plain.idle, plain.floor, plain.rest) == (0, 100, None, 1, 0)
    assert (plain.polling_interval, plain.cooldown_period, plain.initial_cooldown_period) == (30, 300, 0)
    assert (plain.target.api_version, plain.target.kind, plain.target.name) == (
        "apps/v1",
        "Deployment",
        "web",
    )
    assert (plain.created, plain.last_active, plain.behavior) == (None, None, None)
    full = parsed(
        minReplicaCount=3,
        maxReplicaCount=9,
        idleReplicaCount=1,
        cooldownPeriod=0,
        scaleTargetRef={"name": "w", "apiVersion": "lab.test/v1", "kind": "Widget"},
        advanced={
            "horizontalPodAutoscalerConfig": {"name": "mine", "behavior": {"scaleUp": {"tolerance": 0}}}
        },
    )
    assert (full.minimum, full.maximum, full.idle, full.floor, full.rest) == (3, 9, 1, 3, 1)
    assert (full.cooldown_period, full.hpa_name, full.target.kind) == (0, "mine", "Widget")
    assert full.behavior == {"scaleUp": {"tolerance": "0"}}


def test_metadata_and_status():
    found = manifest.parse(
        {
            **so(
                metadata={
                    "uid": "u1",
                    "resourceVersion": "7",
                    "generation": 2,
                    "creationTimestamp": "2026-01-02T03:04:05Z",
                    "deletionTimestamp": "2026-01-02T04:00:00Z",
                    "finalizers": ["finalizer.keda.sh"],
                    "labels": {"a": "b"},
                    "annotations": {"c": "d"},
                }
            ),
            "status": {"lastActiveTime": "2026-01-02T03:05:00.5Z", "hpaName": "x"},
        }
    ).scaled_object
    assert found is not None
    assert (found.uid, found.resource_version, found.generation, found.deleted) == ("u1", "7", 2, True)
    assert found.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.last_active == datetime(2026, 1, 2, 3, 5, 0, 500_000, tzinfo=UTC)
    assert (found.finalizers, found.labels, found.annotations) == (
        ("finalizer.keda.sh",),
        {"a": "b"},
        {"c": "d"},
    )
    assert found.status["hpaName"] == "x"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
places = st.sampled_from(
    [
        ("metadata",),
        ("metadata", "name"),
        ("metadata", "labels"),
        ("metadata", "annotations"),
        ("metadata", "finalizers"),
        ("metadata", "uid"),
        ("metadata", "generation"),
        ("metadata", "creationTimestamp"),
        ("spec",),
        ("spec", "scaleTargetRef"),
        ("spec", "minReplicaCount"),
        ("spec", "maxReplicaCount"),
        ("spec", "fallback"),
        ("spec", "advanced"),
        ("spec", "triggers"),
        ("status",),
        ("status", "lastActiveTime"),
    ]
)


@given(places, json_values)
def test_nothing_a_user_writes_raises(place, value):
    broken = deepcopy(so())
    broken["status"] = {}
    node = broken
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    found = manifest.parse(broken)
    assert (found.scaled_object is None) == bool(found.problems)
    if found.scaled_object is not None:
        manifest.refused(found.scaled_object)
        policies.policy_of(found.scaled_object, "floor")


def test_a_thousand_objects_parse_in_a_moment():
    objects = [so(metadata={"name": f"worker-{n}"}) for n in range(1000)]
    started = time.process_time()
    assert all(manifest.parse(obj).scaled_object for obj in objects)
    assert (
        time.process_time() - started < 1.0
    )  # 20 ms on a laptop; CPU time, so a busy machine does not matter.


# What the reconciler refuses


def refusals(**changes):
    return [(refusal.step, refusal.problem.path) for refusal in rules.refusals(parsed(**changes))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"minReplicaCount": 0, "idleReplicaCount": 0}, []),
        ({"idleReplicaCount": 0}, [(Step.BOUNDS, "spec.idleReplicaCount")]),
        ({"minReplicaCount": 2, "idleReplicaCount": 2}, [(Step.BOUNDS, "spec.idleReplicaCount")]),
        ({"minReplicaCount": 2, "idleReplicaCount": 1}, []),
        (
            {
                "triggers": [
                    {"type": "redis", "name": "a", "metadata": {}},
                    {"type": "cpu", "useCachedMetrics": True, "metadata": {}},
                    {"type": "redis", "name": "a", "metadata": {}},
                ]
            },
            [(Step.TRIGGERS, "spec.triggers[1].useCachedMetrics"), (Step.TRIGGERS, "spec.triggers[2].name")],
        ),
        ({"metadata": {"name": "w" * 64}}, [(Step.LABEL, "metadata.name")]),
        (
            {"advanced": {"horizontalPodAutoscalerConfig": {"name": "My_HPA"}}},
            [(Step.HPA, "spec.advanced.horizontalPodAutoscalerConfig.name")],
        ),
        (
            {"metadata": {"annotations": {"tidegate.dev/activation": "rocket"}}},
            [(Step.ANNOTATIONS, "metadata.annotations.tidegate.dev/activation")],
        ),
    ],
)
def test_refusals_and_their_steps(changes, expected):
    assert refusals(**changes) == expected


def test_refusals_come_in_the_order_of_the_steps():
    found = refusals(
        idleReplicaCount=0,
        triggers=[{"type": "cron", "useCachedMetrics": True, "metadata": {}}],
        metadata={"annotations": {"tidegate.dev/activation": ""}},
    )
    assert [step for step, _ in found] == [Step.BOUNDS, Step.TRIGGERS, Step.ANNOTATIONS]


RECORDED_STEPS = {
    "so-idle-eq-min": Step.BOUNDS,
    "so-dup-trigger-names": Step.TRIGGERS,
    "so-use-cached-cpu": Step.TRIGGERS,
}


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record["id"])
def test_refuses_only_what_keda_refuses(record):
    found = manifest.parse(record["input"]["manifest"]).scaled_object
    if found is None:
        return
    refused = rules.refusals(found)
    ready = record["output"]["settled"]["ready"]
    if refused:
        assert ready["reason"] == "ScaledObjectCheckFailed"
    if record["id"] in RECORDED_STEPS:
        assert [refusal.step for refusal in refused] == [RECORDED_STEPS[record["id"]]]


def annotated(**words):
    """An object with annotations; keys without a prefix are KEDA's, `own_x_y` is tidegate.dev/x-y."""
    named = {}
    for key, word in words.items():
        prefix = "tidegate.dev/" if key.startswith("own_") else "autoscaling.keda.sh/"
        named[prefix + key.removeprefix("own_").replace("_", "-")] = word
    return parsed(metadata={"annotations": named})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, Pause()),
        ({"paused": ""}, Pause(full=True)),
        ({"paused": "sure"}, Pause(full=True)),
        ({"paused": "False"}, Pause()),
        ({"paused": "false", "paused_replicas": "0"}, Pause(full=True, replicas=0)),
        ({"paused_replicas": "+7"}, Pause(full=True, replicas=7)),
        ({"paused_replicas": "three"}, Pause(full=True)),
        ({"paused_replicas": "-1"}, Pause(full=True)),
        ({"paused_replicas": "2147483648"}, Pause(full=True)),
        ({"paused_scale_in": "t", "paused_scale_out": "0"}, Pause(scale_in=True)),
        ({"paused_scale_out": "yes"}, Pause(scale_out=True)),
    ],
)
def test_pauses(words, expected):
    so = annotated(**words)
    assert policies.policy_of(so, "floor").pause == expected
    broken = "paused_replicas" in words and expected.replicas is None
    assert (annotations.paused_replicas_problem(so.annotations) is not None) == broken


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("hold", OnError()),
        ("hold=10m", OnError(seconds=600.0)),
        ("ignore", OnError(kind="ignore")),
        ("last-known=90s", OnError(kind="last-known", seconds=90.0)),
        ("last-known", None),
        ("ignore=5m", None),
        ("hold=", None),
        ("hold=5", None),
        ("hold=-5s", None),
        ("give-up", None),
        ("", None),
    ],
)
def test_on_error(word, expected):
    so = annotated(own_on_error=word)
    assert policies.policy_of(so, "floor").on_error == (expected or OnError())
    assert bool(list(rules.refused(so))) == (expected is None)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("external_scale", "respect", "never"),
        ("scale_to_zero", "after-scale-in", "slowly"),
        ("mode", "observe", "watch"),
        ("brake", "off", "release"),
        ("activation", "desired", "Desired"),
        ("processing_seconds", "600", "10m"),
    ],
)
def test_our_own_annotations_are_refused_by_name_when_they_mean_nothing(name, good, bad):
    assert rules.refused(annotated(**{f"own_{name}": good})) == ()
    (problem,) = rules.refused(annotated(**{f"own_{name}": bad}))
    assert problem.path == f"metadata.annotations.tidegate.dev/{name.replace('_', '-')}"
    (problem,) = rules.refused(annotated(own_typo="x"))
    assert problem.path == "metadata.annotations.tidegate.dev/typo"


@pytest.mark.parametrize(
    ("own", "namespace", "default", "expected"),
    [
        (None, None, "act", False),
        ("observe", None, "act", True),
        (None, "observe", "act", True),
        (None, None, "observe", True),
        ("act", "observe", "act", True),
        ("act", "act", "observe", True),
        ("rocket", None, "act", True),
        (None, "Observe", "act", True),
    ],
)
def test_the_most_careful_mode_wins(own, namespace, default, expected):
    key = "tidegate.dev/mode"
    mine, around = ({} if word is None else {key: word} for word in (own, namespace))
    assert annotations.observed(mine, around, default) == expected


@pytest.mark.parametrize(
    ("own", "namespace", "default", "expected"),
    [
        (None, None, "floor", "floor"),
        (None, None, "desired", "desired"),
        (None, "desired", "floor", "desired"),
        ("floor", "desired", "desired", "floor"),
        ("desired", "floor", "floor", "desired"),
        (None, "rocket", "floor", "floor"),
    ],
)
def test_activation(own, namespace, default, expected):
    key = "tidegate.dev/activation"
    found = parsed(metadata={"annotations": {} if own is None else {key: own}})
    around = {} if namespace is None else {key: namespace}
    assert annotations.activation(found.annotations, around, default) == expected
    assert (not list(annotations.namespace_problems(around))) == (namespace in {None, "floor", "desired"})
