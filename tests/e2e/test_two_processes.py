"""The whole story with nothing but commands: a cluster in one process, Tidegate in another, kubectl, and a real queue."""

import json
import time

import pytest
from command_line import WORKER, left, running, tidegate, until, up
from redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.server]

METRIC = (
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/s0-redis-jobs"
    "?labelSelector=scaledobject.keda.sh%2Fname%3Dredis-worker"
)


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


def manifests(port):
    """The example's, with the address rewritten."""
    deployment = (WORKER / "deployment.yaml").read_text()
    assert "value: redis:6379" in deployment
    deployment = deployment.replace("value: redis:6379", f"value: 127.0.0.1:{port}")
    return f"{deployment}\n---\n{(WORKER / 'scaledobject.yaml').read_text()}"


def row(kubectl, *words):
    """The one row of a `kubectl get`, by column."""
    header, line = kubectl("get", *words).splitlines()
    starts = [header.index(name) for name in header.split()]
    ends = [*starts[1:], None]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def replicas(kubectl):
    return kubectl.get("deployment", "redis-worker")["spec"]["replicas"]


def test_from_zero_to_many_and_back(tmp_path, redis):
    with up("--cluster-only", "--hpa-sync", "2s", home=tmp_path) as (cluster, kubectl):
        applied = kubectl("apply", "-f", "-", stdin=tidegate("crds", home=tmp_path).stdout)
        assert applied.count("created") == 3
        with running(
            "run", "--register", "--kubeconfig", kubectl.kubeconfig, "--secure-port", 0, "--metrics-port", 0,
            home=tmp_path, name="run",
        ) as command:  # fmt: skip
            command.until(lambda: command.events("ready"))
            kubectl.apply(manifests(redis.port))
            kubectl("wait", "scaledobject/redis-worker", "--for=condition=Ready", "--timeout=30s")
            kubectl("wait", "scaledobject/redis-worker", "--for=condition=Active=false", "--timeout=30s")
            assert replicas(kubectl) == 0

            began = time.monotonic()
            for number in range(100):
                redis.cli("LPUSH", "jobs", f"job-{number}")
            until(lambda: replicas(kubectl) > 1)
            kubectl("wait", "deployment/redis-worker", "--for=condition=Available", "--timeout=30s")
            value = json.loads(kubectl("get", "--raw", METRIC))["items"][0]
            assert value["metricName"] == "s0-redis-jobs"
            assert value["value"].isdigit()
            until(lambda: "done job-" in kubectl("logs", "deployment/redis-worker"))
            shown = row(kubectl, "scaledobject", "redis-worker")
            assert shown["SCALETARGETKIND"] == "apps/v1.Deployment"
            assert shown["SCALETARGETNAME"] == "redis-worker"
            assert (shown["MIN"], shown["MAX"]) == ("", "10")
            assert (shown["READY"], shown["ACTIVE"]) == ("True", "True")
            assert shown["TRIGGERS"] == "redis"
            hpa = kubectl.get("hpa", "keda-hpa-redis-worker")
            assert hpa["spec"]["minReplicas"] == 1
            # The HPA reads our metric by the aggregated path, in another process.
            until(lambda: "currentMetrics" in kubectl.get("hpa", "keda-hpa-redis-worker")["status"])

            until(lambda: redis.cli("HLEN", "jobs:done") == 100, "all jobs done", within=60)
            until(lambda: replicas(kubectl) == 0, "back at zero", within=60)
            assert time.monotonic() - began >= 10, "the cooldown was kept"
            until(lambda: not kubectl.get("pods")["items"], "all workers gone")
            counts = redis.cli("HVALS", "jobs:done")
            assert counts == [b"1"] * 100
            reasons = {event["reason"] for event in kubectl.get("events")["items"]}
            assert {"KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated"} <= reasons
            assert row(kubectl, "scaledobject", "redis-worker")["ACTIVE"] == "False"

            # Both are told to stop while workers run.
            for number in range(100, 200):
                redis.cli("LPUSH", "jobs", f"job-{number}")
            until(lambda: kubectl.get("deployment", "redis-worker")["status"].get("readyReplicas", 0) > 1)
            assert sum("BRPOPLPUSH" in words or "-u -c" in words for words in left(tmp_path).values()) > 1
            assert command.stop() == 0
        assert cluster.stop() == 0
    assert not left(tmp_path)
