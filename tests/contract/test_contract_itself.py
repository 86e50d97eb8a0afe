"""The contract judged: a small honest scaler passes it, and each way to cheat is caught by a test of it."""

import asyncio
import contextlib
import inspect

import pytest

from scalers.sdk import (
    Batches,
    Connection,
    Inputs,
    Metadata,
    Reading,
    Scaler,
    Unauthorized,
    Unavailable,
    key,
    parse,
)
from scalers.testing import Fault, FaultProxy, ServerContract


class Numbers:
    """A server of a line protocol: `password name` is answered with a number or `DENIED`."""

    def __init__(self):
        self.held = {}

    @contextlib.asynccontextmanager
    async def running(self):
        writers = set()

        async def serve(reader, writer):
            writers.add(writer)
            with contextlib.suppress(ConnectionError):
                while line := await reader.readline():
                    password, name = line.decode().split()
                    writer.write(b"DENIED\n" if password != "open" else b"%d\n" % self.held[name])
            writers.discard(writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            await asyncio.gather(*map(end, writers))


async def end(writer):
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Client:
    def __init__(self, address):
        self.address = address
        self.lock = asyncio.Lock()
        self.streams = None

    async def ask(self, line):
        async with self.lock:
            try:
                async with asyncio.timeout(1):
                    if self.streams is None:
                        self.streams = await asyncio.open_connection(*self.address.split(":"))
                    reader, writer = self.streams
                    writer.write(line.encode())
                    answer = (await reader.readuntil(b"\n")).decode().strip()
                    number = None if answer == "DENIED" else int(answer)
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                await self.close()
                raise Unavailable("no answer", connection=True) from error
        if number is None:
            raise Unauthorized("the server does not like the password")
        return number

    async def close(self):
        streams, self.streams = self.streams, None
        if streams is not None:
            await end(streams[1])


class NumbersConnection(Connection):
    address: str = key(help="host:port")
    password: str = key(default="open", secret=True, help="opens the server")

    @contextlib.asynccontextmanager
    async def open(self, _host):
        client = Client(self.address)
        try:
            yield client
        finally:
            await client.close()


class NumbersMetadata(Metadata):
    connection: NumbersConnection
    name: str = key(help="whose number")

    def metric_name(self):
        return f"numbers-{self.name}"


class Honest(Scaler[Client, NumbersMetadata]):
    metadata = NumbersMetadata
    timeout = 2.0

    async def measure(self, client, metadata):
        return Reading(float(await client.ask(f"{metadata.connection.password} {metadata.name}\n")))

    async def measure_many(self, client, batch):
        return [await self.measure(client, metadata) for metadata in batch]


class Judged(ServerContract):
    """Not collected: its tests are called one by one below."""

    patience = 1.5

    def __init__(self, scaler, numbers, port):
        self.judged = scaler
        self.source = numbers
        self.server = ("127.0.0.1", port)

    @property
    def scaler(self):
        return self.judged

    def inputs_at(self, name, host, port):
        return Inputs(metadata={"address": f"{host}:{port}", "name": name})

    def wrong_inputs_at(self, name, host, port):
        return Inputs(metadata={"address": f"{host}:{port}", "name": name, "password": self.wrong_secret})

    async def put(self, name, number):
        self.source.held[name] = number


# The ways to cheat.


class ZeroOnError(Honest):
    async def measure(self, client, metadata):
        try:
            return await super().measure(client, metadata)
        except Unavailable:
            return Reading(0.0)


class LibraryError(Honest):
    async def measure(self, client, metadata):
        try:
            return await super().measure(client, metadata)
        except Unavailable as error:
            raise error.__cause__ from None


class NoFaultOfTheConnection(Honest):
    async def measure(self, client, metadata):
        try:
            return await super().measure(client, metadata)
        except Unavailable:
            raise Unavailable("no answer") from None


class ConnectionPerRead(Honest):
    async def measure(self, client, metadata):
        own = Client(client.address)
        try:
            return await super().measure(own, metadata)
        finally:
            await own.close()


class Leak(Honest):
    def __init__(self):
        self.leaked = []

    async def measure(self, client, metadata):
        reading = await super().measure(client, metadata)
        self.leaked.append(client.streams)
        client.streams = None
        return reading


class NeverRecovers(Honest):
    async def measure(self, client, metadata):
        if getattr(client, "failed", False):
            raise Unavailable("still no answer", connection=True)
        try:
            return await super().measure(client, metadata)
        except Unavailable:
            client.failed = True
            raise


class Backwards(Honest):
    async def measure_many(self, client, batch):
        return (await super().measure_many(client, batch))[::-1]


class OffByOne(Honest):
    async def measure(self, client, metadata):
        return Reading((await super().measure(client, metadata)).value + 1)


class LooseTask(Honest):
    async def measure(self, client, metadata):
        self.task = asyncio.ensure_future(asyncio.sleep(3600))
        return await super().measure(client, metadata)


class TellTale(Honest):
    async def measure(self, client, metadata):
        try:
            return await super().measure(client, metadata)
        except Unauthorized:
            raise Unauthorized(f"{metadata.connection.password} is wrong") from None


class WrongBlame(Honest):
    async def measure(self, client, metadata):
        try:
            return await super().measure(client, metadata)
        except Unauthorized as error:
            raise Unavailable(str(error)) from None


class OpenSecret(Honest):
    class Loud(NumbersMetadata):
        api_key: str = key(default="", help="not declared secret")

    metadata = Loud


class Silent(Honest):
    class Undocumented(NumbersMetadata):
        other: int = key(default=0)

    metadata = Undocumented


class RawName(Honest):
    class Raw(NumbersMetadata):
        def metric_name(self):
            return f"numbers/{self.name}"

    metadata = Raw

    def specs(self, metadata):
        (spec,) = super().specs(metadata)
        return [type(spec)(metadata.metric_name(), spec.target)]


FAULT = "test_a_fault_is_unavailable_and_the_same_client_recovers"
CHEATS = [
    (ZeroOnError, FAULT),
    (LibraryError, FAULT),
    (NeverRecovers, FAULT),
    (NoFaultOfTheConnection, "test_a_refused_connection_is_the_connections_fault"),
    (ConnectionPerRead, "test_triggers_share_few_connections"),
    (Leak, "test_slow_is_not_broken"),
    (Backwards, "test_a_batch_reads_what_single_reads_read_in_order"),
    (OffByOne, "test_it_reads_the_right_number"),
    (OffByOne, "test_one_item_is_work_and_none_is_not"),
    (LooseTask, "test_no_task_outlives_the_client"),
    (TellTale, "test_wrong_credentials_are_unauthorized_and_told_to_nobody"),
    (WrongBlame, "test_wrong_credentials_are_unauthorized_and_told_to_nobody"),
    (OpenSecret, "test_what_is_named_like_a_secret_is_one"),
    (Silent, "test_every_key_says_what_it_is_for"),
    (RawName, "test_metric_names_are_stable_and_targets_positive"),
]
LET_THROUGH = {LibraryError: (OSError, asyncio.IncompleteReadError), WrongBlame: (Unavailable,)}
TESTS = [
    name
    for name, _ in inspect.getmembers(ServerContract, inspect.iscoroutinefunction)
    if name.startswith("test_")
]


async def judge(scaler, test):
    numbers = Numbers()
    async with numbers.running() as port:
        contract = Judged(scaler, numbers, port)
        method = getattr(contract, test)
        faults = [Fault.CUT] if "fault" in inspect.signature(method).parameters else []
        try:
            await method(*faults)
        finally:
            for streams in getattr(scaler, "leaked", ()):
                await end(streams[1])
            if hasattr(scaler, "task"):
                scaler.task.cancel()


@pytest.mark.parametrize("test", TESTS)
async def test_an_honest_scaler_passes(test):
    await judge(Honest(), test)


@pytest.mark.parametrize(("cheat", "test"), CHEATS, ids=lambda value: getattr(value, "__name__", value))
async def test_a_cheat_is_caught(cheat, test):
    # What the test did not expect goes through it as it is.
    with pytest.raises((AssertionError, pytest.fail.Exception, *LET_THROUGH.get(cheat, ()))):
        await judge(cheat(), test)


def test_the_honest_scaler_reads_batches():
    assert isinstance(Honest(), Batches)
    assert parse(NumbersMetadata, Inputs(metadata={"address": "a:1", "name": "n"})).problems == ()


async def test_the_proxy_counts_and_keeps_its_port():
    numbers = Numbers()
    numbers.held["n"] = 7
    async with numbers.running() as port, FaultProxy("127.0.0.1", port) as proxy:
        one, two = Client(f"{proxy.host}:{proxy.port}"), Client(f"{proxy.host}:{proxy.port}")
        assert [await client.ask("open n\n") for client in (one, two)] == [7, 7]
        assert (proxy.open, proxy.most, proxy.total) == (2, 2, 2)
        await proxy.set(Fault.REFUSE)
        assert proxy.open == 0
        with pytest.raises(Unavailable):
            await one.ask("open n\n")
        await proxy.set(Fault.NONE)
        assert await one.ask("open n\n") == 7
        assert (proxy.open, proxy.most, proxy.total) == (1, 2, 3)
        await one.close()
        await two.close()
