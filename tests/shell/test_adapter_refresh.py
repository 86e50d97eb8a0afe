"""Requests for stale metrics share reads, and each waits for news of its own metric only."""

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest
from fake_clock import FakeClock

from metrics_adapter.refresh import GATHER, Refresher
from metrics_adapter.store import Metric

JOBS = Metric("shop", "worker", "s0-redis-jobs")
MAILS = Metric("shop", "worker", "s1-redis-mails")


class Reads:
    """Records what is asked, and ends each read when told to."""

    def __init__(self) -> None:
        self.asked: list[list[Metric]] = []
        self.ends: list[asyncio.Event] = []

    async def __call__(self, metrics: Collection[Metric]) -> None:
        self.asked.append(list(metrics))
        self.ends.append(asyncio.Event())
        await self.ends[-1].wait()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(virtual_io=True)


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.fixture
async def refresher(clock: FakeClock, reads: Reads) -> AsyncIterator[Refresher]:
    made = Refresher(clock, reads, deadline=0.5)
    yield made
    await made.close()
    assert len(asyncio.all_tasks()) == 1


async def joins(refresher: Refresher, clock: FakeClock, *metrics: Metric) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(refresher.join(metric)) for metric in metrics]
    await clock.settle()
    return tasks


async def test_those_who_come_together_share_one_read(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    tasks = await joins(refresher, clock, JOBS, MAILS, JOBS)
    await clock.advance(GATHER / 2)
    tasks += await joins(refresher, clock, MAILS)
    assert reads.asked == []
    await clock.advance(GATHER / 2)
    assert reads.asked == [[JOBS, MAILS]]
    reads.ends[0].set()
    assert await asyncio.gather(*tasks) == [True] * 4


async def test_those_who_come_later_start_another_but_join_the_metrics_under_way(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    tasks = await joins(refresher, clock, JOBS)
    await clock.advance(GATHER)
    tasks += await joins(refresher, clock, JOBS, MAILS)
    await clock.advance(GATHER)
    assert reads.asked == [[JOBS], [MAILS]]
    for end in reads.ends:
        end.set()
    assert await asyncio.gather(*tasks) == [True] * 3


async def test_news_release_one_metric(refresher: Refresher, clock: FakeClock, reads: Reads) -> None:
    jobs, mails = await joins(refresher, clock, JOBS, MAILS)
    await clock.advance(GATHER)
    refresher.news(MAILS)
    refresher.news(Metric("shop", "worker", "s2-unasked"))
    await clock.settle()
    assert (jobs.done(), mails.done()) == (False, True)
    reads.ends[0].set()
    assert await jobs


async def test_news_that_come_first_spare_the_read(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    tasks = await joins(refresher, clock, JOBS, MAILS)
    refresher.news(JOBS)
    await clock.advance(GATHER)
    assert reads.asked == [[MAILS]]
    reads.ends[0].set()
    assert await asyncio.gather(*tasks) == [True, True]
    (alone,) = await joins(refresher, clock, JOBS)
    refresher.news(JOBS)
    await clock.advance(GATHER)
    assert await alone
    assert len(reads.asked) == 1


async def test_the_end_of_an_old_read_does_not_release_those_who_wait_for_a_new_one(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    (first,) = await joins(refresher, clock, JOBS)
    await clock.advance(GATHER)
    refresher.news(JOBS)
    assert await first
    second, third = await joins(refresher, clock, JOBS, MAILS)
    await clock.advance(GATHER)
    reads.ends[0].set()
    await clock.settle()
    assert not second.done()
    refresher.news(JOBS)
    assert await second
    reads.ends[1].set()
    assert await third


async def test_the_deadline_counts_from_the_request(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    (first,) = await joins(refresher, clock, JOBS)
    await clock.advance(0.3)
    (second,) = await joins(refresher, clock, JOBS)
    await clock.advance(0.2)
    assert (first.done(), second.done()) == (True, False)
    assert await first is False
    await clock.advance(0.3)
    assert await second is False
    assert reads.asked == [[JOBS]]


async def test_one_who_leaves_takes_nobody_along(
    refresher: Refresher, clock: FakeClock, reads: Reads
) -> None:
    leaving, staying = await joins(refresher, clock, JOBS, JOBS)
    leaving.cancel()
    await clock.advance(GATHER)
    reads.ends[0].set()
    assert await staying
