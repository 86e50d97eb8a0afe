"""Two ways to ask for something slow: many at once who share one attempt, and one who asks many places."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from scalers.sdk import InvalidMetadata, ScalerError, Unauthorized, Unavailable

__all__ = ["Shared", "first_answer"]

T = TypeVar("T")
_TELLING = (Unauthorized, InvalidMetadata)
"""What to report first when places fail for different reasons: what a person can mend."""
_LONGEST = 400


class Shared(Generic[T]):
    """Work that whoever comes first does; those who come meanwhile share what becomes of it.

    When the first one is cancelled, the next one does it.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._lock = asyncio.Lock()
        self._done = 0
        self._failure: ScalerError | None = None
        self._result: list[T] = []

    async def __call__(self) -> T:
        """The result. Raises ScalerError as the work does."""
        seen = self._done
        async with self._lock:
            if self._done != seen and self._failure is not None:
                raise copy.copy(self._failure)
            if self._done == seen or not self._result:
                self._failure, self._result = None, []
                try:
                    self._result = [await self._work()]
                except ScalerError as error:
                    self._failure = error
                    raise
                finally:
                    self._done += 1
            return self._result[0]


async def first_answer(attempts: Sequence[Callable[[], Awaitable[T]]], stagger: float, asked: str) -> T:
    """The first result of several attempts, begun in order: each when the one before failed or lets wait.

    An attempt that lets wait for `stagger` seconds goes on beside the next ones; what is not needed any more
    is cancelled. Raises the ScalerError that says what all of them failed of, `connection=True` only if none
    reached anything.
    """
    waiting = list(attempts)[::-1]
    running: set[asyncio.Future[T]] = set()
    errors: list[ScalerError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop()()))
            done, running = await asyncio.wait(
                running, timeout=stagger if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                try:
                    return attempt.result()
                except ScalerError as error:
                    errors.append(error)
    finally:
        for attempt in running:
            attempt.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    raise _in_one(errors, asked)


def _in_one(errors: Sequence[ScalerError], asked: str) -> ScalerError:
    kind: type[ScalerError] = next(
        (kind for kind in _TELLING if any(isinstance(error, kind) for error in errors)), Unavailable
    )
    told = "; ".join(
        dict.fromkeys(str(error) for error in sorted(errors, key=lambda e: not isinstance(e, kind)))
    )
    if len(told) > _LONGEST:
        told = told[:_LONGEST] + "..."
    made = kind(f"{asked}: {told}")
    made.connection = all(error.connection for error in errors)
    return made
