"""A master whose address sentinels know.

The sentinels are asked before each attempt to connect, and the server found is asked whether it is a master: a
sentinel may be behind the times. While all goes well they are asked again now and then, since a master that
the sentinels have given up may not know it yet. When no sentinel answers, a session that works is kept.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from hiredis import ReplyError

from scalers.redis.client import Question, ServerClient
from scalers.redis.errors import meaning
from scalers.redis.link import Link
from scalers.redis.session import Target, ask_once
from scalers.redis.shared import first_answer
from scalers.redis.slots import Address
from scalers.redis.targets import Login, Targets, split
from scalers.sdk import Host, InvalidMetadata, ScalerError, Unauthorized, Unavailable

__all__ = ["SentinelClient", "Sentinels"]

_STAGGER = 0.5
_SECONDS = 2.0
_AGAIN_SECONDS = 10.0


class Sentinels:
    """Finds the master called `name`. `login` is the sentinels' own, `database` the master's."""

    def __init__(
        self, addresses: Sequence[str], name: str, targets: Targets, *, login: Login, database: int
    ) -> None:
        self._addresses = list(addresses)
        self._name = name
        self._targets = targets
        self._login = login
        self._database = database
        self._doubtful = False
        self.followed: Address | None = None
        """The master that was last given out."""

    async def target(self) -> Target:
        """Where to connect now. Raises ScalerError."""
        if self._doubtful:  # What we were told last time led to no master: ask somebody else first.
            self._addresses.append(self._addresses.pop(0))
        self.followed, self._doubtful = await self.master(), True
        made = await self._targets.at(*self.followed, database=self._database)
        return dataclasses.replace(made, vet=self._vet)

    async def master(self) -> Address:
        """The master's address, of the first sentinel that knows it. Raises ScalerError."""
        if not self._name:
            raise InvalidMetadata(
                "sentinelMaster is not given: write the name that the sentinels know the master by"
            )
        asked = f"no sentinel tells where the master {self._name!r} is"
        attempts = [partial(self._ask, address) for address in self._addresses]
        try:
            async with asyncio.timeout(_SECONDS):
                return await first_answer(attempts, _STAGGER, asked)
        except TimeoutError:
            raise Unavailable(f"{asked}: no answer within {_SECONDS:g} s", connection=True) from None

    async def _ask(self, address: str) -> Address:
        target = await self._targets.at(*split(address), login=self._login)
        try:
            (reply,) = await ask_once(target, [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)])
        except Unauthorized as error:
            raise Unauthorized(f"{address}: {error}; see sentinelUsername and sentinelPassword") from None
        if reply is None:
            raise InvalidMetadata(f"{address} knows no master of this name; see sentinelMaster")
        if isinstance(reply, ReplyError):
            if "unknown command" in str(reply).lower():
                raise InvalidMetadata(
                    f"{address} is no sentinel: give the sentinels' addresses, not the servers'"
                )
            raise meaning(reply, f"{address}: asking for the master")
        try:
            host, port = reply
            return host.decode(), int(port)
        except (TypeError, ValueError, AttributeError):
            raise Unavailable(f"{address} does not answer as a sentinel does", connection=True) from None

    async def _vet(self, link: Link) -> None:
        """Is this a master? A server that may not say so is believed."""
        (reply,) = await link.ask([("ROLE",)])
        if isinstance(reply, list) and reply[:1] != [b"master"]:
            role = (
                reply[0].decode("utf-8", "replace")
                if reply and isinstance(reply[0], bytes)
                else "something else"
            )
            where = ":".join(map(str, self.followed or ()))
            text = f"the sentinels name {where} as master {self._name!r}, which says that it is a {role}"
            raise Unavailable(text, connection=True)
        self._doubtful = False


class SentinelClient(ServerClient):
    """See the module."""

    def __init__(self, server: str, sentinels: Sentinels, host: Host) -> None:
        super().__init__(server, sentinels.target, host)
        self._sentinels = sentinels
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """See Client."""
        now = asyncio.get_running_loop().time()
        if self.keeper.present is None:
            self._asked_at = now
        elif now - self._asked_at >= _AGAIN_SECONDS:
            self._asked_at = now
            self._asking = asyncio.create_task(self._follow(), name="redis sentinel")
        return await super().ask(questions)

    async def close(self) -> None:
        """See Client."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        await super().close()

    async def _follow(self) -> None:
        """Leave a server that is the master no more."""
        try:
            master = await self._sentinels.master()
        except ScalerError:
            return  # It is the master that is read, not the sentinels.
        if master != self._sentinels.followed:
            await self.keeper.drop()
