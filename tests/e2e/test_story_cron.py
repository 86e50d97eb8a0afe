"""0 → N → 0 by the clock: jobs wait until the window opens, and the workers are gone after it has closed."""

from datetime import timedelta

import pytest
from stories import TAKING, JobServer, tell

from scaler.clock import SystemClock

pytestmark = pytest.mark.slow

FACTOR = 40  # A minute takes 1.5 s.
LEAD, OPEN = timedelta(minutes=5), timedelta(minutes=7)


async def test_cron(tmp_path):
    opens = SystemClock(FACTOR).now() + LEAD
    start, end = (f"{at.minute} {at.hour} {at.day} {at.month} *" for at in (opens, opens + OPEN))
    metadata = {"timezone": "Etc/UTC", "start": start, "end": end, "desiredReplicas": "3"}
    async with JobServer() as server:
        trigger = {"type": "cron", "metadata": metadata}
        await tell(tmp_path, trigger, TAKING, server.put, env={"JOBS": server.url}, factor=FACTOR)
