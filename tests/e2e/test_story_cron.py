"""0 → N → 0 by the clock: jobs wait until the window opens, and the workers are gone after it has closed."""

from datetime import timedelta

import pytest
from stories import TAKING, JobServer, tell

pytestmark = pytest.mark.slow

FACTOR = 40  # A minute takes 1.5 s.
LEAD, OPEN = timedelta(minutes=4), timedelta(minutes=7)


def window(now):
    """A trigger with a window that opens in a little while."""
    opens = now + LEAD
    start, end = (f"{at.minute} {at.hour} {at.day} {at.month} *" for at in (opens, opens + OPEN))
    metadata = {"timezone": "Etc/UTC", "start": start, "end": end, "desiredReplicas": "3"}
    return {"type": "cron", "metadata": metadata}


async def test_cron(tmp_path):
    async with JobServer() as server:
        await tell(tmp_path, window, TAKING, server.put, env={"JOBS": server.url}, factor=FACTOR)
