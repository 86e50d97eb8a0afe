"""Event sources for tests that play them: a Server says what is read, and what a scaler raises, when and how late.

server = Server(clock)
server.values["a"] = 3                      # a number, Readings, an exception to raise, or a function
server.hanging.add("b")                     # reads of b never answer
server.down = True                          # reads fail as connection failures
await server.tell(server.metadata("a"))     # Telling only: a change
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from typing import Any

from fake_clock import FakeClock

from scaler.control.host import ClockHost
from scaler.control.sources import Result, Sources, SourceSettings, TriggerKey, Wanted
from scalers.sdk import Change, Connection, Host, Metadata, Reading, Role, Scaler, Unavailable, key


class Server:
    """One event source, and what it saw."""

    def __init__(self, clock: FakeClock, name: str = "server") -> None:
        self.clock = clock
        self.name = name
        self.values: dict[str, Any] = {}
        self.hanging: set[str] = set()
        self.latency = 0.0
        self.down = False
        self.refuses: BaseException | None = None
        self.raises: BaseException | None = None
        self.lost_answers = 0
        self.calls: list[tuple[str, ...]] = []
        self.times: list[float] = []
        self.concurrent = self.most_concurrent = 0
        self.opened = self.closed = 0
        self.listeners: list[asyncio.Queue[Any]] = []
        self.no_changes: BaseException | None = None

    def metadata(self, queue: str, *, password: str = "", activation: float = 0) -> "ScriptedMetadata":
        connection = ScriptedConnection(server=self, password=password)
        return ScriptedMetadata(connection=connection, queue=queue, activation_value=activation)

    def reads(self, queue: str) -> int:
        return sum(call.count(queue) for call in self.calls)

    @asynccontextmanager
    async def client(self) -> AsyncIterator["Server"]:
        if self.refuses is not None:
            raise self.refuses
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    async def call(self, queues: Sequence[str]) -> list[Any]:
        """What one round trip answers."""
        self.calls.append(tuple(queues))
        self.times.append(self.clock.elapsed)
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            if self.latency:
                await self.clock.sleep(self.latency)
            if self.hanging.intersection(queues):
                await asyncio.Event().wait()
            if self.down:
                raise Unavailable("connection refused", connection=True)
            if self.raises is not None:
                raise self.raises
            answers = [self.values.get(queue, 0) for queue in queues]
            return [answer() if callable(answer) else answer for answer in answers]
        finally:
            self.concurrent -= 1

    async def tell(self, *news: Any) -> None:
        """Send changes (or an exception to raise, or None to end) to whoever listens."""
        for one in news:
            for listener in self.listeners:
                listener.put_nowait(Change(one) if isinstance(one, Metadata) else one)
        await self.clock.settle()


class ScriptedConnection(Connection):
    server: Server = field()
    password: str = key(default="", secret=True)

    def open(self, host: Host) -> Any:  # noqa: ARG002 - the contract's
        return self.server.client()

    def describe(self) -> str:
        return self.server.name


class ScriptedMetadata(Metadata):
    connection: ScriptedConnection
    queue: str = key()
    activation_value: float = key(default=0.0, role=Role.ACTIVATION)

    def metric_name(self) -> str:
        return self.queue


class Single(Scaler[Server, ScriptedMetadata]):
    metadata = ScriptedMetadata

    async def measure(self, client: Server, metadata: ScriptedMetadata) -> Any:
        (answer,) = await client.call([metadata.queue])
        if isinstance(answer, BaseException):
            raise answer
        return Reading(answer) if isinstance(answer, int | float) else answer


class Batch(Single):
    async def measure_many(self, client: Server, batch: Sequence[ScriptedMetadata]) -> Any:
        answers = await client.call([metadata.queue for metadata in batch])
        made = [Reading(answer) if isinstance(answer, int | float) else answer for answer in answers]
        return made[: len(made) - client.lost_answers]


class Together(Batch):
    def reads_together(self, metadata: ScriptedMetadata) -> bool:  # noqa: ARG002 - the contract's
        return True


class Telling(Batch):
    async def changes(self, client: Server) -> AsyncIterator[Change]:
        if client.no_changes is not None:
            raise client.no_changes
        news: asyncio.Queue[Any] = asyncio.Queue()
        client.listeners.append(news)
        try:
            while True:
                one = await news.get()
                if one is None:
                    return
                if isinstance(one, BaseException):
                    raise one
                yield one
        finally:
            client.listeners.remove(news)


class Results:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.all: list[tuple[TriggerKey, Result]] = []

    def __call__(self, key: TriggerKey, result: Result) -> None:
        self.all.append((key, result))

    def of(self, uid: str, index: int = 0) -> list[Result]:
        return [result for key, result in self.all if key == TriggerKey(uid, index)]

    def values(self, uid: str, index: int = 0) -> list[float]:
        return [result.readings[0].value for result in self.of(uid, index) if result.readings]

    def errors(self, uid: str, index: int = 0) -> list[str]:
        return [str(result.error) for result in self.of(uid, index) if result.error]

    def causes(self, uid: str, index: int = 0) -> list[str]:
        return [result.cause for result in self.of(uid, index)]


class World:
    """Sources in fake time with a sink that remembers, and one instance of each scripted scaler."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock(virtual_io=True)
        self.results = Results()
        self.server = Server(self.clock)
        self.single, self.batch, self.telling = Single(), Batch(), Telling()
        self.settings = SourceSettings(**settings)
        self.sources = Sources(self.clock, self.results, host=ClockHost(self.clock), settings=self.settings)

    def want(
        self,
        uid: str,
        *queues: str | Metadata,
        scaler: Scaler[Any, Any] | None = None,
        interval: float = 30,
        server: Server | None = None,
    ) -> None:
        """The object's triggers: one a queue."""
        server = server or self.server
        self.sources.want(
            uid,
            [
                Wanted(
                    key=TriggerKey(uid, index),
                    scaler=scaler or self.batch,
                    metadata=server.metadata(queue) if isinstance(queue, str) else queue,
                    interval=interval,
                )
                for index, queue in enumerate(queues)
            ],
        )

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def read(self) -> None:
        """Let what has just been wanted or asked for be read."""
        await self.clock.advance(0.01)

    def keys(self, uids: Collection[str]) -> list[TriggerKey]:
        return [TriggerKey(uid, 0) for uid in uids]
