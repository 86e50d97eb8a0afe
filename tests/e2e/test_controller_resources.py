"""Objects with `cpu` and `memory` triggers: the HPA reads them, on a cluster without resource metrics."""

import pytest
from controlled import DEPLOYMENTS, HPAS, controlled

CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
SIDE = {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "64Mi", "containerName": "app"}}
NEVER = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 0 1 1 *", "end": "1 0 1 1 *", "desiredReplicas": "3"},
}


async def test_only_cpu_is_always_active_and_reads_nothing():
    async with controlled(None) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", CPU, CPU, SIDE, pollingInterval=10)
        await run.settled()
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        assert not run.embedded.sources()
        status = run.status()
        assert status["resourceMetricNames"] == ["cpu", "cpu"]
        assert status["lastActiveTime"]
        assert not {"externalMetricNames", "triggersActivity"} & set(status)
        types = [metric["type"] for metric in run.hpa()["spec"]["metrics"]]
        assert types == ["ContainerResource", "Resource", "Resource"]
        wanted = {
            "FailedGetResourceMetric",
            "FailedGetContainerResourceMetric",
            "FailedComputeMetricsReplicas",
        }
        await run.until(
            lambda: wanted & set(run.events("keda-hpa-worker")) >= {"FailedComputeMetricsReplicas"}
        )
        writes = len(run.writes())
        await run.schedule(25)
        assert len(run.writes()) == writes, "at rest nothing is written"


async def test_what_somebody_scaled_to_zero_comes_back():
    """No read is the occasion, and no change of the target: time is."""
    async with controlled(None) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", CPU, pollingInterval=5, minReplicaCount=2)
        await run.settled()
        run.scale(0)
        await run.until(lambda: run.replicas() == 2)
        await run.until(lambda: "KEDAScaleTargetActivated" in run.events())


async def test_that_the_hpa_cannot_work_is_told():
    async with controlled(None, factor=60) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", CPU, pollingInterval=5)
        await run.until(lambda: run.ready() == ("False", "HPAMetricsUnavailable"))
        assert "FailedGetResourceMetric" in run.message()


async def test_beside_another_trigger_it_says_nothing():
    async with controlled(None) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", SIDE, CPU, NEVER)
        await run.until(lambda: run.replicas() == 0)
        assert run.active() == ("False", "ScalerNotActive")
        status = run.status()
        assert status["resourceMetricNames"] == ["cpu"]
        (external,) = status["externalMetricNames"]
        assert external.startswith("s2-cron-")
        assert list(status["triggersActivity"]) == [external]


@pytest.mark.parametrize("bad", [{**CPU, "metricType": "Value"}, {**CPU, "metadata": {"value": "60%"}}])
async def test_a_bad_one_keeps_the_hpa_from_scaling_in_and_the_other_works(bad):
    async with controlled(None) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", bad, CPU)
        await run.until(lambda: run.ready() == ("False", "TriggerError"))
        assert run.message().startswith("TriggersFailed")
        assert "spec.triggers[0].met" in run.message()
        names = [
            metric.get("external", {}).get("metric", {}).get("name")
            for metric in run.hpa()["spec"]["metrics"]
        ]
        assert names == ["s0-invalid", None]
        run.patch(spec={"triggers": [CPU]})
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.settled()
        await run.until(lambda: "externalMetricNames" not in run.status())


async def test_cpu_alone_that_is_bad_gets_no_hpa():
    async with controlled(None) as run:
        run.deployment(replicas=1)
        run.scaled_object("worker", {**CPU, "metricType": ""})
        await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
        assert "metricType: is required; write Utilization or AverageValue" in run.message()
        assert run.hpa() is None
        assert run.api.get(*DEPLOYMENTS, "default", "web")["spec"]["replicas"] == 1
        assert not run.api.list(*HPAS, "default")
