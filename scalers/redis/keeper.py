"""One session with one server, kept up: opened when it is needed, and opened anew when it is lost."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from scalers.redis.link import Command
from scalers.redis.session import Session, Target, Tell
from scalers.redis.shared import Shared
from scalers.sdk import Unavailable

__all__ = ["Keeper"]

_CHUNK = 1000
"""Commands in one write: bounds what lies in buffers and how long the server is busy with us."""


class Keeper:
    """See the module. `target` says where to connect, and is asked before each attempt.

    `tell` hears of changed keys; after a session was replaced, that any key may have changed.
    """

    def __init__(
        self,
        server: str,
        target: Callable[[], Awaitable[Target]],
        *,
        wake_ups: bool,
        tell: Tell,
        on_lost: Callable[[], None],
    ) -> None:
        self._server = server
        self._target = target
        self._wake_ups = wake_ups
        self._tell = tell
        self._on_lost = on_lost
        self._session: Session | None = None
        self._opened = Shared(self._open)
        self._closed = False

    @property
    def present(self) -> Session | None:
        """The session, if it is up."""
        return self._session if self._session is not None and self._session.alive else None

    async def session(self) -> Session:
        """The session; it is opened where needed. Raises ScalerError."""
        return self.present or await self._opened()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, error replies as values. Raises ScalerError."""
        session = await self.session()
        replies: list[Any] = []
        for start in range(0, len(commands), _CHUNK):
            replies += await session.ask(commands[start : start + _CHUNK])
        return replies

    async def check(self) -> None:
        """Give the session up if its news may have ended without a sign."""
        session = self.present
        if session is not None and session.must_be_checked and not await session.check():
            await session.close()

    async def drop(self) -> None:
        """Close the session; the next question opens another."""
        if self._session is not None:
            await self._session.close()

    async def close(self) -> None:
        """Close what is open, for good; what is being asked fails."""
        self._closed = True
        await self.drop()

    async def _open(self) -> Session:
        if self.present is not None:
            return self.present
        self._refuse_when_closed()
        old = self._session
        if old is not None:
            await old.close()
        session = await Session.open(
            await self._target(), wake_ups=self._wake_ups, tell=self._tell, on_lost=self._on_lost
        )
        if self._closed:
            await session.close()
        self._session = session
        if old is not None:
            # What changed while nobody listened is unknown, and the new session has yet to read every key.
            self._tell(None)
        return session

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unavailable(f"the connection to {self._server} is closed", connection=True)
