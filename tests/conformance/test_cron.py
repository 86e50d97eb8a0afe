"""Recorded behaviour of KEDA: cron triggers read at given instants, and when their schedules fire next."""

from datetime import datetime

from scalers._lib import cron
from scalers.registry import Registry
from scalers.sdk import Inputs, parse


class At:
    """A Host whose clock stands still."""

    wake_ups = True
    allow_loopback = True

    def __init__(self, moment):
        self.moment = moment

    def now(self):
        return self.moment

    async def sleep_until(self, moment):
        raise AssertionError(f"a read waits for nothing, not for {moment}")


def instant(text):
    return None if text is None else datetime.fromisoformat(text)


async def test_cron(case):
    given, recorded = dict(case.input), case.output
    at = instant(given.pop("at"))
    scaler = Registry().get("cron")
    parsed = parse(scaler.metadata, Inputs(metadata=given))
    assert parsed.problems == ()
    async with parsed.value.connection.open(At(at)) as client:
        reading = await scaler.measure(client, parsed.value)
    assert reading.active is recorded["active"]
    assert reading.value == float(recorded["value"])
    zone = cron.zone(given["timezone"])
    for key in ("start", "end"):
        assert cron.parse(given[key]).next(at, zone) == instant(recorded[f"next_{key}"])
