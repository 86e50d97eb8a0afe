"""The `cron` trigger: the contract, and its wake-ups at the exact instants of the clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from fake_clock import FakeClock

from scalers._lib import cron
from scalers.sdk import Change, Inputs, InvalidMetadata
from scalers.testing import ScalerContract

NINE = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)


class ClockHost:
    """A Host on a clock in the test's hands."""

    wake_ups = True
    allow_loopback = True

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        return self.clock.now()

    async def sleep_until(self, moment):
        await self.clock.sleep((moment - self.clock.now()).total_seconds())


class TestCron(ScalerContract):
    trigger_type = "cron"
    numbers = (0, 1, 7, 250)

    @pytest.fixture(autouse=True)
    def _clock(self):
        self.clock = FakeClock(NINE)
        self.held = {}

    def host(self):
        return ClockHost(self.clock)

    async def put(self, name, number):
        self.held[name] = number

    def inputs(self, name):
        number = self.held[name]
        start = "0 8 * * *" if number else "0 10 * * *"
        return self.window(start, "0 18 * * *", desiredReplicas=str(number or 5))

    @staticmethod
    def window(start, end, **metadata):
        written = {"timezone": "UTC", "start": start, "end": end, "desiredReplicas": "4"}
        return Inputs(metadata=written | metadata)

    async def test_all_cron_triggers_share_the_clock(self):
        paris = self.metadata(self.window("0 8 * * *", "0 18 * * *", timezone="Europe/Paris"))
        assert paris.connection == self.metadata(self.window("1 8 * * *", "0 9 * * *")).connection

    async def test_a_negative_number_is_read_as_it_is_and_active(self):
        trigger = self.metadata(self.window("0 8 * * *", "0 18 * * *", desiredReplicas="-3"))
        async with trigger.connection.open(self.host()) as client:
            reading = await self.read(client, trigger)
        assert (reading.value, reading.active) == (-3, True)

    async def test_a_time_zone_that_nobody_knows_is_said_when_it_is_read_and_offline(self):
        trigger = self.metadata(self.window("0 8 * * *", "0 18 * * *", timezone="Mars/Olympus"))
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(InvalidMetadata, match=r"metadata\.timezone: unknown time zone Mars/Olympus"):
                await self.read(client, trigger)
        (warning,) = self.scaler.warnings(trigger)
        assert str(warning).startswith("metadata.timezone: 'Mars/Olympus' is no known time zone; write")
        assert not self.scaler.warnings(self.metadata(self.window("0 8 * * *", "0 18 * * *")))


class TestWakeUps(TestCron):
    """Told at the very second at which a window opens or closes."""

    async def listen(self, client):
        self.told = []

        async def hear():
            async for change in self.scaler.changes(client):
                self.told.append((self.clock.now(), change))

        return asyncio.ensure_future(hear())

    async def stop(self, listening):
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert self.clock.sleepers == 0

    async def test_each_window_at_its_own_time(self):
        closes = self.metadata(self.window("0 8 * * *", "30 9 * * *"))
        opens = self.metadata(self.window("0 10 * * *", "0 18 * * *"))
        async with closes.connection.open(self.host()) as client:
            await self.read(client, opens)
            listening = await self.listen(client)
            await self.clock.settle()
            await self.read(client, closes)  # Sooner than what is waited for.
            await self.clock.advance(3599)
            assert self.told == [(NINE + timedelta(minutes=30), Change(closes))]
            await self.clock.advance(1)
            assert self.told[1:] == [(NINE + timedelta(hours=1), Change(opens))]
            assert (await self.read(client, opens)).active is True
            assert (await self.read(client, closes)).active is False
            await self.stop(listening)

    async def test_it_is_told_anew_after_each_read(self):
        trigger = self.metadata(self.window("0 * * * *", "30 * * * *"))
        async with trigger.connection.open(self.host()) as client:
            listening = await self.listen(client)
            for flip in range(1, 6):
                was = (await self.read(client, trigger)).active
                await self.read(client, trigger)
                await self.clock.advance(1800)
                assert [at for at, _ in self.told] == [
                    NINE + timedelta(minutes=30 * n) for n in range(1, flip + 1)
                ]
                assert (await self.read(client, trigger)).active is not was
            await self.stop(listening)

    async def test_firings_without_effect_tell_nothing(self):
        trigger = self.metadata(self.window("*/5 * * * *", "32 10 * * *"))
        async with trigger.connection.open(self.host()) as client:
            await self.read(client, trigger)
            listening = await self.listen(client)
            await self.clock.advance(
                5399
            )  # The start every five minutes matters only after the last one before the end.
            assert self.told == []
            await self.clock.advance(1)
            assert self.told == [(NINE + timedelta(minutes=90), Change(trigger))]
            await self.stop(listening)

    async def test_looking_ahead_searches_the_years_only_once(self):
        """The next leap day is searched for again only after it: a thousand such triggers must not hold up the loop."""
        trigger = self.metadata(self.window("* * * * *", "0 0 29 2 *"))
        async with trigger.connection.open(self.host()) as client:
            with patch.object(
                cron.Schedule, "next", autospec=True, side_effect=cron.Schedule.next
            ) as searches:
                await self.read(client, trigger)
        of_the_end = [call for call in searches.call_args_list if call.args[0] == cron.parse("0 0 29 2 *")]
        assert len(of_the_end) == 1

    async def test_a_window_that_never_changes_is_not_waited_for(self):
        trigger = self.metadata(self.window("0 0 31 2 *", "0 18 * * *"))
        async with trigger.connection.open(self.host()) as client:
            assert (await self.read(client, trigger)).active is True
            listening = await self.listen(client)
            await self.clock.settle()
            assert self.clock.sleepers == 0
            await self.stop(listening)
