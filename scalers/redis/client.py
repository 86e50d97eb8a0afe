"""What the triggers of one Redis Source share: one session, kept up, and the news of the keys they read.

News is kept as a set of keys until it is fetched, so a flood of it takes no more room than the keys do.
Whoever is told is held weakly: a trigger that nobody wants any more is forgotten without a word.
"""

import asyncio
import copy
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from scalers.redis.link import Command
from scalers.redis.session import Session, Target
from scalers.sdk import Change, Host, Metadata, ScalerError, Unavailable

__all__ = ["Client"]

_CHUNK = 1000
"""Commands in one write: bounds what lies in buffers and how long the server is busy with us."""
_CHECK_SECONDS = 10.0
_SWEEP = 64


class Client:
    """See the module. `target` says where to connect, and is asked before each attempt."""

    def __init__(self, server: str, target: Callable[[], Awaitable[Target]], host: Host) -> None:
        self._server = server
        self._target = target
        self._wake_ups = host.wake_ups
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._attempts = 0
        self._failure: ScalerError | None = None
        self._closed = False
        self._readers: dict[bytes, weakref.WeakSet[Metadata]] = {}
        self._sweep_at = _SWEEP
        self._changed: set[bytes] = set()
        self._all_changed = False
        self._news = asyncio.Event()
        self.kinds: dict[bytes, str] = {}
        """For keys that are no lists: the command that counts their items."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, error replies as values. Connects first where needed. Raises ScalerError."""
        session = await self._up()
        replies: list[Any] = []
        for start in range(0, len(commands), _CHUNK):
            replies += await session.ask(commands[start : start + _CHUNK])
        return replies

    def reads(self, key: bytes, metadata: Metadata) -> None:
        """Tell of changes to `key` as changes of this trigger. To be called before the key is read."""
        readers = self._readers.get(key)
        if readers is None:
            if len(self._readers) >= self._sweep_at:
                self._readers = {known: those for known, those in self._readers.items() if those}
                self._sweep_at = 2 * len(self._readers) + _SWEEP
            readers = self._readers[key] = weakref.WeakSet()
        readers.add(metadata)

    async def changes(self) -> AsyncIterator[Change]:
        """See scalers.sdk.Wakes. A session that is lost is opened anew; raises ScalerError if that fails."""
        while True:
            session = await self._up()
            if session.why_untold:
                raise NotImplementedError(session.why_untold)
            while session.alive:
                self._news.clear()
                if self._all_changed:
                    self._all_changed = False
                    self._changed.clear()
                    yield Change()
                changed, self._changed = self._changed, set()
                for key in changed:
                    for metadata in list(self._readers.get(key, ())):
                        yield Change(metadata)
                if not (self._changed or self._all_changed):
                    await self._await_news(session)

    async def close(self) -> None:
        """Close what is open; what is being asked fails."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _up(self) -> Session:
        """The session. Whoever comes first opens it; who waited for a failing attempt shares its failure."""
        seen = self._attempts
        if self._session is not None and self._session.alive:
            return self._session
        async with self._opening:
            if self._session is not None and self._session.alive:
                return self._session
            if self._failure is not None and self._attempts != seen:
                raise copy.copy(self._failure)
            if self._closed:
                raise Unavailable(f"the connection to {self._server} is closed", connection=True)
            return await self._open()

    async def _open(self) -> Session:
        old, self._failure = self._session, None
        try:
            if old is not None:
                await old.close()
            session = await Session.open(
                await self._target(), wake_ups=self._wake_ups, tell=self._told, on_lost=self._news.set
            )
        except ScalerError as error:
            self._failure = error
            raise
        finally:
            self._attempts += 1
        if self._closed:
            await session.close()
        self._session = session
        if old is not None:
            # What changed while nobody listened is unknown, and the new session has yet to read every key.
            self._told(None)
        return session

    def _told(self, keys: list[bytes] | None) -> None:
        if keys is None:
            self._all_changed = True
        else:
            self._changed.update(key for key in keys if key in self._readers)
        self._news.set()

    async def _await_news(self, session: Session) -> None:
        """Return when there is news, the session is lost, or it had to be checked."""
        if not session.must_be_checked:
            await self._news.wait()
            return
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            if not await session.check():
                await session.close()
