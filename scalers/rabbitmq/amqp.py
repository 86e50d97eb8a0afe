"""What the AMQP triggers of one virtual host share: one connection, kept up, and batches counted over it."""

import asyncio
import contextlib
import copy
import logging
from collections.abc import AsyncIterator, Iterable, Sequence

from scalers.rabbitmq.session import CHANNELS, Lost, Session
from scalers.rabbitmq.transport import Target
from scalers.sdk import Host, InvalidMetadata, ScalerError, Unavailable

__all__ = ["AmqpClient", "open_client"]

_REPLY_SECONDS = 3.0
"""The deadline of a batch, once connected."""
_END_SECONDS = 1.0
_LONGEST_NAME = 255

# The library logs what it also raises, and we report what is raised.
for _library in ("aio_pika", "aiormq"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class AmqpClient:
    """See the module."""

    def __init__(self, target: Target, host: Host) -> None:
        self._target = target
        self._host = host
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._attempts = 0
        self._failure: ScalerError | None = None

    async def depths(self, names: Sequence[str]) -> list[int | ScalerError]:
        """How many ready messages each queue holds, in order. Raises ScalerError when there is no connection."""
        session = await self._up()
        answers: list[int | ScalerError | None] = [_unusable(name) for name in names]
        queue = iter([(at, name) for at, name in enumerate(names) if answers[at] is None])
        counters = [
            asyncio.ensure_future(session.count(queue, answers)) for _ in range(min(CHANNELS, len(names)))
        ]
        why = ""
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                await asyncio.gather(*counters)
        except Lost as error:
            why = f"lost the connection to {self._target.where}: {error}"
        except TimeoutError:
            why = f"{self._target.where} does not answer within {_REPLY_SECONDS:g} s"
        finally:
            await _ended(counters, session)
        silent = all(answer is None for answer in answers)
        if why and silent:
            session.abandon()
        lost = bool(why) and not session.alive
        return [Unavailable(why, connection=lost) if answer is None else answer for answer in answers]

    async def close(self) -> None:
        """Close what is open."""
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
            return await self._open()

    async def _open(self) -> Session:
        old, self._session, self._failure = self._session, None, None
        try:
            if old is not None:
                await old.close()
            self._session = await Session.open(self._target, self._host)
        except ScalerError as error:
            self._failure = error
            raise
        finally:
            self._attempts += 1
        return self._session


async def _ended(counters: Iterable["asyncio.Future[None]"], session: Session) -> None:
    """End what still runs. The library says good-bye to a channel even then, and nobody may be listening."""
    running = {counter for counter in counters if not counter.done()}
    for counter in running:
        counter.cancel()
    if running and (await asyncio.wait(running, timeout=_END_SECONDS))[1]:
        session.abandon()


def _unusable(name: str) -> ScalerError | None:
    if len(name.encode()) > _LONGEST_NAME:
        return InvalidMetadata(f"queueName is longer than the {_LONGEST_NAME} bytes that AMQP allows")
    return None


@contextlib.asynccontextmanager
async def open_client(host: Host, target: Target) -> AsyncIterator[AmqpClient]:
    """A client for a virtual host. Connects when first asked."""
    client = AmqpClient(target, host)
    try:
        yield client
    finally:
        await client.close()
