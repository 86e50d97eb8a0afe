"""The benchmark runs, tells what it promises, and the counts hold with few objects too. Times are no test's business."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from scalers.testing import server_program

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(180)]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scale.py"
OBJECTS = 20
METERED = {
    "seconds",
    "cpu_cores",
    "rss_mib",
    "redis_commands_per_second",
    "api_writes",
    "api_writes_per_second",
}
KEYS = {
    "start": {"apply_seconds", "hpas_seconds"},
    "rest": METERED | {"redis_connections"},
    "activation": {"samples", "p50_ms", "p99_ms", "max_ms"},
    "burst": {"woken", "first_seconds", "median_seconds", "last_seconds"},
    "busy": METERED | {"pushes_per_second_and_list", "awake"},
}


async def test_the_benchmark_with_few_objects():
    server_program("redis-server")
    words = ["-n", str(OBJECTS), "--rest", "4", "--samples", "5", "--busy", "3"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, SCRIPT, *words, stdout=pipe, stderr=pipe)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, err.decode()
    report = json.loads(out)
    assert {name: set(report[name]) for name in KEYS} == KEYS
    assert set(report) - set(KEYS) == {"objects", "cluster", "cores", "rss_peak_mib", "load_average"}
    assert (report["objects"], report["cluster"]) == (OBJECTS, "embedded")
    assert report["rest"]["api_writes"] == 0
    assert 1 <= report["rest"]["redis_connections"] <= 4
    assert report["rest"]["rss_mib"] <= report["rss_peak_mib"] <= 150
    assert report["activation"]["samples"] == 5
    assert report["burst"]["woken"] == OBJECTS
    # The load cannot make us read more often than each list once per `wake_interval` (50 ms), not even at first.
    assert report["busy"]["redis_commands_per_second"] <= 20 * OBJECTS
