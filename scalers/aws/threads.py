"""A few threads for calls that block: started when needed, ended when idle.

A call that nobody waits for any more never begins; one that is under way is interrupted, if it said how. So
threads are not lost to a server that never answers. They are daemons: a process need not wait for them.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

__all__ = ["Abandoned", "Job", "Threads", "current"]

_IDLE_SECONDS = 10.0
_ENDS_WITHIN = 1.0
_here = threading.local()
T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for this call any more."""


def current() -> "Job[Any] | None":
    """The job that this thread is doing."""
    return getattr(_here, "job", None)


class Job(Generic[T]):
    """One call, made on the event loop and done in a thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._lock = threading.Lock()
        self._abandoned = False
        self._interrupt: Callable[[], None] | None = None
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def abandon(self) -> None:
        """Interrupt it, or keep it from beginning. Without effect on one that is done."""
        with self._lock:
            self._abandoned = True
            if self._interrupt is not None:
                self._interrupt()

    def check(self) -> None:
        """Raise Abandoned if nobody waits for it any more."""
        if self._abandoned:
            raise Abandoned

    def interruptible(self, how: Callable[[], None] | None) -> None:
        """Say how to end what this thread now waits for; None: it no longer does. Raises Abandoned."""
        with self._lock:
            if self._abandoned and how is not None:
                raise Abandoned
            self._interrupt = how

    def do(self) -> None:
        """Called in the thread."""
        if self._abandoned:
            return
        _here.job = self
        try:
            answer, error = self._work(), None
        except BaseException as raised:  # noqa: BLE001 - it is the waiting task's
            answer, error = None, raised
        finally:
            _here.job = None
        with suppress(RuntimeError):  # The loop may be closed by now.
            self._loop.call_soon_threadsafe(self._tell, answer, error)

    def _tell(self, answer: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(answer)
        else:
            self.answer.set_exception(error)


class Threads:
    """See the module. At most `most` calls at once; others wait for their turn."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._state = threading.Condition()
        self._waiting: deque[Job[Any]] = deque()
        self._running: set[Job[Any]] = set()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False
        self._ended: Callable[[], object] = lambda: None  # Called by the last thread once it is closed.

    @property
    def busy(self) -> int:
        """Calls that are under way now."""
        return len(self._running)

    async def run(self, work: Callable[[], T]) -> T:
        """What the call returns or raises. Cancelled, it gives the call up."""
        job = Job(work)
        with self._state:
            if self._closed:
                raise Abandoned
            if self._idle <= len(self._waiting) and len(self._threads) < self._most:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                thread.start()  # It waits for the state until we leave it.
                self._threads.add(thread)
            self._waiting.append(job)
            self._state.notify()
        try:
            return await job.answer
        except asyncio.CancelledError:
            with self._state, suppress(ValueError):
                self._waiting.remove(job)
            job.abandon()
            raise

    async def close(self) -> None:
        """Give up every call and wait a moment for the threads to end; one in a name lookup may take longer."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._state:
            self._closed = True
            self._ended = lambda: loop.call_soon_threadsafe(ended.set)
            if not self._threads:
                ended.set()
            jobs = [*self._waiting, *self._running]
            self._waiting.clear()
            self._state.notify_all()
        for job in jobs:
            job.abandon()
            if not job.answer.done():
                job.answer.set_exception(Abandoned())
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_WITHIN):
                await ended.wait()

    def _serve(self) -> None:
        while True:
            with self._next() as job:
                if job is None:
                    return
                job.do()

    @contextmanager
    def _next(self) -> "Iterator[Job[Any] | None]":
        with self._state:
            self._idle += 1
            self._state.wait_for(lambda: self._waiting or self._closed, _IDLE_SECONDS)
            self._idle -= 1
            job = self._waiting.popleft() if self._waiting else None
            if job is None:
                self._threads.discard(threading.current_thread())
                if self._closed and not self._threads:
                    with suppress(RuntimeError):  # The loop may be closed by now.
                        self._ended()
            else:
                self._running.add(job)
        try:
            yield job
        finally:
            if job is not None:
                with self._state:
                    self._running.discard(job)
