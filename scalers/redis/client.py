"""What the triggers of one Redis Source share: the means to ask, and the news of the keys they read.

A trigger asks in pairs of a key and a command, whatever stands behind: one server, the master that sentinels
name, or the nodes of a cluster.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from scalers.redis.keeper import Keeper
from scalers.redis.link import Command
from scalers.redis.news import Newsroom
from scalers.redis.session import Target
from scalers.sdk import Change, Host, Metadata

__all__ = ["CHECK_SECONDS", "Client", "Question", "ServerClient"]

Question = tuple[bytes, Command]
CHECK_SECONDS = 10.0
"""How often it is asked whether the news still comes, where it would end without a sign."""


class Client(ABC):
    """See the module."""

    def __init__(self) -> None:
        self.newsroom = Newsroom()
        self.kinds: dict[bytes, str] = {}
        """For keys that are no lists: the command that counts their items."""
        self.tells_lag = False
        """Has the server been seen to know the lag of consumer groups?"""

    @abstractmethod
    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """The replies in order; error replies, and what failed for some questions only, as values.

        Connects first where needed. Raises ScalerError when nothing could be asked.
        """

    @abstractmethod
    def changes(self, kind: type[Metadata]) -> AsyncIterator[Change]:
        """See scalers.sdk.Wakes; of triggers of this class."""

    @abstractmethod
    async def close(self) -> None:
        """Close what is open; what is being asked fails."""

    def reads(self, key: bytes, metadata: Metadata) -> None:
        """Tell of changes to `key` as changes of this trigger. To be called before the key is read."""
        self.newsroom.of(type(metadata)).reads(key, metadata)


class ServerClient(Client):
    """Of one server. `target` says where to connect, and is asked before each attempt."""

    def __init__(self, server: str, target: Callable[[], Awaitable[Target]], host: Host) -> None:
        super().__init__()
        self.keeper = Keeper(
            server, target, wake_ups=host.wake_ups, tell=self.newsroom.told, on_lost=self.newsroom.nudge
        )

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """See Client: in one pipeline."""
        return await self.keeper.ask([command for _, command in questions])

    async def changes(self, kind: type[Metadata]) -> AsyncIterator[Change]:
        """See Client. A session that is lost is opened anew; raises ScalerError if that fails."""
        news = self.newsroom.of(kind)
        while True:
            session = await self.keeper.session()
            if session.why_untold:
                raise NotImplementedError(session.why_untold)
            while session.alive:
                for change in news.take():
                    yield change
                if not await news.wait(CHECK_SECONDS if session.must_be_checked else None):
                    await self.keeper.check()

    async def close(self) -> None:
        """See Client."""
        await self.keeper.close()
