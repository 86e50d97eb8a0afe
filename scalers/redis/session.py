"""A session with one Redis server: logged in, and told of changed keys where the server can.

Redis 6 and newer remember the keys that a connection has read and tell it once when one of them changes
(client side caching, in its default mode). With RESP3 the news comes as a push on the reading connection
itself. Without RESP3 a second connection subscribes to `__redis__:invalidate` and the reading one redirects
its news there; that second one may die unnoticed, so it is asked for a sign of life (`check`).

Managed servers, proxies and fakes lack parts of this: what is refused is noted in `why_untold`, and the
session reads on without.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hiredis import ReplyError

from scalers.redis.errors import first_word, meaning, refused_login
from scalers.redis.link import Command, Link
from scalers.sdk import Unavailable

__all__ = ["CONNECT_SECONDS", "REPLY_SECONDS", "Session", "Target", "Tell", "ask_once"]

CONNECT_SECONDS = 2.0
"""For everything until the server is ready to be read: DNS, TCP, TLS, login."""
REPLY_SECONDS = 2.0
"""How long a question may be met with silence. (KEDA: 5 s to dial, 3 s to read; ours fit in one deadline.)"""
NAME = "tidegate"
INVALIDATIONS = "__redis__:invalidate"

Tell = Callable[[list[bytes] | None], None]
"""Takes the keys that changed; None: any key may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect and who to be. The username counts only with a password (as in KEDA).

    `vet`, where given, is asked when logged in whether this is the right server, and raises ScalerError if not.
    """

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = None
    allow_loopback: bool = True
    vet: Callable[[Link], Awaitable[None]] | None = None


class Session:
    """See the module. `why_untold` is empty when the server tells of changes to keys that were read."""

    def __init__(self, target: Target, tell: Tell, on_lost: Callable[[], None]) -> None:
        self._target = target
        self._tell = tell
        self._on_lost = on_lost
        self._reading: Link | None = None
        self._telling: Link | None = None
        self.why_untold = ""

    @classmethod
    async def open(
        cls, target: Target, *, wake_ups: bool, tell: Tell, on_lost: Callable[[], None]
    ) -> "Session":
        """Connect and log in. Raises ScalerError. `tell` and `on_lost` are called from the event loop."""
        session = cls(target, tell, on_lost)
        where = f"{target.host}:{target.port}"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await session._start(wake_ups=wake_ups)
        except BaseException as error:
            await session.close()
            if isinstance(error, TimeoutError):
                hint = "; does it speak TLS there?" if target.tls is not None else ""
                text = f"cannot connect to {where}: no answer within {CONNECT_SECONDS:g} s{hint}"
                raise Unavailable(text, connection=True) from None
            if isinstance(error, OSError):
                raise Unavailable(f"cannot connect to {where}: {error}", connection=True) from error
            raise
        return session

    @property
    def alive(self) -> bool:
        """False once a connection is gone."""
        links = (self._reading, self._telling) if self._telling is not None else (self._reading,)
        return all(link is not None and link.alive for link in links)

    @property
    def must_be_checked(self) -> bool:
        """Would the news end without a sign?"""
        return self._telling is not None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See Link.ask."""
        if self._reading is None:
            raise Unavailable("not connected", connection=True)
        return await self._reading.ask(commands)

    async def check(self) -> bool:
        """Does the news still come? False, or raising Unavailable: the session must be closed."""
        if self._telling is None:
            return self.alive
        await self._telling.ask([("PING",)])
        (info,) = await self.ask([("CLIENT", "TRACKINGINFO")])
        flags = (
            dict(zip(info[::2], info[1::2], strict=True)).get(b"flags", []) if isinstance(info, list) else []
        )
        return b"on" in flags and b"broken_redirect" not in flags

    async def close(self) -> None:
        """Close every connection, and wait until that is done."""
        for link in (self._reading, self._telling):
            if link is not None:
                await link.close()

    async def _start(self, *, wake_ups: bool) -> None:
        pushes = await self._read_from()
        if not wake_ups:
            self.why_untold = "switched off"
        elif pushes:
            await self._track("CLIENT", "TRACKING", "ON")
        else:
            await self._redirect()

    async def _read_from(self) -> bool:
        """Make the reading connection. Answers whether it takes pushes."""
        self._reading, pushes = await self._log_in()
        if self._target.vet is not None:
            await self._target.vet(self._reading)
        if self._target.database:
            (reply,) = await self._reading.ask([("SELECT", self._target.database)])
            if isinstance(reply, ReplyError):
                raise meaning(reply, f"selecting database {self._target.database}")
        return pushes

    async def _log_in(self) -> tuple[Link, bool]:
        """A connection that is logged in, and whether it takes pushes (RESP3)."""
        target = self._target
        link = await Link.open(
            target.host,
            target.port,
            tls=target.tls,
            allow_loopback=target.allow_loopback,
            patience=REPLY_SECONDS,
            on_push=self._pushed,
            on_lost=self._on_lost,
        )
        try:
            return link, await _greet(link, target)
        except BaseException:
            await link.close()
            raise

    async def _redirect(self) -> None:
        """Let the news go to a second connection, for want of RESP3."""
        self._telling, _ = await self._log_in()
        client_id, subscribed = await self._telling.ask([("CLIENT", "ID"), ("SUBSCRIBE", INVALIDATIONS)])
        refused = next((reply for reply in (client_id, subscribed) if isinstance(reply, ReplyError)), None)
        if refused is None:
            await self._track("CLIENT", "TRACKING", "ON", "REDIRECT", client_id)
        else:
            self.why_untold = _words(refused)
        if self.why_untold:
            telling, self._telling = self._telling, None
            await telling.close()

    async def _track(self, *command: str | int) -> None:
        (reply,) = await self.ask([command])
        if not isinstance(reply, ReplyError):
            return
        self.why_untold = _words(reply)
        try:
            await self.ask([("PING",)])
        except Unavailable:  # fakeredis hangs up after any error.
            await self._read_from()

    def _pushed(self, push: list[Any]) -> None:
        """[invalidate, keys] with RESP3, [message, channel, keys] without; keys None: all were flushed."""
        keys = push[-1]
        if push[0] == b"invalidate" or push[:2] == [b"message", INVALIDATIONS.encode()]:
            self._tell(keys if isinstance(keys, list) else None)


