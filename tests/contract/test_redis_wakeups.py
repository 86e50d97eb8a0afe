"""Being told of changes by a real redis-server, and what happens where that cannot be relied upon."""

import asyncio
import contextlib
import gc
import socket
import threading

import pytest
from fakeredis import TcpFakeServer
from redis_server import RedisServer

from scalers.redis import client as client_module
from scalers.redis.news import SWEEP
from scalers.registry import Registry
from scalers.sdk import Change, Inputs, ScalerError, parse
from scalers.testing import ContractHost, Fault, FaultProxy

PATIENCE = 15.0
SCALER = Registry().get("redis")


def trigger(name, *, host="127.0.0.1", port, **metadata):
    written = {"address": f"{host}:{port}", "listName": name, **metadata}
    return parse(SCALER.metadata, Inputs(metadata=written)).value


class Told:
    """Listens to the changes of a client, from the moment it is made."""

    def __init__(self, client):
        self.changes = []
        self.error = None
        self._heard = asyncio.Event()
        self._task = asyncio.ensure_future(self._listen(client))

    async def _listen(self, client):
        try:
            async for change in SCALER.changes(client):
                self.changes.append(change)
                self._heard.set()
        except (ScalerError, NotImplementedError) as error:
            self.error = error
        finally:
            self._heard.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition(self):
                self._heard.clear()
                await self._heard.wait()

    async def change_of(self, metadata):
        await self.until(lambda told: any(c.metadata is metadata for c in told.changes))

    async def everything(self):
        await self.until(lambda told: Change() in told.changes)

    def clear(self):
        self.changes.clear()

    async def close(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def listening(metadata, *, wake_ups=True):
    async with metadata.connection.open(ContractHost(wake_ups=wake_ups)) as client:
        await SCALER.measure(client, metadata)
        told = Told(client)
        try:
            yield client, told
        finally:
            await told.close()


@pytest.fixture(scope="class", params=["RESP3", "RESP2"])
def server(request):
    """With pushes on the reading connection, and with a second connection for want of RESP3."""
    args = () if request.param == "RESP3" else ("--rename-command", "HELLO", "")
    with RedisServer(*args) as made:
        made.connections = 1 if request.param == "RESP3" else 2
        yield made


class TestBothWays:
    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch):
        monkeypatch.setattr(client_module, "CHECK_SECONDS", 0.1)

    async def test_the_trigger_whose_key_changed_is_told_and_no_other(self, server):
        changed, other = trigger("changed", port=server.port), trigger("other", port=server.port)
        async with listening(changed) as (client, told):
            await SCALER.measure_many(client, [changed, other])
            assert server.clients() == server.connections
            server.cli("RPUSH", "changed", "a")
            await told.change_of(changed)
            assert {change.metadata for change in told.changes} == {changed}

    async def test_it_is_told_again_after_each_read(self, server):
        metadata = trigger("again", port=server.port)
        async with listening(metadata) as (client, told):
            for number in range(1, 6):
                told.clear()
                server.cli("RPUSH", "again", "a")
                await told.change_of(metadata)
                assert (await SCALER.measure(client, metadata)).value == number

    @pytest.mark.parametrize("command", [("DEL", "goes"), ("PEXPIRE", "goes", 1), ("RENAME", "goes", "gone")])
    async def test_every_way_to_change_counts(self, server, command):
        server.cli("RPUSH", "goes", "a")
        metadata = trigger("goes", port=server.port)
        async with listening(metadata) as (client, told):
            server.cli(*command)
            await told.change_of(metadata)
            async with asyncio.timeout(PATIENCE):
                while (await SCALER.measure(client, metadata)).value:
                    await told.change_of(metadata)

    @pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
    async def test_a_flush_changes_everything(self, server, command):
        server.cli("RPUSH", "flushed", "a")
        async with listening(trigger("flushed", port=server.port)) as (_, told):
            server.cli(command)
            await told.everything()

    async def test_connections_that_are_killed_are_replaced_and_everything_is_read_again(self, server):
        metadata = trigger("killed", port=server.port)
        async with listening(metadata) as (client, told):
            server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            server.cli("CLIENT", "KILL", "TYPE", "pubsub")
            await told.everything()
            await SCALER.measure(client, metadata)
            told.clear()
            server.cli("RPUSH", "killed", "a")
            await told.change_of(metadata)
            assert server.clients() == server.connections

    async def test_only_the_connection_that_hears_is_killed(self, server):
        metadata = trigger("deaf", port=server.port)
        async with listening(metadata) as (client, told):
            server.cli("CLIENT", "KILL", "TYPE", "normal" if server.connections == 1 else "pubsub")
            await told.everything()
            await SCALER.measure(client, metadata)
            told.clear()
            server.cli("RPUSH", "deaf", "a")
            await told.change_of(metadata)

    async def test_a_server_that_restarts(self, server):
        metadata = trigger("restarts", port=server.port)
        async with listening(metadata) as (client, told):
            server.stop()
            await told.until(lambda told: told.error is not None)
            assert told.error.connection
            server.start()
            again = Told(client)
            await again.everything()
            await SCALER.measure(client, metadata)
            server.cli("RPUSH", "restarts", "a")
            await again.change_of(metadata)
            await again.close()

    async def test_a_flood_of_changes_takes_no_room(self, server):
        many = [trigger(f"flood-{n}", port=server.port) for n in range(20)]
        async with many[0].connection.open(ContractHost()) as client:
            stop = asyncio.Event()
            news = client.newsroom.of(SCALER.metadata)

            def push():
                while not stop.is_set():
                    for n in range(20):
                        server.cli("RPUSH", f"flood-{n}", "a")

            pushing = threading.Thread(target=push)
            pushing.start()
            try:
                for _ in range(200):  # Nobody listens, while every read arms the keys again.
                    await SCALER.measure_many(client, many)
                    assert len(news) <= len(many)
            finally:
                stop.set()
                pushing.join()
            told = Told(client)
            for metadata in many:
                await told.change_of(metadata)
            await told.close()

    async def test_no_change_is_lost_between_reads_under_load(self, server):
        """Whatever the interleaving, a push that no read has seen is told."""
        many = [trigger(f"race-{n}", port=server.port) for n in range(50)]
        async with listening(many[0]) as (client, told):
            seen = dict.fromkeys(many, 0)

            def push():
                for turn in range(40):
                    for n in range(turn % 3, 50, 3):
                        server.cli("RPUSH", f"race-{n}", "a")

            pushing = asyncio.ensure_future(asyncio.to_thread(push))
            while not pushing.done():
                answers = await SCALER.measure_many(client, many)
                seen.update((m, a.value) for m, a in zip(many, answers, strict=True))
            await pushing
            stale = {m for m in many if server.cli("LLEN", m.list_name) != seen[m]}
            await told.until(lambda told: stale <= {change.metadata for change in told.changes})

    async def test_triggers_that_are_gone_are_not_kept(self, server):
        connection = trigger("kept", port=server.port).connection
        async with connection.open(ContractHost()) as client:
            for turn in range(5):
                many = [trigger(f"gone-{turn}-{n}", port=server.port) for n in range(200)]
                await SCALER.measure_many(client, many)
                del many
                gc.collect()
            assert client.newsroom.of(SCALER.metadata).known <= 2 * 200 + 2 * SWEEP


