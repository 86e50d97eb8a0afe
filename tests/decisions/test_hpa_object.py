"""The HPA of a ScaledObject: as KEDA makes it, stored as an API server stores it, written only when it differs."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import hpa, manifest
from scalers.sdk import MetricSpec

DATA = Path(__file__).parents[1] / "conformance/data"
BEHAVIORS = [
    record
    for record in (json.loads(line) for line in (DATA / "hpa.jsonl").read_text().splitlines())
    if "behavior_defaulted" in record["output"]
]


def settled():
    """Recorded objects whose HPA follows from redis lists alone, and which use nothing of a later issue."""
    for line in (DATA / "scaledobjects.jsonl").read_text().splitlines():
        record = json.loads(line)
        so = manifest.parse(record["input"]["manifest"]).scaled_object
        hpas = record["output"].get("settled", {}).get("hpas")
        if so and hpas and not so.modifiers and all(t.type == "redis" for t in so.spec.triggers):
            yield pytest.param(so, hpas, id=record["id"])


def lists(so):
    return [
        hpa.TriggerMetrics(
            index,
            (
                MetricSpec(
                    f"redis-{trigger.metadata['listName']}", int(trigger.metadata.get("listLength", "5"))
                ),
            ),
            trigger.metric_type,
        )
        for index, trigger in enumerate(so.spec.triggers)
    ]


def scaled_object(metadata=None, **spec):
    base = {
        "scaleTargetRef": {"name": "web"},
        "triggers": [{"type": "redis", "metadata": {"listName": "jobs"}}],
    }
    found = manifest.parse(
        {"metadata": {"name": "worker", "uid": "u", **(metadata or {})}, "spec": {**base, **spec}}
    )
    assert found.scaled_object is not None, found.problems
    return found.scaled_object


def one(target=5, metric_type="", name="redis-jobs"):
    return [hpa.TriggerMetrics(0, (MetricSpec(name, target),), metric_type)]


def stored(wanted):
    """As an API server would give it back: another object, defaulted, JSON-clean."""
    return json.loads(json.dumps(hpa.defaulted(wanted)))


# desired


@pytest.mark.parametrize(("so", "hpas"), list(settled()))
def test_as_recorded(so, hpas):
    found = stored(hpa.desired(so, lists(so), "VERSION"))
    recorded = next(h for h in hpas if h["metadata"]["name"] == so.hpa_name)
    del found["metadata"]["namespace"]
    for reference in found["metadata"]["ownerReferences"]:
        del reference["uid"]
    assert {"metadata": found["metadata"], "spec": found["spec"]} == recorded


def test_an_unknown_metric_type_is_handed_on():
    metric = hpa.desired(scaled_object(), one(metric_type="Weird"), "1")["spec"]["metrics"][0]
    assert metric["external"]["target"] == {"type": "Weird", "value": "5"}


def test_value_and_fractions():
    metric = hpa.desired(scaled_object(), one(2.5, "Value"), "1")["spec"]["metrics"][0]
    assert metric["external"]["target"] == {"type": "Value", "value": "2500m"}


def test_several_metrics_keep_the_order_of_the_triggers():
    metrics = [
        hpa.TriggerMetrics(0, (MetricSpec("z", 1), MetricSpec("a", 2))),
        hpa.TriggerMetrics(1, (MetricSpec("invalid", 1),)),
    ]
    found = hpa.desired(scaled_object(), metrics, "1")["spec"]["metrics"]
    assert [metric["external"]["metric"]["name"] for metric in found] == ["s0-z", "s0-a", "s1-invalid"]


def test_no_metric_and_a_metric_twice_are_refused():
    with pytest.raises(ValueError, match="no trigger of ScaledObject default/worker has a metric"):
        hpa.desired(scaled_object(), [], "1")
    twice = [hpa.TriggerMetrics(0, (MetricSpec("a", 1), MetricSpec("a", 2)))]
    with pytest.raises(ValueError, match="metric s0-a is defined twice"):
        hpa.desired(scaled_object(), twice, "1")
    with pytest.raises(ValueError, match="metric s0-redis-jobs"):
        hpa.desired(scaled_object(), one(float("nan")), "1")


def test_labels():
    long = "w" * 50
    so = scaled_object(
        metadata={
            "name": long,
            "labels": {"team": "blue", "app.kubernetes.io/version": "mine", "gone": "x"},
            "annotations": {
                "scaledobject.keda.sh/hpa-excluded-labels": "gone,nosuch,scaledobject.keda.sh/name"
            },
        },
        advanced={"horizontalPodAutoscalerConfig": {"name": "h" * 61 + ".-." + "x"}},
    )
    found = hpa.desired(so, one(), "1.2.3")["metadata"]
    assert found["labels"] == {
        "app.kubernetes.io/name": "h" * 61,
        "app.kubernetes.io/version": "mine",
        "app.kubernetes.io/part-of": long,
        "app.kubernetes.io/managed-by": "keda-operator",
        "scaledobject.keda.sh/name": long,
        "team": "blue",
    }
    assert found["annotations"] == so.annotations
    assert "annotations" not in hpa.desired(scaled_object(), one(), "1")["metadata"]


def test_rendered_without_the_uid_that_nobody_gave():
    rendered = hpa.render(scaled_object(metadata={"uid": ""}), one(), "1")
    assert "uid" not in rendered["metadata"]["ownerReferences"][0]
    assert hpa.render(scaled_object(), one(), "1") == hpa.desired(scaled_object(), one(), "1")


# defaulted


@pytest.mark.parametrize("record", BEHAVIORS, ids=lambda record: record["id"])
def test_behavior_is_defaulted_as_recorded(record):
    given_behavior = record["input"].get("behavior")
    wanted = hpa.desired(scaled_object(), one(), "1")
    if given_behavior is not None:
        wanted["spec"]["behavior"] = given_behavior
    assert hpa.defaulted(wanted)["spec"].get("behavior") == record["output"]["behavior_defaulted"]
    assert hpa.validate(hpa.defaulted(wanted)) == []


def test_the_least_hpa_is_completed():
    least = {"spec": {"maxReplicas": 3, "minReplicas": None, "scaleTargetRef": {}}}
    spec = hpa.defaulted(least)["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }
    ]
    assert least == {"spec": {"maxReplicas": 3, "minReplicas": None, "scaleTargetRef": {}}}


def test_quantities_are_canonical_in_spec_and_status():
    target = {"type": "AverageValue", "averageValue": "2.500"}
    metric = {"type": "External", "external": {"metric": {"name": "m"}, "target": target}}
    current = {
        "type": "External",
        "external": {"metric": {"name": "m"}, "current": {"averageValue": "0.5", "value": "1e3"}},
    }
    found = hpa.defaulted(
        {"spec": {"metrics": [metric]}, "status": {"currentMetrics": [current], "currentReplicas": 1}}
    )
    assert found["spec"]["metrics"][0]["external"]["target"]["averageValue"] == "2500m"
    assert found["status"]["currentMetrics"][0]["external"]["current"] == {
        "averageValue": "500m",
        "value": "1e3",
    }
    assert found["status"]["currentReplicas"] == 1


# difference

rules = st.fixed_dictionaries(
    {},
    optional={
        "stabilizationWindowSeconds": st.integers(0, 3600),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["Pods", "Percent"]),
                    "value": st.integers(1, 500),
                    "periodSeconds": st.integers(1, 1800),
                }
            ),
            min_size=1,
            max_size=3,
        ),
        "tolerance": st.sampled_from(["0.05", "0.050", "50m", "0", "1e-1", "1"]),
    },
)
behaviors = st.none() | st.fixed_dictionaries({}, optional={"scaleUp": rules, "scaleDown": rules})
targets = st.integers(1, 10**9) | st.floats(0.001, 1e6)


@st.composite
def wanted_hpas(draw):
    behavior = draw(behaviors)
    config = (
        {} if behavior is None else {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}}
    )
    low = draw(st.integers(0, 5))
    so = scaled_object(
        metadata={"labels": draw(st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")))},
        minReplicaCount=low,
        maxReplicaCount=draw(st.integers(max(low, 1), 9)),
        **config,
    )
    kind = draw(st.sampled_from(["", "AverageValue", "Value"]))
    return hpa.desired(so, one(draw(targets), kind), "1")


@given(wanted_hpas())
def test_what_was_written_needs_no_second_write(wanted):
    live = stored(wanted)
    assert hpa.difference(live, wanted) == ()
    assert hpa.validate(live) == []
    assert hpa.defaulted(live) == live


@given(wanted_hpas(), wanted_hpas())
def test_different_wishes_differ_and_equal_ones_do_not(first, second):
    same = stored(first)["spec"] == stored(second)["spec"]
    labels = second["metadata"]["labels"].items() <= first["metadata"]["labels"].items()
    assert (hpa.difference(stored(first), second) == ()) == (same and labels)


EDITS = {
    "spec.maxReplicas": lambda live: live["spec"].update(maxReplicas=7),
    "spec.minReplicas": lambda live: live["spec"].update(minReplicas=2),
    "spec.scaleTargetRef.name": lambda live: live["spec"]["scaleTargetRef"].update(name="other"),
    "spec.metrics": lambda live: live["spec"]["metrics"].append(live["spec"]["metrics"][0]),
    "spec.metrics[0].external.target.averageValue": lambda live: target_of(live).update(averageValue="6"),
    "spec.metrics[0].external.metric.selector.matchLabels.x": lambda live: live["spec"]["metrics"][0][
        "external"
    ]["metric"]["selector"]["matchLabels"].update(x="y"),
    "spec.behavior.scaleUp.tolerance": lambda live: live["spec"]["behavior"]["scaleUp"].pop("tolerance"),
    "spec.behavior.scaleDown.selectPolicy": lambda live: live["spec"]["behavior"]["scaleDown"].update(
        selectPolicy="Disabled"
    ),
    "spec.behavior.scaleDown.tolerance": lambda live: live["spec"]["behavior"]["scaleDown"].update(
        tolerance="1"
    ),
    "spec.behavior": lambda live: live["spec"].pop("behavior"),
    "metadata.labels.team": lambda live: live["metadata"]["labels"].update(team="red"),
    "metadata.labels.scaledobject.keda.sh/name": lambda live: live["metadata"]["labels"].pop(
        "scaledobject.keda.sh/name"
    ),
    "metadata.annotations.note": lambda live: live["metadata"].pop("annotations"),
    "metadata.ownerReferences": lambda live: live["metadata"].pop("ownerReferences"),
}


def target_of(live):
    return live["spec"]["metrics"][0]["external"]["target"]


def edited():
    so = scaled_object(
        metadata={"labels": {"team": "blue"}, "annotations": {"note": "1"}},
        advanced={"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"tolerance": "0.05"}}}},
    )
    return hpa.desired(so, one(), "1")


@pytest.mark.parametrize("path", EDITS)
def test_every_edit_is_found(path):
    wanted = edited()
    live = stored(wanted)
    EDITS[path](live)
    assert hpa.difference(live, wanted) == (path,)


def test_what_others_add_is_left_alone():
    wanted = edited()
    live = stored(wanted)
    live["metadata"]["labels"]["argo"] = "x"
    live["metadata"]["annotations"]["other"] = "y"
    live["metadata"]["ownerReferences"].append(
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "z"}
    )
    live["spec"]["selectionStrategy"] = "a field of a later API server"
    live["status"] = {"currentReplicas": 1}
    assert hpa.difference(live, wanted) == ()


def test_what_the_object_alone_said_goes_with_its_last_annotation():
    wanted = edited()
    wanted["metadata"].pop("annotations", None)
    live = stored(wanted)
    live["metadata"]["annotations"] = {"other": "y", "autoscaling.keda.sh/force-activation": "true"}
    assert hpa.difference(live, wanted) == ("metadata.annotations.autoscaling.keda.sh/force-activation",)
    wanted["metadata"]["annotations"] = {"n": "1"}  # KEDA compares no further than this (facts 2.5).
    live["metadata"]["annotations"]["n"] = "1"
    assert hpa.difference(live, wanted) == ()


def test_another_controller_is_taken_over():
    wanted = edited()
    live = stored(wanted)
    live["metadata"]["ownerReferences"].insert(
        0, {"kind": "App", "name": "x", "uid": "z", "controller": True}
    )
    assert hpa.difference(live, wanted) == ("metadata.ownerReferences",)


# validate


def recorded_refusals():
    exchanges = [
        {
            "minReplicas": 0,
            "maxReplicas": 0,
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "metrics": [
                {
                    "type": "External",
                    "external": {"metric": {"name": "m/x"}, "target": {"type": "AverageValue"}},
                }
            ],
        },
        [
            ("spec.minReplicas", "FieldValueInvalid", "Invalid value: 0: must be greater than or equal to 1"),
            ("spec.maxReplicas", "FieldValueRequired", "Required value: must be set and greater than 0"),
            (
                "spec.scaleTargetRef.apiVersion",
                "FieldValueInvalid",
                'Invalid value: "": apiVersion must specify API group',
            ),
            (
                "spec.metrics[0].external.metric.name",
                "FieldValueInvalid",
                "Invalid value: \"m/x\": may not contain '/'",
            ),
            (
                "spec.metrics[0].external.target.averageValue",
                "FieldValueRequired",
                "Required value: must set either a target value for metric or a per-pod target",
            ),
        ],
    ]
    return tuple(exchanges)


def test_refused_as_recorded_by_a_real_api_server():
    spec, causes = recorded_refusals()
    assert hpa.validate(hpa.defaulted({"spec": spec})) == causes


def metric(**target):
    return [{"type": "External", "external": {"metric": {"name": "m"}, "target": target}}]


def rules_with(**changes):
    return {"scaleUp": changes}


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"maxReplicas": -1}, "spec.maxReplicas", "FieldValueInvalid"),
        ({"minReplicas": 9, "maxReplicas": 3}, "spec.maxReplicas", "FieldValueInvalid"),
        ({"maxReplicas": "3"}, "spec.maxReplicas", "FieldValueTypeInvalid"),
        ({"maxReplicas": 1 << 31}, "spec.maxReplicas", "FieldValueTypeInvalid"),
        ({"scaleTargetRef": None}, "spec.scaleTargetRef.kind", "FieldValueRequired"),
        (
            {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "a/b", "name": "x"}},
            "spec.scaleTargetRef.kind",
            "FieldValueInvalid",
        ),
        (
            {"scaleTargetRef": {"apiVersion": "a/b/c", "kind": "b", "name": "x"}},
            "spec.scaleTargetRef.apiVersion",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="AverageValue", averageValue="0")},
            "spec.metrics[0].external.target.averageValue",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="AverageValue", averageValue="-1")},
            "spec.metrics[0].external.target.averageValue",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="AverageValue", averageValue="five")},
            "spec.metrics[0].external.target.averageValue",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="Value", value="0")},
            "spec.metrics[0].external.target.value",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="Weird", value="1")},
            "spec.metrics[0].external.target.type",
            "FieldValueInvalid",
        ),
        (
            {"metrics": metric(type="Value", value="1", averageValue="1")},
            "spec.metrics[0].external.target.value",
            "FieldValueForbidden",
        ),
        ({"metrics": [{"type": "External"}]}, "spec.metrics[0].external", "FieldValueRequired"),
        ({"metrics": [{"type": "Other"}]}, "spec.metrics[0].type", "FieldValueNotSupported"),
        ({"metrics": ["x"]}, "spec.metrics[0]", "FieldValueTypeInvalid"),
        (
            {"metrics": [{**metric(type="Value", value="1")[0], "pods": {"metric": {"name": "p"}}}]},
            "spec.metrics[0].pods",
            "FieldValueForbidden",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "Pods",
                        "pods": {"metric": {"name": "p"}, "target": {"type": "Value", "value": "1"}},
                    }
                ]
            },
            "spec.metrics[0].pods.target.averageValue",
            "FieldValueRequired",
        ),
        (
            {
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}
                ]
            },
            "spec.metrics[0].resource.target.averageUtilization",
            "FieldValueRequired",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "", "target": {"type": "Utilization", "averageUtilization": 1}},
                    }
                ]
            },
            "spec.metrics[0].resource.name",
            "FieldValueRequired",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 0},
                        },
                    }
                ]
            },
            "spec.metrics[0].resource.target.averageUtilization",
            "FieldValueInvalid",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "ContainerResource",
                        "containerResource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 1},
                        },
                    }
                ]
            },
            "spec.metrics[0].containerResource.container",
            "FieldValueRequired",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "ContainerResource",
                        "containerResource": {
                            "name": "cpu",
                            "container": "A",
                            "target": {"type": "Utilization", "averageUtilization": 1},
                        },
                    }
                ]
            },
            "spec.metrics[0].containerResource.container",
            "FieldValueInvalid",
        ),
        (
            {"behavior": rules_with(stabilizationWindowSeconds=3601)},
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
            "FieldValueInvalid",
        ),
        (
            {"behavior": rules_with(stabilizationWindowSeconds=-1)},
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
            "FieldValueInvalid",
        ),
        (
            {"behavior": rules_with(selectPolicy="Most")},
            "spec.behavior.scaleUp.selectPolicy",
            "FieldValueNotSupported",
        ),
        ({"behavior": rules_with(policies=[])}, "spec.behavior.scaleUp.policies", "FieldValueRequired"),
        (
            {"behavior": rules_with(policies=[{"type": "Cores", "value": 1, "periodSeconds": 1}])},
            "spec.behavior.scaleUp.policies[0].type",
            "FieldValueNotSupported",
        ),
        (
            {"behavior": rules_with(policies=[{"type": "Pods", "value": 0, "periodSeconds": 1}])},
            "spec.behavior.scaleUp.policies[0].value",
            "FieldValueInvalid",
        ),
        (
            {"behavior": rules_with(policies=[{"type": "Pods", "value": 1, "periodSeconds": 1801}])},
            "spec.behavior.scaleUp.policies[0].periodSeconds",
            "FieldValueInvalid",
        ),
        ({"behavior": rules_with(tolerance="-0.1")}, "spec.behavior.scaleUp.tolerance", "FieldValueInvalid"),
        ({"behavior": {"scaleUp": 5}}, "spec.behavior.scaleUp", "FieldValueTypeInvalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(changes, field, reason):
    base = {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": metric(type="AverageValue", averageValue="5"),
    }
    assert hpa.validate(hpa.defaulted({"spec": base})) == []
    found = hpa.validate(hpa.defaulted({"spec": {**base, **changes}}))
    assert (field, reason) in [(cause.field, cause.reason) for cause in found]


def test_a_replication_controller_has_no_group():
    ref = {"apiVersion": "v1", "kind": "ReplicationController", "name": "web"}
    wanted = {"spec": {"maxReplicas": 1, "scaleTargetRef": ref}}
    assert hpa.validate(hpa.defaulted(wanted)) == []
    ref["kind"] = "Pod"
    assert [cause.field for cause in hpa.validate(hpa.defaulted(wanted))] == [
        "spec.scaleTargetRef.apiVersion"
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@given(st.data())
def test_nothing_sent_to_the_api_server_raises(data):
    body = deepcopy(edited())
    node = body
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or data.draw(st.booleans()):
            node[key] = data.draw(json_values)
            break
        node = node[key]
    defaulted = hpa.defaulted(body)
    assert all(cause.field and cause.message for cause in hpa.validate(defaulted))
    if isinstance(body.get("metadata"), dict):
        hpa.difference(edited(), edited())
