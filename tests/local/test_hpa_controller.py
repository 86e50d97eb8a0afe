"""The HPA controller around its arithmetic: what it reads, when, and what it writes and says."""

import asyncio
import json
from pathlib import Path

import pytest
from embedded import DEPLOYMENTS, HPAS, PODS, cluster, condition, deployment, reasons

from scaler.local import crds
from scaler.local.api import ApiError

RECORDED = Path(__file__).parent.parent / "conformance" / "data" / "hpa.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text().splitlines()]


class Metrics:
    """A scripted external-metrics API: name → values, or the error to raise; remembers what was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def __call__(self, namespace, name, selector):
        self.asked.append((namespace, name, selector))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def external(name, target, kind="AverageValue", **labels):
    key = "averageValue" if kind == "AverageValue" else "value"
    metric = {"name": name} | ({"selector": {"matchLabels": labels}} if labels else {})
    return {"type": "External", "external": {"metric": metric, "target": {"type": kind, key: target}}}


def hpa(*metrics, name="web", target="web", **spec):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "maxReplicas": 100,
            "metrics": list(metrics),
            **spec,
        },
    }


PERIOD = 15.0
NOW = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def replicas(api):
    return api.get(*DEPLOYMENTS, "web")["spec"]["replicas"]


async def test_scales_out_in_its_first_sync_and_says_so(fake_clock):
    metrics = Metrics(**{"s0-jobs": ["18"]})
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.settle()
        labels = {"scaledobject.keda.sh/name": "web"}
        api.create(*HPAS, hpa(external("s0-Jobs", "5", **labels)))
        await fake_clock.advance(PERIOD)
        assert replicas(api) == 4
        status = api.get(*HPAS, "web")["status"]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (1, 4)
        assert status["currentMetrics"][0]["external"]["current"] == {"averageValue": "18"}
        assert status["lastScaleTime"] == "2026-01-05T12:00:15Z"
        obj = api.get(*HPAS, "web")
        assert condition(obj, "AbleToScale") == ("True", "SucceededRescale")
        assert condition(obj, "ScalingActive") == ("True", "ValidMetricFound")
        assert condition(obj, "ScalingLimited") == ("False", "DesiredWithinRange")
        assert reasons(api, "web").count("SuccessfulRescale") == 1
        assert metrics.asked == [("default", "s0-jobs", "scaledobject.keda.sh/name=web")]


async def test_a_new_hpa_waits_a_period_for_its_first_sync(fake_clock):
    metrics = Metrics(m=["20"])
    async with cluster(fake_clock, pods="ready", fetch=metrics, hpa_sync=10.0) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(9.9)
        assert metrics.asked == []
        assert "conditions" not in api.get(*HPAS, "web")["status"]
        await fake_clock.advance(0.2)
        assert replicas(api) == 4


async def test_looks_once_a_period_and_writes_nothing_at_rest(fake_clock):
    metrics = Metrics(m=["5"])
    async with cluster(fake_clock, pods="ready", fetch=metrics, hpa_sync=15.0) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5"), behavior=NOW))
        await fake_clock.advance(31)
        assert len(metrics.asked) == 2
        before = api.store.version
        await fake_clock.advance(150)
        assert len(metrics.asked) == 12
        assert api.store.version == before


async def test_an_edited_hpa_waits_for_its_next_sync(fake_clock):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["20"])) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5"), maxReplicas=2))
        await fake_clock.advance(PERIOD)
        assert replicas(api) == 2
        assert condition(api.get(*HPAS, "web"), "ScalingLimited") == ("True", "TooManyReplicas")
        await fake_clock.advance(PERIOD - 1)
        api.merge_patch(*HPAS, "web", {"spec": {"maxReplicas": 3}})
        await fake_clock.settle()
        assert replicas(api) == 2
        await fake_clock.advance(1)
        assert replicas(api) == 3


async def test_holds_for_the_window_before_it_scales_in(fake_clock):
    metrics = Metrics(m=["20"])
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=4))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        metrics.answers["m"] = ["5"]
        await fake_clock.advance(290)
        assert replicas(api) == 4
        assert condition(api.get(*HPAS, "web"), "AbleToScale") == ("True", "ScaleDownStabilized")
        await fake_clock.advance(30)
        assert replicas(api) == 1


async def test_a_metric_that_cannot_be_read_holds_everything(fake_clock):
    metrics = Metrics(m=["20"])
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5"), behavior=NOW))
        await fake_clock.advance(PERIOD)
        assert replicas(api) == 4
        metrics.answers["m"] = ApiError(503, "ServiceUnavailable", "the source is down")
        await fake_clock.advance(600)
        obj = api.get(*HPAS, "web")
        assert replicas(api) == 4
        assert obj["status"]["desiredReplicas"] == 4
        assert condition(obj, "ScalingActive") == ("False", "FailedGetExternalMetric")
        assert "the source is down" in str(obj["status"]["conditions"])
        assert {"FailedGetExternalMetric", "FailedComputeMetricsReplicas"} <= set(reasons(api, "web"))


async def test_a_metrics_api_that_hangs_is_an_unread_metric(fake_clock):
    fake_clock.virtual_io = True

    async def hang(*_):
        await asyncio.Event().wait()

    async with cluster(fake_clock, pods="ready", fetch=hang) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD + 11)
        assert condition(api.get(*HPAS, "web"), "ScalingActive") == ("False", "FailedGetExternalMetric")
        assert replicas(api) == 2


async def test_one_slow_metrics_answer_does_not_hold_the_other_hpas(fake_clock):
    async def slow_or_not(_namespace, name, _selector):
        if name == "slow":
            await asyncio.Event().wait()
        return ["10"]

    async with cluster(fake_clock, pods="ready", fetch=slow_or_not) as api:
        for name in ("slow", "m"):
            api.create(*DEPLOYMENTS, deployment(f"web-{name}", replicas=1))
        await fake_clock.settle()
        for name in ("slow", "m"):
            api.create(*HPAS, hpa(external(name, "5"), name=name, target=f"web-{name}"))
        await fake_clock.advance(PERIOD)
        assert api.get(*DEPLOYMENTS, "web-m")["spec"]["replicas"] == 2


async def test_no_metrics_are_read_at_zero_replicas(fake_clock):
    metrics = Metrics(m=["100"])
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=0))
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(60)
        assert metrics.asked == []
        assert replicas(api) == 0
        assert condition(api.get(*HPAS, "web"), "ScalingActive") == ("False", "ScalingDisabled")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone"}, "gone"),
        ({"apiVersion": "lab.test/v1", "kind": "Nothing", "name": "x"}, "no matches for kind"),
        ({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "x"}, '"x" not found'),
    ],
    ids=["absent", "unknown-kind", "no-scale"],
)
async def test_a_target_without_a_scale(fake_clock, reference, words):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["100"])) as api:
        api.create(*HPAS, hpa(external("m", "5"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        obj = api.get(*HPAS, "web")
        assert condition(obj, "AbleToScale") == ("False", "FailedGetScale")
        assert words in str(obj["status"]["conditions"])
        assert reasons(api, "web") == ["FailedGetScale"]


async def test_recovers_when_the_target_comes(fake_clock):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["10"])) as api:
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.advance(31)
        assert replicas(api) == 2
        assert condition(api.get(*HPAS, "web"), "AbleToScale")[0] == "True"


async def test_a_scale_without_a_selector(fake_clock):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["10"])) as api:
        resource, views, _ = crds.resource_of(_widgets())
        api.registry.add(resource, views)
        widget = {
            "apiVersion": "lab.test/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"replicas": 1},
        }
        api.create("lab.test", "widgets", "default", widget)
        reference = {"apiVersion": "lab.test/v1", "kind": "Widget", "name": "w"}
        api.create(*HPAS, hpa(external("m", "5"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        assert condition(api.get(*HPAS, "web"), "ScalingActive") == ("False", "InvalidSelector")
        assert "SelectorRequired" in reasons(api, "web")


async def test_a_scale_of_0_needs_no_selector(fake_clock):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["10"])) as api:
        resource, views, _ = crds.resource_of(_widgets())
        api.registry.add(resource, views)
        widget = {
            "apiVersion": "lab.test/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"replicas": 0},
        }
        api.create("lab.test", "widgets", "default", widget)
        reference = {"apiVersion": "lab.test/v1", "kind": "Widget", "name": "w"}
        api.create(*HPAS, hpa(external("m", "5"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        assert condition(api.get(*HPAS, "web"), "ScalingActive") == ("False", "ScalingDisabled")
        assert reasons(api, "web") == []


async def test_two_hpas_with_the_same_pods_are_both_stopped_until_one_is_gone(fake_clock):
    async with cluster(fake_clock, pods="none", fetch=Metrics(m=["18"])) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.settle()
        for name in ("first", "second"):
            api.create(*HPAS, hpa(external("m", "5"), name=name, minReplicas=1, maxReplicas=1))
        await fake_clock.advance(2 * PERIOD)
        for name in ("first", "second"):
            assert condition(api.get(*HPAS, name), "ScalingActive") == ("False", "AmbiguousSelector")
            assert {"AmbiguousSelector", "FailedComputeMetricsReplicas"} <= set(reasons(api, name))
        api.delete(*HPAS, "first")
        await fake_clock.advance(2 * PERIOD)
        assert condition(api.get(*HPAS, "second"), "ScalingActive") == ("True", "ValidMetricFound")


async def test_two_hpas_of_a_target_without_pods_are_not_stopped(fake_clock):
    async with cluster(fake_clock, pods="none", fetch=Metrics(m=["0"])) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=0))
        for name in ("first", "second"):
            api.create(*HPAS, hpa(external("m", "5"), name=name))
        await fake_clock.advance(2 * PERIOD)
        for name in ("first", "second"):
            assert condition(api.get(*HPAS, name), "ScalingActive") == ("False", "ScalingDisabled")


async def test_replicas_changed_under_a_sync_are_not_overwritten(fake_clock):
    async def meddle(*_):
        api.update_scale(*DEPLOYMENTS, "web", {"spec": {"replicas": 7}})
        return ["100"]

    async with cluster(fake_clock, pods="ready", fetch=meddle) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        assert replicas(api) == 7
        assert condition(api.get(*HPAS, "web"), "AbleToScale") == ("False", "FailedUpdateScale")
        assert "FailedRescale" in reasons(api, "web")


async def test_other_changes_under_a_sync_do_not_matter(fake_clock):
    async def meddle(*_):
        api.merge_patch(*DEPLOYMENTS, "web", {"metadata": {"annotations": {"a": "b"}}})
        return ["20"]

    async with cluster(fake_clock, pods="ready", fetch=meddle) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        assert replicas(api) == 4


async def test_a_deleted_hpa_is_forgotten_also_in_the_middle_of_a_sync(fake_clock):
    async def delete(*_):
        asked.append(1)
        api.delete(*HPAS, "web")
        return ["5"]

    asked = []
    async with cluster(fake_clock, pods="ready", fetch=delete) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(60)
        assert asked == [1]
        assert api.list(*HPAS) == []


CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}


async def test_one_made_anew_goes_on_where_the_former_was(fake_clock):
    """State goes by the name, as in a real cluster: an HPA deleted by mistake and mended keeps its windows."""
    metrics = Metrics(m=["20"])
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=4))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        metrics.answers["m"] = ["5"]
        api.delete(*HPAS, "web")
        await fake_clock.advance(PERIOD / 2)
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD / 2)
        assert len(metrics.asked) == 2
        assert replicas(api) == 4
        assert condition(api.get(*HPAS, "web"), "AbleToScale") == ("True", "ScaleDownStabilized")


async def test_one_made_anew_later_begins_afresh(fake_clock):
    metrics = Metrics(m=["20"])
    async with cluster(fake_clock, pods="ready", fetch=metrics) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=4))
        await fake_clock.settle()
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(PERIOD)
        api.delete(*HPAS, "web")
        await fake_clock.advance(PERIOD)
        scale = {"spec": {"replicas": 2}}
        api.update_scale(*DEPLOYMENTS, "web", scale)
        metrics.answers["m"] = ["5"]
        api.create(*HPAS, hpa(external("m", "5")))
        await fake_clock.advance(300)
        assert replicas(api) == 2
        await fake_clock.advance(30)
        assert replicas(api) == 1


async def test_one_whose_target_went_to_zero_before_the_first_sync_says_nothing(fake_clock):
    """As recorded with KEDA and a hand-made HPA on one target: KEDA is first, and the HPA finds 0 replicas."""
    async with cluster(fake_clock, pods="none") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        api.create(*HPAS, hpa(CPU, name="hand-made"))
        await fake_clock.settle()
        api.update_scale(*DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
        await fake_clock.advance(3 * PERIOD)
        assert condition(api.get(*HPAS, "hand-made"), "ScalingActive") == ("False", "ScalingDisabled")
        assert reasons(api, "hand-made") == []


@pytest.mark.parametrize("kind", ["Resource", "ContainerResource"])
async def test_cpu_metrics_say_that_nobody_serves_them(fake_clock, kind):
    field = kind[0].lower() + kind[1:]
    container = {} if kind == "Resource" else {"container": "c"}
    metric = {"type": kind, field: {**CPU["resource"], **container}}
    async with cluster(fake_clock, pods="none") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        api.create(*HPAS, hpa(metric, name="hand-made"))
        await fake_clock.advance(PERIOD)
        assert reasons(api, "hand-made") == ["FailedComputeMetricsReplicas", f"FailedGet{kind}Metric"]
        assert condition(api.get(*HPAS, "hand-made"), "ScalingActive") == ("False", f"FailedGet{kind}Metric")
        assert replicas(api) == 1


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
async def test_scales_other_workloads(fake_clock, kind):
    place = ("apps", f"{kind.lower()}s", "default")
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["15"])) as api:
        api.create(*place, {**deployment(replicas=1), "kind": kind})
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": "web"}
        api.create(*HPAS, hpa(external("m", "5"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        assert api.get(*place, "web")["spec"]["replicas"] == 3
        assert len(api.list(*PODS, labels="app=web")) == 3


async def test_scales_a_custom_resource_by_the_paths_of_its_definition(fake_clock):
    """Value metrics count ready pods, which the selector of `labelSelectorPath` finds."""
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["20"])) as api:
        api.create(*DEPLOYMENTS, deployment("other", replicas=2))
        paths = {
            "specReplicasPath": ".spec.size.count",
            "statusReplicasPath": ".status.have",
            "labelSelectorPath": ".status.where",
        }
        resource, views, _ = crds.resource_of(_widgets(**paths))
        api.registry.add(resource, views)
        widget = {
            "apiVersion": "lab.test/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": {"count": 2}},
        }
        api.create("lab.test", "widgets", "default", widget)
        status = {"status": {"have": 2, "where": "app=other"}}
        api.merge_patch("lab.test", "widgets", "default", "w", status, subresource="status")
        reference = {"apiVersion": "lab.test/v1", "kind": "Widget", "name": "w"}
        api.create(*HPAS, hpa(external("m", "10", "Value"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        assert api.get("lab.test", "widgets", "default", "w")["spec"] == {"size": {"count": 4}}
        assert api.get(*HPAS, "web")["status"]["currentReplicas"] == 2


async def test_a_custom_resource_without_the_replicas_field_has_no_scale(fake_clock):
    async with cluster(fake_clock, pods="ready", fetch=Metrics(m=["20"])) as api:
        resource, views, _ = crds.resource_of(_widgets())
        api.registry.add(resource, views)
        bare = {"apiVersion": "lab.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}}
        api.create("lab.test", "widgets", "default", bare)
        reference = {"apiVersion": "lab.test/v1", "kind": "Widget", "name": "w"}
        api.create(*HPAS, hpa(external("m", "5"), scaleTargetRef=reference))
        await fake_clock.advance(PERIOD)
        assert condition(api.get(*HPAS, "web"), "AbleToScale") == ("False", "FailedGetScale")


async def test_metrics_that_nobody_serves_here(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await fake_clock.settle()
        api.create(*HPAS, hpa(CPU, external("m", "5")))
        await fake_clock.advance(PERIOD)
        assert condition(api.get(*HPAS, "web"), "ScalingActive") == ("False", "FailedGetResourceMetric")
        assert replicas(api) == 2


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["input"]["currentReplicas"] <= 50], ids=lambda case: case["id"]
)
async def test_recorded_cases_through_the_whole_controller(fake_clock, case):
    """As recorded: a Deployment with its pods, the HPA, and the status once it says whether scaling is active."""
    given, expected = case["input"], case["output"]
    async with cluster(fake_clock, pods="none", hpa_sync=2.0, fetch=_fetch(given["metrics"])) as api:
        api.create(*DEPLOYMENTS, deployment(replicas=given["currentReplicas"]))
        await fake_clock.settle()
        for number, pod in enumerate(api.list(*PODS)):
            ready = str(number < given["readyPods"])
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
            api.merge_patch(*PODS, pod["metadata"]["name"], {"status": status}, subresource="status")
        await fake_clock.settle()
        spec = {
            "minReplicas": given["minReplicas"],
            "maxReplicas": given["maxReplicas"],
            "behavior": given.get("behavior"),
        }
        metrics = [external(f"m{i}", m["target"], m["type"]) for i, m in enumerate(given["metrics"])]
        body = hpa(*metrics, **{name: value for name, value in spec.items() if value is not None})
        if "rejected" in expected:
            with pytest.raises(ApiError):
                api.create(*HPAS, body)
            return
        api.create(*HPAS, body)
        await fake_clock.until(lambda: _active(api), within=5)
        obj = api.get(*HPAS, "web")
        assert {kind: list(condition(obj, kind)) for kind in expected["conditions"]} == expected["conditions"]
        assert obj["status"]["desiredReplicas"] == expected["desiredReplicas"]
        assert replicas(api) == expected["spec_replicas_after"]
        shown = [_shown(one) for one in obj["status"].get("currentMetrics") or () if one["type"]]
        assert shown == expected["currentMetrics"]
        assert {event["reason"] for event in expected["events"]} <= set(reasons(api, "web"))


def _active(api):
    status = api.get(*HPAS, "web").get("status") or {}
    return any(c["type"] == "ScalingActive" for c in status.get("conditions") or ())


def _shown(current):
    return {"name": current["external"]["metric"]["name"], **current["external"]["current"]}


def _fetch(metrics):
    async def fetch(_namespace, name, _selector):
        asked = metrics[int(name[1:])]
        if asked.get("missing") or "error_code" in asked:
            raise ApiError(asked.get("error_code", 404), "Failed", "recorded as failing")
        return asked["values"]

    return fetch


def _widgets(**paths):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                **paths,
            },
        },
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.lab.test"},
        "spec": {"group": "lab.test", "scope": "Namespaced", "names": names, "versions": [version]},
    }
