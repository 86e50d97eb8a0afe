"""The triggers `cpu` and `memory`: their rules, and the HPA that is made of them."""

import pytest

from scaler.core import checking, hpa, manifest
from scalers.registry import Registry
from scalers.sdk import MetricSpec, NoData, ResourceSpec

REGISTRY = Registry()
UTILIZATION = {"averageUtilization": 60, "type": "Utilization"}


def found(metric_type="Utilization", of="cpu", **metadata):
    return REGISTRY.check(of, metadata, metric_type=metric_type)


@pytest.mark.parametrize("value", ["60", "+60", "060", "0", "-5", "2147483647", "-2147483648"])
def test_per_cent(value):
    assert found(value=value).specs == (ResourceSpec("cpu", "Utilization", int(value)),)


@pytest.mark.parametrize(
    "value", ["60%", "6 0", "50.5", "x", "1_0", "2147483648", "-2147483649", "٦", "9" * 5000]
)
def test_no_per_cent(value):
    (problem,) = found(value=value).problems
    assert problem.path == "metadata.value"
    assert "write it like 60" in problem.problem


@pytest.mark.parametrize(
    ("value", "stored"), [("0.1", "100m"), ("1024Mi", "1Gi"), ("1e3", "1e3"), ("-1", "-1")]
)
def test_quantities(value, stored):
    checked = found("AverageValue", "memory", value=value, containerName=" side ")
    assert checked.specs == (ResourceSpec("memory", "AverageValue", stored, "side"),)


def test_every_problem_at_once():
    problems = found("Value", type="Utilization", value="x").problems
    assert {p.path for p in problems} == {"metricType", "metadata.type"}
    assert {p.path for p in found("").problems} == {"metricType", "metadata.value"}
    (bad,) = found("AverageValue", value="lots").problems
    assert "no quantity" in bad.problem
    for blank in (" ", " Utilization"):
        assert [p.path for p in found(blank, value="1").problems] == ["metricType"]
    (unused,) = found(value="1", valueFromEnv="X").warnings
    assert unused.path == "metadata.valueFromEnv"


async def test_nothing_is_read():
    scaler = REGISTRY.get("cpu")
    assert not scaler.reads
    with pytest.raises(NoData, match="cpu is read by the HPA itself"):
        await scaler.measure(None, None)


def scaled_object(*triggers):
    spec = {"scaleTargetRef": {"name": "web"}, "triggers": list(triggers)}
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": "shop"}, "spec": spec,
    }  # fmt: skip


def cpu(value="60", metric_type="Utilization", of="cpu", **metadata):
    return {"type": of, "metricType": metric_type, "metadata": {"value": value, **metadata}}


def test_metrics_are_in_kedas_order_and_may_have_one_name():
    so = manifest.parse(scaled_object(cpu())).scaled_object
    metrics = [
        hpa.TriggerMetrics(0, (ResourceSpec("memory", "AverageValue", "200Mi"),)),
        hpa.TriggerMetrics(1, (MetricSpec("redis-a", 5),), "Value"),
        hpa.TriggerMetrics(2, (ResourceSpec("cpu", "Utilization", 60, "side"),)),
        hpa.TriggerMetrics(3, (ResourceSpec("memory", "AverageValue", "200Mi"),)),
    ]
    made = hpa.desired(so, metrics, "V")["spec"]["metrics"]
    assert [metric["type"] for metric in made] == ["ContainerResource", "External", "Resource", "Resource"]
    assert made[0]["containerResource"] == {"name": "cpu", "container": "side", "target": UTILIZATION}
    assert made[1]["external"]["metric"]["name"] == "s1-redis-a"
    assert made[2]["resource"] == {
        "name": "memory",
        "target": {"type": "AverageValue", "averageValue": "200Mi"},
    }
    assert [hpa.trigger_of(metrics, place) for place in range(4)] == [2, 1, 0, 3]


def test_render_and_what_the_api_server_would_refuse():
    good = scaled_object(
        cpu(), {"type": "kubernetes-workload", "metadata": {"podSelector": "a", "value": "1"}}
    )
    report, (made,) = checking.render_documents([("f", good)], REGISTRY.check, "V")
    assert report.problems == ()
    names = [m["external"]["metric"]["name"] for m in made["spec"]["metrics"] if m["type"] == "External"]
    assert names == ["s1-workload-shop"]
    zero = scaled_object(good["spec"]["triggers"][1], cpu("0"))
    (problem,) = checking.check_documents([("f", zero)], REGISTRY.check).problems
    assert problem.path == "spec.triggers[1]"
    assert "makes an HPA that is refused" in problem.problem
