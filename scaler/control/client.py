"""The one client of a Source: opened when first needed, given to all reads, replaced when it failed.

A client is opened and closed by one task of its own, since libraries with cancel scopes insist on it. A
client that failed is retired: new reads do not get it, and it is closed when the last of those that use it
has left.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.reader import failure
from scaler.control.source_settings import SourceSettings
from scalers.sdk import Connection, Host, ScalerError, Unavailable

__all__ = ["Opened", "SharedClient"]

_log = structlog.get_logger(__name__)


class Opened:
    """A client that is open for as long as somebody holds it, or until it is retired and all have left."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._users = 0
        self._retired = False
        self._over = asyncio.Event()

    @contextmanager
    def hold(self) -> Iterator[Any]:
        """The client, which stays open within."""
        self._users += 1
        try:
            yield self.client
        finally:
            self._users -= 1
            self._check()

    def retire(self) -> None:
        """Close it when nobody holds it."""
        self._retired = True
        self._check()

    def _check(self) -> None:
        if self._retired and not self._users:
            self._over.set()

    async def over(self) -> None:
        """Return when it is to be closed."""
        await self._over.wait()


class SharedClient:
    """See the module. `opened` counts the clients opened so far."""

    def __init__(self, connection: Connection, *, host: Host, clock: Clock, settings: SourceSettings) -> None:
        self.opened = 0
        self.current: Opened | None = None
        self._connection = connection
        self._host = host
        self._clock = clock
        self._settings = settings
        self._opening: asyncio.Future[Opened | ScalerError] | None = None
        self._keepers: set[asyncio.Task[None]] = set()

    async def get(self) -> Opened | ScalerError:
        """The present client, opened if there is none; or why it cannot be: always a connection failure."""
        if self.current is not None:
            return self.current
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()
            keeper = asyncio.create_task(self._keep(self._opening), name="source client")
            self._keepers.add(keeper)
            keeper.add_done_callback(self._keepers.discard)
        return await asyncio.shield(self._opening)

    def retire(self, opened: Opened) -> None:
        """It failed: the next `get` opens another."""
        if self.current is opened:
            self.current = None
        opened.retire()

    async def close(self) -> None:
        """Close what is open, whoever still holds it."""
        self.current = None
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _keep(self, opening: "asyncio.Future[Opened | ScalerError]") -> None:
        try:
            context = await self._open(opening)
        finally:
            self._opening = None
            if not opening.done():
                opening.set_result(Unavailable("the source was closed", connection=True))
        if context is None:
            return
        try:
            await opening.result().over()  # type: ignore[union-attr] # it was opened
        finally:
            await self._exit(context)

    async def _open(
        self, opening: "asyncio.Future[Opened | ScalerError]"
    ) -> AbstractAsyncContextManager[Any] | None:
        seconds = self._settings.open_timeout
        try:
            async with self._clock.deadline(seconds) as deadline:
                context = self._connection.open(self._host)
                client = await context.__aenter__()
        except BaseException as error:  # noqa: BLE001 - a plugin's code; `failure` lets cancellation through
            if isinstance(error, TimeoutError) and deadline.expired():
                problem: ScalerError = Unavailable(f"could not be opened within {seconds:g} s")
            else:
                problem = failure(error, self._connection)
            problem.connection = True
            opening.set_result(problem)
            return None
        self.opened += 1
        self.current = Opened(client)
        opening.set_result(self.current)
        return context

    async def _exit(self, context: AbstractAsyncContextManager[Any]) -> None:
        try:
            async with self._clock.deadline(self._settings.close_timeout):
                await context.__aexit__(None, None, None)
        except BaseException as error:  # noqa: BLE001 - as above
            _log.warning("client_not_closed", error=str(failure(error, self._connection)))
