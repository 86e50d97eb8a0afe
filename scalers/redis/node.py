"""One node of a cluster, which may be down without holding up what is asked of the others.

The first question that a dead node leaves in silence takes its time. From then on it is tried in the
background, and questions wait for it a moment only, until it is up again.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from scalers.redis.keeper import Keeper
from scalers.redis.link import Command
from scalers.redis.session import Session, Target, Tell
from scalers.sdk import ScalerError

__all__ = ["Node"]

_MOMENT = 0.3
"""Long enough for a connection to a healthy node, and well within the HPA's patience for all of them."""


class Node:
    """See the module. `tell` hears of changed keys; when the node is lost, that any key may have changed."""

    def __init__(
        self, server: str, target: Callable[[], Awaitable[Target]], *, wake_ups: bool, tell: Tell
    ) -> None:
        self._keeper = Keeper(server, target, wake_ups=wake_ups, tell=tell, on_lost=self._lost)
        self._tell = tell
        self._reads = False
        self._down: ScalerError | None = None
        self._attempt: asyncio.Task[None] | None = None

    @property
    def present(self) -> Session | None:
        """The session, if it is up."""
        return self._keeper.present

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies in order, error replies as values. Raises ScalerError."""
        if self._down is not None:
            if self._attempt is None or self._attempt.done():
                self._attempt = asyncio.create_task(self._try(), name="redis cluster node")
            await asyncio.wait({self._attempt}, timeout=_MOMENT)
        if self._down is not None:
            raise copy.copy(self._down)
        try:
            replies = await self._keeper.ask(commands)
        except ScalerError as error:
            if error.connection:
                self._down = error
            raise
        self._reads = True
        return replies

    async def check(self) -> None:
        """Give the session up if its news may have ended without a sign."""
        try:
            await self._keeper.check()
        except ScalerError:
            await self._keeper.drop()

    async def close(self) -> None:
        """Close what is open; what is being asked fails."""
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait({self._attempt})
        await self._keeper.close()

    def _lost(self) -> None:
        """Called for attempts that fail, too: these change nothing, or news and attempts would never end."""
        if self._reads:
            self._reads = False
            self._tell(None)

    async def _try(self) -> None:
        try:
            await self._keeper.session()
        except ScalerError as error:
            self._down = error
        else:
            self._down = None
