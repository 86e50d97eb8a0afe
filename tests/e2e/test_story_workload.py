"""0 → N → 0 with the pods of another workload as the source, all of them real processes."""

import pytest
from controlled import DEPLOYMENTS, controlled

pytestmark = [pytest.mark.slow, pytest.mark.server]

MINUTES = 6000
"""A pollingInterval so long that only wake-ups can be the reason."""
RUNS = {"command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]}


def pods(run, app, phase="Running"):
    found = run.api.list("", "pods", "default")
    return [
        pod
        for pod in found
        if pod["metadata"]["labels"].get("app") == app and pod.get("status", {}).get("phase") == phase
    ]


async def test_kubernetes_workload():
    trigger = {
        "type": "kubernetes-workload",
        "metadata": {"podSelector": "app in (clients)", "value": "2", "activationValue": "1"},
    }
    async with controlled(None, pods="process", hpa_sync=2.0) as run:
        run.deployment("clients", **RUNS)
        run.deployment("servers", **RUNS)
        behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
        run.scaled_object(
            "worker", trigger, to="servers", pollingInterval=MINUTES, cooldownPeriod=5,
            advanced={"horizontalPodAutoscalerConfig": {"behavior": behavior}},
        )  # fmt: skip
        await run.settled()
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert run.status()["externalMetricNames"] == ["s0-workload-default"]

        run.scale(6, "clients")
        await run.until(lambda: len(pods(run, "servers")) == 3)
        assert run.replicas("servers") == 3
        assert run.active() == ("True", "ScalerActive")

        # Above the floor nobody listens: the next poll would find it, and here the HPA's own reads do.
        run.scale(1, "clients")
        await run.until(lambda: run.replicas("servers") == 1)
        run.patch(spec={"pollingInterval": 5})
        run.scale(0, "clients")
        await run.until(lambda: run.replicas("servers") == 0)
        await run.until(lambda: not pods(run, "servers"))
        done = run.api.get(*DEPLOYMENTS, "default", "servers")
        assert (done.get("status") or {}).get("replicas", 0) == 0
