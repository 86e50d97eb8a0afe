"""Listening to a source that tells of changes, so that nobody has to poll for them.

One task per scaler with the ability (scalers.sdk.Wakes) on a Source's present client. When listening ends,
whatever the reason, polling goes on; it is taken up again after a back-off, and since anything may have
changed meanwhile, the scaler's queries are then read again. A server without the ability is polled only,
which is said once.

What a change leads to is Source's and Query's business. A scaler that needs time to arm its tracking yields
`Change()` when it is armed, since changes before that are not seen.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import structlog

from scaler.clock import Clock
from scaler.control.breaker import CALM
from scaler.control.client import Opened
from scaler.control.reader import failure
from scaler.control.source_settings import SourceSettings
from scalers.sdk import Change, Scaler, Wakes

__all__ = ["Listeners"]

_log = structlog.get_logger(__name__)
_TURN = 100
"""Changes handled before others get the event loop: a scaler may have thousands in hand."""

Changed = Callable[[Scaler[Any, Any], Change], None]


class Listeners:
    """The listening tasks of one Source. `changed` is called on the loop for each change."""

    def __init__(self, clock: Clock, settings: SourceSettings, *, source: str, changed: Changed) -> None:
        self._clock = clock
        self._settings = settings
        self._source = source
        self._changed = changed
        self._opened: Opened | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._active: dict[asyncio.Task[None], str] = {}
        self._refused: set[type] = set()

    @property
    def listening(self) -> tuple[str, ...]:
        """The scalers (by class) that are being told of changes."""
        return tuple(sorted(set(self._active.values())))

    async def ended(self) -> None:
        """Return when all that was stopped has ended, or does not within the close timeout."""
        try:
            async with self._clock.deadline(self._settings.close_timeout):
                if self._ending:
                    await asyncio.wait(self._ending)
        except TimeoutError:
            _log.warning("listening_does_not_end", source=self._source)

    def follow(self, opened: Opened | None, scalers: Mapping[int, Scaler[Any, Any]]) -> None:
        """Listen on this client for exactly these scalers (by identity), and nowhere else. None: nowhere."""
        gone = set(self._tasks) if opened is not self._opened else set(self._tasks) - set(scalers)
        for identity in gone:
            task = self._tasks.pop(identity)
            self._active.pop(task, None)
            task.cancel()
        self._opened = opened
        if opened is None or not self._settings.wake_ups:
            return
        for identity, scaler in scalers.items():
            if identity not in self._tasks and isinstance(scaler, Wakes):
                task = asyncio.create_task(self._listen(scaler, opened), name=f"changes {self._source}")
                self._tasks[identity] = task
                self._ending.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._ending.discard(task)
        self._active.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("listening_failed", source=self._source, error=repr(error))

    async def _listen(self, scaler: Any, opened: Opened) -> None:
        log = _log.bind(source=self._source, scaler=type(scaler).__name__)
        settings, backoff = self._settings, CALM
        task = cast("asyncio.Task[None]", asyncio.current_task())
        with opened.hold() as client:
            while True:
                began = self._clock.monotonic()
                self._active[task] = type(scaler).__name__
                error = "it ended"
                try:
                    await self._hear(scaler, client, again=bool(backoff.failures))
                except NotImplementedError as refusal:
                    if type(scaler) not in self._refused:
                        self._refused.add(type(scaler))
                        log.info("polling_only", why=str(refusal) or "the source does not tell of changes")
                    return
                except BaseException as problem:  # noqa: BLE001 - a plugin's code; `failure` lets cancellation through
                    error = str(failure(problem))
                self._active.pop(task, None)
                if task not in self._tasks.values():  # The scaler swallowed our cancellation.
                    return
                now = self._clock.monotonic()
                if now - began >= settings.listen_backoff_max:
                    backoff = CALM
                (log.debug if backoff.failures else log.warning)("listening_interrupted", error=error)
                backoff = backoff.failed(now, first=settings.listen_backoff, cap=settings.listen_backoff_max)
                await self._clock.sleep_until(backoff.until)

    async def _hear(self, scaler: Any, client: Any, *, again: bool) -> None:
        changes = scaler.changes(client)
        if again:
            # After the iterator's first step, so that the reads follow the re-armed tracking.
            asyncio.get_running_loop().call_soon(self._changed, scaler, Change())
        heard = 0
        try:
            async for change in changes:
                if not isinstance(change, Change):
                    raise TypeError(f"changes yielded {type(change).__name__}, which is no Change")
                self._changed(scaler, change)
                heard += 1
                if heard % _TURN == 0:
                    await asyncio.sleep(0)
        finally:
            if (aclose := getattr(changes, "aclose", None)) is not None:
                await aclose()
