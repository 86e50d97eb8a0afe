"""0 → N → 0 on numbers about a job server: a metric that a real Prometheus scrapes from it, and its own HTTP answer."""

import pytest
from prometheus_server import PASSWORD as PROMETHEUS_PASSWORD
from prometheus_server import USER as PROMETHEUS_USER
from prometheus_server import PrometheusServer
from stories import PASSWORD, TAKING, USER, JobServer, tell

pytestmark = [pytest.mark.slow, pytest.mark.server]


async def test_prometheus(tmp_path):
    async with JobServer() as server:
        with PrometheusServer(login=True, targets=(f"{server.host}:{server.port}",)) as prometheus:
            metadata = {
                "serverAddress": prometheus.address,
                "query": "sum(jobs_left)",
                "threshold": "4",
                "authModes": "basic",
            }
            await tell(
                tmp_path,
                {"type": "prometheus", "metadata": metadata},
                TAKING,
                server.put,
                secret={"username": PROMETHEUS_USER, "password": PROMETHEUS_PASSWORD},
                env={"JOBS": server.url},
            )


async def test_metrics_api(tmp_path):
    async with JobServer() as server:
        metadata = {
            "url": f"{server.url}/queue",
            "valueLocation": "queue.left",
            "targetValue": "4",
            "authMode": "basic",
        }
        await tell(
            tmp_path,
            {"type": "metrics-api", "metadata": metadata},
            TAKING,
            server.put,
            secret={"username": USER, "password": PASSWORD},
            env={"JOBS": server.url},
        )
