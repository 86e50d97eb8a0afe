"""Who does a controller's work, and when: serial per object, several objects at once, no key twice in line.

A controller's listener only names what changed (`add`); its step reads the present state and returns in how
many seconds it wants to look again, or None. A key added while its step runs is stepped once more afterwards.
A step that raises is logged and tried again with a growing delay, so one broken object never stops its
siblings.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from scaler.clock import Clock

_log = structlog.get_logger(__name__)

Key = TypeVar("Key")

_FIRST_RETRY = 0.1
_LAST_RETRY = 60.0


class Worker(Generic[Key]):
    """Runs `step(key)` for the keys that are added; delays are schedule time."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        step: Callable[[Key], Awaitable[float | None]],
        *,
        workers: int = 1,
    ) -> None:
        self._name, self._clock, self._step, self._count = name, clock, step, workers
        self._queued: dict[Key, None] = {}
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs a running loop. What was added before is stepped now."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"{self._name}-{i}") for i in range(self._count)
        ]

    def add(self, key: Key) -> None:
        """Step the key as soon as a worker is free."""
        self._cancel_timer(key)
        if key in self._running:
            self._again.add(key)
        else:
            self._queued[key] = None
            self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Step the key `seconds` from now unless it is due earlier already."""
        due = self._clock.monotonic() + seconds
        present = self._timers.get(key)
        if key in self._queued or key in self._again or (present is not None and present[0] <= due):
            return
        self._cancel_timer(key)
        self._timers[key] = (due, asyncio.create_task(self._later(key, due), name=f"{self._name}-later"))

    def forget(self, key: Key) -> None:
        """The object is gone: no more steps are owed to it."""
        self._cancel_timer(key)
        self._queued.pop(key, None)
        self._again.discard(key)
        self._failures.pop(key, None)

    async def close(self) -> None:
        """Stop. A step under way is cancelled."""
        tasks = [*self._tasks, *(task for _, task in self._timers.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks, self._timers = [], {}

    def _cancel_timer(self, key: Key) -> None:
        present = self._timers.pop(key, None)
        if present is not None:
            present[1].cancel()

    async def _later(self, key: Key, due: float) -> None:
        await self._clock.sleep_until(due)
        self._timers.pop(key, None)  # It is this very task: nothing to cancel.
        self.add(key)

    async def _work(self) -> None:
        while True:
            while not self._queued:
                self._wake.clear()
                await self._wake.wait()
            key = next(iter(self._queued))
            del self._queued[key]
            self._running.add(key)
            try:
                wait = await self._try(key)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif wait is not None:
                self.add_after(key, wait)
            await asyncio.sleep(0)  # Steps need not wait for anything: let the server answer between them.

    async def _try(self, key: Key) -> float | None:
        try:
            wait = await self._step(key)
        except Exception as error:  # noqa: BLE001 - one broken object must not stop the others
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            retry = min(_FIRST_RETRY * 2.0 ** min(failures - 1, 20), _LAST_RETRY)
            _log.warning(
                "controller_step_failed", controller=self._name, key=key, retry_in=retry, exc_info=error
            )
            return retry
        self._failures.pop(key, None)
        return wait
