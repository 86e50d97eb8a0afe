"""The `redis` trigger against a real redis-server."""

import asyncio

import pytest

from scalers.sdk import Inputs, InvalidMetadata, NoData, Reading, Unavailable
from scalers.testing import Fault, FaultProxy, WakesContract


class RedisTests(WakesContract):
    trigger_type = "redis"

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.redis = redis_server
        self.server = (redis_server.host, redis_server.port)

    def inputs_at(self, name, host, port):
        return Inputs(metadata={"address": f"{host}:{port}", "listName": name})

    def wrong_inputs_at(self, name, host, port):
        metadata = {"address": f"{host}:{port}", "listName": name, "username": "nobody"}
        return Inputs(metadata=metadata, auth={"password": self.wrong_secret})

    async def put(self, name, number):
        for item in range(number):
            self.redis.cli("RPUSH", name, item)

    def trigger(self, name, **metadata):
        host, port = self.server
        return self.metadata(Inputs(metadata={"address": f"{host}:{port}", "listName": name, **metadata}))


class TestRedis(RedisTests):
    async def test_keda_counts_keys_by_their_type(self):
        keys = {kind: f"{kind}-{self.fresh_name()}" for kind in ("list", "zset", "set", "hash", "none")}
        self.redis.cli("RPUSH", keys["list"], "a", "b")
        self.redis.cli("ZADD", keys["zset"], 1, "a", 2, "b", 3, "c")
        self.redis.cli("SADD", keys["set"], "a", "b", "c", "d")
        self.redis.cli("HSET", keys["hash"], "a", 1)
        many = [self.trigger(name) for name in keys.values()]
        async with many[0].connection.open(self.host()) as client:
            for _ in range(2):
                assert [r.value for r in await self.scaler.measure_many(client, many)] == [2, 3, 4, 1, 0]

    async def test_the_type_of_a_key_is_asked_for_once(self):
        name = self.fresh_name()
        self.redis.cli("SADD", name, "a")
        trigger = self.trigger(name)
        async with trigger.connection.open(self.host()) as client:
            await self.read(client, trigger)
            asked = self.redis.commands("type")
            assert (await self.read(client, trigger)).value == 1
            assert self.redis.commands("type") == asked

    async def test_a_key_may_change_its_type(self):
        name = self.fresh_name()
        trigger = self.trigger(name)
        async with trigger.connection.open(self.host()) as client:
            for command, items in (("SADD", 3), ("RPUSH", 2), ("SADD", 1), ("RPUSH", 4)):
                self.redis.cli("DEL", name)
                self.redis.cli(command, name, *range(items))
                assert (await self.read(client, trigger)).value == items
            self.redis.cli("DEL", name)
            assert (await self.read(client, trigger)).value == 0

    @pytest.mark.parametrize("command", [("SET", "x"), ("XADD", "*", "field", "x")])
    async def test_a_key_that_cannot_be_counted_is_its_own_problem(self, command):
        bad, good = self.fresh_name(), self.fresh_name()
        self.redis.cli(command[0], bad, *command[1:])
        self.redis.cli("RPUSH", good, "a")
        many = [self.trigger(bad), self.trigger(good), self.trigger(bad)]
        async with many[0].connection.open(self.host()) as client:
            answers = await self.scaler.measure_many(client, many)
            with pytest.raises(NoData, match=f"'{bad}' has the unsupported key type"):
                await self.read(client, many[0])
        assert [type(answer) for answer in answers] == [NoData, Reading, NoData]
        assert answers[1].value == 1

    async def test_a_database_of_its_own(self):
        name = self.fresh_name()
        self.redis.cli("RPUSH", name, "a")
        zero, three = self.trigger(name), self.trigger(name, databaseIndex="3")
        assert zero.connection != three.connection
        async with three.connection.open(self.host()) as client:
            assert (await self.read(client, three)).value == 0
        with pytest.raises(InvalidMetadata, match="databaseIndex"):
            async with self.trigger(name, databaseIndex="99").connection.open(self.host()) as client:
                await self.read(client, three)

    async def test_thousands_of_keys_in_one_batch_on_one_connection(self):
        prefix = self.fresh_name()
        self.redis.cli("RPUSH", f"{prefix}-2500", "a", "b")
        many = [self.trigger(f"{prefix}-{n}") for n in range(2501)]
        async with FaultProxy(*self.server) as proxy:
            connection = self.metadata(self.inputs_at(prefix, proxy.host, proxy.port)).connection
            async with connection.open(self.host()) as client:
                answers = await self.scaler.measure_many(client, many)
            assert [answer.value for answer in answers] == [0] * 2500 + [2]
            assert proxy.total == 1

    async def test_names_may_be_any_text(self):
        for name in ("café été", "a b/c:d%e(f)", "{tag}@x", "line\\nbreak", "日本"):
            self.redis.cli("DEL", name)
            self.redis.cli("RPUSH", name.encode(), "a")
            trigger = self.trigger(name)
            async with trigger.connection.open(self.host()) as client:
                assert (await self.read(client, trigger)).value == 1

    async def test_a_late_answer_is_not_taken_for_the_next_one(self):
        async with self.behind_proxy(7) as (proxy, client, metadata):
            empty = self.trigger(self.fresh_name())
            await self.read(client, metadata)
            await proxy.set(Fault.SLOW)
            late = asyncio.ensure_future(self.read(client, metadata))
            await asyncio.sleep(0.05)
            late.cancel()
            await asyncio.gather(late, return_exceptions=True)
            assert (await self.read(client, empty)).value == 0
            await proxy.set(Fault.NONE)
            assert (await self.read(client, metadata)).value == 7
            assert proxy.total == 1

    async def test_who_waited_for_a_failing_connection_shares_the_failure(self):
        async with self.behind_proxy(1) as (proxy, client, metadata):
            await proxy.set(Fault.CUT)
            answers = await asyncio.gather(
                *(self.read(client, metadata) for _ in range(20)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {Unavailable}
            assert proxy.total == 1

    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("cache.shop", "has no port"),
            ("cache.shop:", "has no port"),
            ("cache.shop:http", "has no port"),
            ("cache.shop:0", "has no port"),
            ("cache.shop:65536", "has no port"),
            ("::1:6379", "too many colons"),
            ("redis://cache.shop:6379", "is a URL"),
        ],
    )
    async def test_an_address_that_cannot_work_is_said_when_it_is_read(self, address, words):
        trigger = self.metadata(Inputs(metadata={"address": address, "listName": "q"}))
        assert words in str(self.scaler.warnings(trigger)[0])
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(InvalidMetadata, match=words):
                await self.read(client, trigger)

    @pytest.mark.parametrize(
        "address", ["redis://jobs:s3cret@cache.shop:6379", "jobs:s3cret@cache.shop:6379"]
    )
    async def test_a_login_in_the_address_is_refused_and_not_repeated(self, address):
        trigger = self.metadata(Inputs(metadata={"address": address, "listName": "q"}))
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(
                InvalidMetadata, match=r"'cache\.shop:6379' is a URL: write host:port, and username"
            ):
                await self.read(client, trigger)
        assert trigger.connection.describe() == "redis cache.shop:6379/0"
        assert "s3cret" not in f"{self.scaler.warnings(trigger)}"

    async def test_a_name_that_no_server_has(self):
        trigger = self.metadata(Inputs(metadata={"address": "no-such-host.invalid:6379", "listName": "q"}))
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(Unavailable, match="no-such-host") as caught:
                await self.read(client, trigger)
        assert caught.value.connection

    async def test_a_server_that_is_no_redis(self):
        async def answer(reader, writer):
            await reader.read(10)
            writer.write(b"+hello\r\n")
            await reader.read()
            writer.close()

        other = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with other:
            port = other.sockets[0].getsockname()[1]
            trigger = self.metadata(self.inputs_at("q", "127.0.0.1", port))
            async with trigger.connection.open(self.host()) as client:
                with pytest.raises(Unavailable, match="does not answer as Redis does"):
                    await self.read(client, trigger)