class TestWhereItCannotBe:
    async def polls(self, metadata, words, **options):
        async with listening(metadata, **options) as (client, told):
            await told.until(lambda told: told.error is not None)
            assert isinstance(told.error, NotImplementedError)
            assert words in str(told.error)
            assert (await SCALER.measure(client, metadata)).value == 0

    async def test_switched_off(self, redis_server):
        before = redis_server.commands("client|tracking")
        await self.polls(trigger("off", port=redis_server.port), "switched off", wake_ups=False)
        assert redis_server.commands("client|tracking") == before

    async def test_no_client_command(self):
        with RedisServer("--rename-command", "CLIENT", "") as server:
            await self.polls(trigger("q", port=server.port), "unknown command")

    async def test_no_client_command_nor_hello(self):
        with RedisServer("--rename-command", "CLIENT", "", "--rename-command", "HELLO", "") as server:
            await self.polls(trigger("q", port=server.port), "unknown command")
            assert server.cli("INFO", "clients")

    @pytest.mark.parametrize("hello", [True, False])
    async def test_not_permitted(self, hello):
        args = () if hello else ("--rename-command", "HELLO", "")
        with RedisServer(*args) as server:
            server.cli("ACL", "SETUSER", "default", "-client|tracking", "-subscribe")
            metadata = trigger("q", port=server.port)
            await self.polls(metadata, "NOPERM")
            async with listening(metadata):
                assert server.clients() == 1

    async def test_fakeredis(self):
        server = TcpFakeServer(("127.0.0.1", 0))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            await self.polls(trigger("q", port=server.server_address[1]), "unknown command")
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class TestUnreliableNews:
    async def test_a_redirection_that_is_broken_without_a_sign(self, monkeypatch):
        """The second connection hangs: no answer to PING, and the session is made anew."""
        monkeypatch.setattr(client_module, "CHECK_SECONDS", 0.1)
        with RedisServer("--rename-command", "HELLO", "") as server:
            async with FaultProxy(server.host, server.port) as proxy:
                metadata = trigger("q", port=proxy.port)
                async with listening(metadata) as (client, told):
                    await proxy.set(Fault.HANG)
                    await told.until(lambda told: told.error is not None)
                    await proxy.set(Fault.NONE)
                    again = Told(client)
                    await again.everything()
                    await SCALER.measure(client, metadata)
                    server.cli("RPUSH", "q", "a")
                    await again.change_of(metadata)
                    await again.close()

    async def test_the_servers_sign_of_a_broken_redirection(self):
        with RedisServer("--rename-command", "HELLO", "") as server:
            metadata = trigger("q", port=server.port)
            async with metadata.connection.open(ContractHost()) as client:
                session = await client.keeper.session()
                assert await session.check()
                with socket.create_connection((server.host, server.port)) as third:
                    third.sendall(b"CLIENT ID\r\n")
                    third_id = third.recv(100)[1:-2]
                    commands = [
                        ("CLIENT", "TRACKING", "OFF"),
                        ("CLIENT", "TRACKING", "ON", "REDIRECT", third_id),
                    ]
                    assert await session.ask(commands) == [b"OK", b"OK"]
                    await SCALER.measure(client, metadata)
                server.cli("RPUSH", "q", "a")  # Told to nobody.
                assert not await session.check()

    async def test_tracking_that_is_off(self):
        with RedisServer("--rename-command", "HELLO", "") as server:
            async with trigger("q", port=server.port).connection.open(ContractHost()) as client:
                session = await client.keeper.session()
                await session.ask([("CLIENT", "TRACKING", "OFF")])
                assert not await session.check()

    async def test_evictions_are_told_as_changes_and_cost_one_read_each(self):
        """Past tracking-table-max-keys the server tells of keys that did not change; that is for Sources to limit."""
        with RedisServer("--tracking-table-max-keys", "10") as server:
            many = [trigger(f"evicted-{n}", port=server.port) for n in range(50)]
            async with listening(many[0]) as (client, told):
                await SCALER.measure_many(client, many)
                await told.until(lambda told: len(told.changes) >= 20)
                assert {change.metadata for change in told.changes} <= set(many)
                assert len(told.changes) <= 50