async def ask_once(target: Target, commands: Sequence[Command]) -> list[Any]:
    """The replies of a server that is then left. Raises ScalerError."""
    session = await Session.open(target, wake_ups=False, tell=lambda _: None, on_lost=lambda: None)
    try:
        return await session.ask(commands)
    finally:
        await session.close()


async def _greet(link: Link, target: Target) -> bool:
    """Log in, with RESP3 where the server has it. Answers whether it has. Raises ScalerError."""
    auth: Command = ("AUTH", target.username or "default", target.password) if target.password else ()
    (reply,) = await link.ask([("HELLO", 3, *auth, "SETNAME", NAME)])
    if isinstance(reply, dict):
        return True
    if not isinstance(reply, ReplyError):
        raise Unavailable(f"{target.host}:{target.port} does not answer as Redis does", connection=True)
    if first_word(reply) not in {"ERR", "NOPROTO", "NOPERM"} or "max number of clients" in str(reply):
        raise refused_login(reply)
    if target.password:  # An old server or a proxy that does not know HELLO.
        user = (target.username,) if target.username else ()
        (reply,) = await link.ask([("AUTH", *user, target.password)])
        if isinstance(reply, ReplyError):
            raise refused_login(reply)
    await link.ask(
        [("CLIENT", "SETNAME", NAME)]
    )  # A courtesy to whoever lists clients; a refusal does not matter.
    return False


def _words(reply: ReplyError) -> str:
    """A refusal of a command without credentials, short enough for a log line."""
    return str(reply)[:120]
