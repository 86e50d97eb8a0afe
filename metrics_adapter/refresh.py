"""Requests for stale metrics, merged: who asks at nearly the same time shares one read.

A request joins and waits for news of its own metric, at most the deadline. So a source that hangs
delays only those who ask for its metrics, even when their requests were merged with others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from metrics_adapter.samples import Metric
from scaler.clock import Clock

__all__ = ["Refresh", "Refresher"]

_log = structlog.get_logger(__name__)

Refresh = Callable[[Collection[Metric]], Awaitable[None]]
"""Reads metrics anew and feeds the store; returns when done, at once where a source is backing off."""

GATHER = 0.002
"""Real seconds in which requests gather: the HPA controller's workers ask together."""


class Refresher:
    """Merges requests into calls of `refresh`. `deadline` is in real seconds and counts the gathering."""

    def __init__(self, clock: Clock, refresh: Refresh, *, deadline: float) -> None:
        self._clock = clock
        self._refresh = refresh
        self._deadline = deadline
        self._waiting: dict[Metric, asyncio.Future[None]] = {}
        self._gathering: dict[Metric, asyncio.Future[None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def join(self, metric: Metric) -> bool:
        """Have `metric` read and wait for news of it; False when the deadline came first."""
        news = self._waiting.get(metric)
        if news is None:
            news = self._waiting[metric] = asyncio.get_running_loop().create_future()
            if not self._gathering:
                task = asyncio.create_task(self._run(), name="metrics-refresh")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            self._gathering[metric] = news
        try:
            async with self._clock.deadline(self._deadline):
                await asyncio.shield(news)  # Others may wait for the same news.
        except TimeoutError:
            return False
        return True

    def news(self, metric: Metric) -> None:
        """A sample or a failure of `metric` is in the store: nobody needs to wait any longer."""
        news = self._waiting.get(metric)
        if news is not None:
            self._release(metric, news)

    async def close(self) -> None:
        """Stop what runs; whoever waits is released."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for metric, news in tuple(self._waiting.items()):
            self._release(metric, news)

    async def _run(self) -> None:
        await self._clock.pause(GATHER)
        gathered, self._gathering = self._gathering, {}
        metrics = [metric for metric, news in gathered.items() if not news.done()]
        try:
            if metrics:
                await self._refresh(metrics)
        except Exception:  # noqa: BLE001 - a broken promise must not cost these requests their answer.
            _log.exception("refresh_failed", metrics=len(metrics))
        finally:
            for metric in metrics:
                self._release(metric, gathered[metric])

    def _release(self, metric: Metric, news: asyncio.Future[None]) -> None:
        if self._waiting.get(metric) is news:  # Since then it may be waited for anew.
            del self._waiting[metric]
        if not news.done():
            news.set_result(None)
