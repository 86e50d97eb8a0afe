"""The benchmark of hand-overs runs, and what it promises holds with few kills too. Times are no test's business."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from scalers.testing import server_program

pytestmark = [pytest.mark.long, pytest.mark.server, pytest.mark.timeout(240)]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "handover.py"


async def test_a_leader_killed_three_times_costs_no_query_and_no_wrong_write():
    server_program("redis-server")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        SCRIPT,
        "--kills",
        "3",
        "--busy",
        "4",
        "--lease-duration",
        "6",
        stdout=pipe,
        stderr=pipe,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    assert found["kills"] == 3
    assert found["wrong_writes"] == []
    queries = found["queries"]
    assert queries["asked"] > 100
    assert queries["failed_share"] <= 0.001, queries["reasons"]
