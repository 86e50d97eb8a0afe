"""The benchmark of the sources runs, and its counts hold with few triggers too. Times are no test's business."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from scalers.testing import server_program

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(180)]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sources.py"
TRIGGERS = 20
READ = {"triggers", "connections", "per_cycle", "batches_per_cycle", "cpu_ms_per_trigger", "cycle_ms"}
# The most connections, and what a cycle is.
EXPECTED = {
    "redis": (4, {"LLEN": TRIGGERS}),
    "redis-cluster": (4, {"LLEN": TRIGGERS}),
    "rabbitmq-amqp": (2, {"declares": TRIGGERS}),
    "rabbitmq-http": (4, {"requests": 1, "pages": 1}),
    "prometheus": (16, {"requests": TRIGGERS, "posts": 0}),
    "prometheus-one-query": (16, {"requests": 1, "posts": 0}),
    "aws-sqs-queue": (10, {"requests": TRIGGERS}),
}
ONE_BATCH = {"redis", "redis-cluster", "rabbitmq-amqp", "rabbitmq-http", "prometheus-one-query"}


async def benchmark(*words):
    """What it prints, having ended well."""
    for program in ("redis-server", "rabbitmq-server", "prometheus"):
        server_program(program)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, "-n", str(TRIGGERS), *words, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.mark.parametrize("name", EXPECTED)
async def test_connections_and_requests(name):
    report = (await benchmark("--poll", "1", name))[name]
    connections, cycle = EXPECTED[name]
    assert set(report) == READ | {"polls"}
    assert report["triggers"] == TRIGGERS
    assert 1 <= report["connections"] <= connections
    assert report["per_cycle"] == cycle
    if name in ONE_BATCH:
        assert report["batches_per_cycle"] == 1
    assert report["polls"]["reads"] > 0


async def test_three_triggers_of_a_large_vhost_are_three_requests():
    report = (await benchmark("--queues", "300", "large-vhost"))["large-vhost"]
    assert set(report) == READ | {"queues", "server_cpu_ms_per_cycle"}
    assert (report["queues"], report["triggers"]) == (300, 3)
    assert report["per_cycle"] == {"requests": 3, "pages": 0}


async def test_rotated_secrets_are_as_many_clients():
    report = (await benchmark("--objects", "30", "rotation"))["rotation"]
    assert report.pop("seconds") > 0
    assert report == {"objects": 30, "secrets": 3, "clients_rebuilt": 3, "failed_reads": 0, "api_writes": 0}
