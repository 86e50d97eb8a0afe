"""The work queue: which keys need looking at, and when.

What a Kubernetes controller queues is not events but keys ("look at shop/orders again"), so ten events while
one look is under way become one more look. The promises:

- a key is waiting at most once; of several due times the earliest wins;
- a key is never handed to two workers: asked for while it is being processed, it comes again after `done`;
- `retry` comes back after an exponential back-off of the key's own, which `forget` resets;
- all waiting is the Clock's, and equal due times come in the order they were asked for, so a test in fake
  time is exact.

Belongs to one event loop; not thread-safe.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from scaler.clock import Clock

__all__ = ["QueueClosed", "WorkQueue"]

_log = structlog.get_logger(__name__)

Key = TypeVar("Key", bound=Hashable)


class QueueClosed(Exception):
    """Raised by `get` once the queue is closed."""


class WorkQueue(Generic[Key]):
    """See the module. `base` and `cap` are the first and the longest back-off of `retry`, in seconds."""

    def __init__(self, clock: Clock, *, name: str = "work", base: float = 0.005, cap: float = 300.0) -> None:
        self._clock = clock
        self._name = name
        self._base = base
        self._cap = cap
        self._closed = False
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()  # What is in _ready.
        self._due: dict[
            Key, float
        ] = {}  # What is waiting for its time; _heap may hold stale entries besides.
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._active: set[Key] = set()
        self._again: dict[Key, float] = {}  # Asked for while active: due when.
        self._failures: dict[Key, int] = {}
        self._retried: set[Key] = set()  # Asked for by `retry` while active: their back-off goes on.
        self._getters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.Task[None] | None = None
        self._timer_due = 0.0

    def __len__(self) -> int:
        """Keys that are ready, not counting those being processed or waiting for their time."""
        return len(self._ready)

    @property
    def delayed(self) -> int:
        """Keys waiting for their time."""
        return len(self._due)

    @property
    def active(self) -> int:
        """Keys being processed."""
        return len(self._active)

    def failures(self, key: Key) -> int:
        """How often `retry` was called since the last `forget`."""
        return self._failures.get(key, 0)

    def add(self, key: Key, after: float = 0.0) -> None:
        """Ask for `key` in `after` seconds, at once by default. Does nothing once closed."""
        self.add_at(key, self._clock.monotonic() + after)

    def add_at(self, key: Key, due: float) -> None:
        """Ask for `key` when the clock's `monotonic()` reaches `due`; an earlier request stays."""
        if self._closed or key in self._waiting:
            return
        if key in self._active:
            self._again[key] = min(due, self._again.get(key, due))
            return
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._promote()

    def retry(self, key: Key) -> float:
        """Ask for `key` after its back-off, which doubles with every call; returns it in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # 2**64 times anything is beyond the cap; the exponent is kept small so that it never overflows.
        delay = min(self._cap, self._base * 2.0 ** min(failures, 64))
        if key in self._active:
            self._retried.add(key)
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Reset the back-off of `key`. What is waiting stays waiting."""
        self._failures.pop(key, None)

    def discard(self, key: Key) -> None:
        """Take back every request for `key`, and reset its back-off: the object is gone."""
        self._failures.pop(key, None)
        self._due.pop(key, None)
        self._again.pop(key, None)
        if key in self._waiting:
            self._waiting.discard(key)
            self._ready.remove(key)

    async def get(self) -> Key:
        """The next key, now being processed until `done(key)`. Raises QueueClosed once closed."""
        while not self._closed:
            if self._ready:
                key = self._ready.popleft()
                self._waiting.discard(key)
                self._active.add(key)
                return key
            await self._something_ready()
        raise QueueClosed(f"{self._name}: the queue is closed")

    def done(self, key: Key) -> None:
        """The processing of `key` has ended; if it was asked for meanwhile, it comes again."""
        self._active.discard(key)
        self._retried.discard(key)
        due = self._again.pop(key, None)
        if due is not None:
            self.add_at(key, due)

    def close(self) -> None:
        """Hand out nothing more. Keys being processed may still be finished; those waiting are dropped."""
        self._closed = True
        self._ready.clear()
        self._waiting.clear()
        self._due.clear()
        self._heap.clear()
        self._again.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)

    async def run(self, workers: int, handler: Callable[[Key], Awaitable[float | None]]) -> None:
        """Process keys with that many workers until closed; then each finishes what it has begun.

        The handler returns after how many seconds to look again, or None. What it raises is logged and the
        key retried; otherwise its back-off is reset, unless the handler called `retry` itself.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(handler), name=f"{self._name}-{number}")

    async def _work(self, handler: Callable[[Key], Awaitable[float | None]]) -> None:
        while True:
            try:
                key = await self.get()
            except QueueClosed:
                return
            try:
                again = await handler(key)
            except Exception as error:  # noqa: BLE001 - one bad key must not stop the others.
                delay = self.retry(key)
                _log.warning(
                    "work_failed",
                    queue=self._name,
                    key=str(key),
                    error=str(error),
                    retry_in=delay,
                    exc_info=error,
                )
            else:
                if key not in self._retried:
                    self.forget(key)
                if again is not None:
                    self.add(key, again)
            finally:
                self.done(key)

    async def _something_ready(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            # Woken and cancelled at once: the wake-up belongs to somebody else.
            if getter.done() and not getter.cancelled() and self._ready:
                self._wake_one()
            raise
        finally:
            self._getters.remove(getter)

    def _wake_one(self) -> None:
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)
                return

    def _promote(self) -> None:
        """Move what is due to the ready keys, and set the timer for the next."""
        now = self._clock.monotonic()
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # Replaced by an earlier time, or taken back.
            elif due <= now:
                heapq.heappop(self._heap)
                del self._due[key]
                self._ready.append(key)
                self._waiting.add(key)
                self._wake_one()
            else:
                break
        self._set_timer()

    def _set_timer(self) -> None:
        due = self._heap[0][0] if self._heap else None
        if self._timer is not None and self._timer_due != due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due is not None:
            self._timer_due = due
            self._timer = asyncio.get_running_loop().create_task(self._ring(due), name=f"{self._name}-timer")

    async def _ring(self, due: float) -> None:
        await self._clock.sleep_until(due)
        self._timer = None
        self._promote()
