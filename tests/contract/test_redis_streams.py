"""The `redis-streams` trigger against a real redis-server."""

import asyncio
import contextlib

import hiredis
import pytest
from redis_server import RedisServer

from scalers.redis import backlog
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, NoData, NotFound, Reading, Unauthorized, parse
from scalers.testing import ContractHost, WakesContract

SCALER = Registry().get("redis-streams")
LAG = {"consumerGroup": "workers", "lagCount": "5"}
PENDING = {"consumerGroup": "workers"}


def trigger(server, stream, **metadata):
    written = {"address": server.address, "stream": stream, **metadata}
    return parse(SCALER.metadata, Inputs(metadata=written)).value


async def read(server, stream, **metadata):
    one = trigger(server, stream, **metadata)
    async with one.connection.open(ContractHost()) as client:
        return (await SCALER.measure(client, one)).value


def add(server, stream, number=1):
    return [server.cli("XADD", stream, "*", "n", item) for item in range(number)]


def deliver(server, stream, number):
    server.cli("XREADGROUP", "GROUP", "workers", "one", "COUNT", number, "STREAMS", stream, ">")


class Streams(WakesContract):
    trigger_type = "redis-streams"

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.redis = redis_server
        self.server = (redis_server.host, redis_server.port)

    def wrong_inputs_at(self, name, host, port):
        given = self.inputs_at(name, host, port)
        auth = {"username": "nobody", "password": self.wrong_secret}
        return Inputs(metadata=given.metadata, auth=auth)

    async def put(self, name, number):
        with contextlib.suppress(hiredis.ReplyError):
            self.redis.cli("XGROUP", "CREATE", name, "workers", "0", "MKSTREAM")
        add(self.redis, name, number)


class TestLength(Streams):
    def inputs_at(self, name, host, port):
        return Inputs(metadata={"address": f"{host}:{port}", "stream": name})


class TestLag(Streams):
    def inputs_at(self, name, host, port):
        return Inputs(metadata={"address": f"{host}:{port}", "stream": name, **LAG})


class TestModes:
    async def test_the_length_falls_only_when_the_stream_is_trimmed(self, redis_server):
        add(redis_server, "length", 7)
        assert await read(redis_server, "length") == 7
        assert await read(redis_server, "length", lagCount="3") == 7
        redis_server.cli("XGROUP", "CREATE", "length", "workers", "0")
        deliver(redis_server, "length", 7)
        assert await read(redis_server, "length") == 7
        redis_server.cli("XTRIM", "length", "MAXLEN", 2)
        assert await read(redis_server, "length") == 2

    async def test_pending_are_those_delivered_and_not_acknowledged(self, redis_server):
        entries = add(redis_server, "pending", 7)
        redis_server.cli("XGROUP", "CREATE", "pending", "workers", "0")
        assert await read(redis_server, "pending", **PENDING) == 0
        deliver(redis_server, "pending", 5)
        assert await read(redis_server, "pending", **PENDING) == 5
        assert await read(redis_server, "pending", consumerGroup="workers", lagCount="0") == 5
        redis_server.cli("XACK", "pending", "workers", *entries[:2])
        assert await read(redis_server, "pending", **PENDING) == 3

    async def test_the_lag_is_what_was_not_delivered(self, redis_server):
        add(redis_server, "lag", 7)
        redis_server.cli("XGROUP", "CREATE", "lag", "workers", "0")
        redis_server.cli("XGROUP", "CREATE", "lag", "others", "$")
        deliver(redis_server, "lag", 5)
        assert await read(redis_server, "lag", **LAG) == 2
        assert await read(redis_server, "lag", consumerGroup="others", lagCount="5") == 0

    async def test_all_modes_and_many_groups_in_one_batch(self, redis_server):
        add(redis_server, "batch", 9)
        for group in ("workers", "others"):
            redis_server.cli("XGROUP", "CREATE", "batch", group, "0")
        deliver(redis_server, "batch", 4)
        others = {"consumerGroup": "others", "lagCount": "1"}
        many = [
            trigger(redis_server, "batch"),
            trigger(redis_server, "batch", **PENDING),
            trigger(redis_server, "batch", **LAG),
            trigger(redis_server, "batch", **others),
            trigger(redis_server, "batch", consumerGroup="nobody", lagCount="1"),
            trigger(redis_server, "batch", consumerGroup="nobody"),
            trigger(redis_server, "nowhere", **LAG),
        ]
        async with many[0].connection.open(ContractHost()) as client:
            asked = redis_server.commands("xinfo|groups")
            answers = await SCALER.measure_many(client, many)
            assert redis_server.commands("xinfo|groups") == asked + 2
        values = [answer.value if isinstance(answer, Reading) else type(answer) for answer in answers]
        assert values == [9, 4, 5, 9, 9, NotFound, 0]

    @pytest.mark.parametrize("args", [(), ("--rename-command", "HELLO", "")])
    async def test_with_and_without_maps_in_answers(self, args):
        with RedisServer(*args) as server:
            add(server, "s", 3)
            server.cli("XGROUP", "CREATE", "s", "workers", "0")
            deliver(server, "s", 1)
            assert await read(server, "s", **LAG) == 2
            assert await read(server, "s", **PENDING) == 1

    async def test_names_may_be_any_text(self, redis_server):
        add(redis_server, "日本 {x}/é".encode(), 2)
        redis_server.cli("XGROUP", "CREATE", "日本 {x}/é".encode(), "größe".encode(), "0")
        assert await read(redis_server, "日本 {x}/é", consumerGroup="größe", lagCount="1") == 2


class TestWhatIsMissing:
    async def test_a_stream_that_does_not_exist_has_nothing_to_deliver(self, redis_server):
        assert await read(redis_server, "missing") == 0
        assert await read(redis_server, "missing", **LAG) == 0

    async def test_a_group_that_does_not_exist_is_behind_by_the_whole_stream(self, redis_server):
        add(redis_server, "groupless", 3)
        assert await read(redis_server, "groupless", **LAG) == 3

    async def test_pending_entries_of_a_group_or_stream_that_does_not_exist(self, redis_server):
        add(redis_server, "groupless-too")
        for stream in ("missing", "groupless-too"):
            with pytest.raises(NotFound, match=rf"'{stream}'.*no consumer group 'workers'.*XGROUP CREATE"):
                await read(redis_server, stream, **PENDING)

    async def test_a_lag_that_redis_cannot_tell(self, redis_server):
        entries = add(redis_server, "holes", 5)
        redis_server.cli("XGROUP", "CREATE", "holes", "workers", "0")
        redis_server.cli("XDEL", "holes", entries[2])
        with pytest.raises(NoData, match="cannot tell how far the group 'workers' is behind") as caught:
            await read(redis_server, "holes", **LAG)
        assert type(caught.value) is NoData
        deliver(redis_server, "holes", 10)
        assert await read(redis_server, "holes", **LAG) == 0

    @pytest.mark.parametrize("mode", [{}, LAG, PENDING], ids=["length", "lag", "pending"])
    async def test_a_key_that_is_no_stream(self, redis_server, mode):
        redis_server.cli("SET", "text", "x")
        with pytest.raises(NoData, match="'text' is a key of another type"):
            await read(redis_server, "text", **mode)

    async def test_its_failure_is_its_own(self, redis_server):
        redis_server.cli("SET", "text", "x")
        add(redis_server, "healthy", 2)
        many = [trigger(redis_server, name) for name in ("text", "healthy", "text")]
        async with many[0].connection.open(ContractHost()) as client:
            answers = await SCALER.measure_many(client, many)
        assert [type(answer) for answer in answers] == [NoData, Reading, NoData]


class TestRightsAndVersions:
    async def test_what_a_user_may_not_do(self):
        with RedisServer() as server:
            add(server, "s", 3)
            server.cli("XGROUP", "CREATE", "s", "workers", "0")
            server.cli(
                "ACL", "SETUSER", "few", "on", ">pw", "~s", "+xlen", "+xinfo|groups", "+hello", "+client"
            )
            login = {"username": "few", "password": "pw"}
            assert await read(server, "s", **login) == 3
            assert await read(server, "s", **LAG, **login) == 3  # Without INFO.
            with pytest.raises(Unauthorized, match="xpending"):
                await read(server, "s", **PENDING, **login)
            with pytest.raises(Unauthorized, match="counting the stream 'other'"):
                await read(server, "other", **LAG, **login)

    async def test_the_version_is_asked_for_once(self, redis_server):
        one = trigger(redis_server, "versions", **LAG)
        async with one.connection.open(ContractHost()) as client:
            asked = redis_server.commands("info")  # Which counts itself, from the next time on.
            for _ in range(3):
                await SCALER.measure(client, one)
        assert redis_server.commands("info") == asked + 2

    @pytest.mark.parametrize(
        ("info", "groups", "expected"),
        [
            (b"# Server\r\nredis_version:6.2.7\r\n", [{b"name": b"workers"}], InvalidMetadata),
            (b"# Server\r\nredis_version:6.2.7\r\n", hiredis.ReplyError("ERR no such key"), InvalidMetadata),
            (
                b"# Server\r\nserver_name:valkey\r\nredis_version:7.2.4\r\n",
                [{b"name": b"workers", b"lag": 4}],
                4,
            ),
            (b"# Server\r\nredis_version:255.255.255\r\n", [{b"name": b"workers", b"lag": 4}], 4),
            (b"# Server\r\nredis_version:unknown\r\n", [{b"name": b"workers", b"lag": 4}], 4),
            (hiredis.ReplyError("NOPERM no"), [[b"name", b"workers", b"lag", 4]], 4),
            (hiredis.ReplyError("NOPERM no"), [{b"name": b"workers", b"pending": 1}], InvalidMetadata),
        ],
    )
    async def test_which_servers_tell_lags(self, info, groups, expected):
        class Client:
            tells_lag = False

            async def ask(self, questions):
                return [{"INFO": info, "XINFO": groups}[command[0]] for _, command in questions]

        (found,) = await backlog.backlogs(Client(), [backlog.Backlog(b"s", b"workers", backlog.Mode.LAG)])
        if isinstance(expected, int):
            assert found == expected
        else:
            assert type(found) is expected
            assert "leave lagCount out" in str(found)


class TestWakeUps:
    async def told(self, server, one, act):
        """Whether an act on the server is told as a change of the trigger, before a later one that is."""
        marker = trigger(server, "marker")
        async with one.connection.open(ContractHost()) as client:
            await SCALER.measure_many(client, [one, marker])
            changes = SCALER.changes(client)
            act()
            heard = []
            for times in (1, 2):  # The first may be told in one go with the act, in any order.
                add(server, "marker")
                async with asyncio.timeout(15):
                    while heard.count(marker) < times:
                        heard.append((await anext(changes)).metadata)
                await SCALER.measure(client, marker)
            await changes.aclose()
        return one in heard

    @pytest.mark.parametrize("mode", [{}, LAG], ids=["length", "lag"])
    @pytest.mark.parametrize("exists", [True, False])
    async def test_a_new_entry_is_told(self, mode, exists):
        with RedisServer() as server:
            if exists:
                server.cli("XGROUP", "CREATE", "s", "workers", "0", "MKSTREAM")
            assert await self.told(server, trigger(server, "s", **mode), lambda: add(server, "s"))

    async def test_a_new_entry_is_no_news_of_pending_ones(self):
        with RedisServer() as server:
            server.cli("XGROUP", "CREATE", "s", "workers", "0", "MKSTREAM")
            assert not await self.told(server, trigger(server, "s", **PENDING), lambda: add(server, "s"))

    async def test_lists_and_streams_of_one_server_share_its_connection_and_each_hears_its_own(self):
        lists = Registry().get("redis")
        with RedisServer() as server:
            stream = trigger(server, "s")
            written = {"address": server.address, "listName": "q"}
            one = parse(lists.metadata, Inputs(metadata=written)).value
            assert one.connection == stream.connection
            async with stream.connection.open(ContractHost()) as client:
                await SCALER.measure(client, stream)
                await lists.measure(client, one)
                assert server.clients() == 1
                ears = [SCALER.changes(client), lists.changes(client)]
                first = [asyncio.ensure_future(anext(ear)) for ear in ears]
                add(server, "s")
                server.cli("RPUSH", "q", "x")
                async with asyncio.timeout(15):
                    heard = [(await change).metadata for change in first]
                for ear in ears:
                    await ear.aclose()
            assert heard == [stream, one]


class TestQueries:
    def test_the_mode_is_part_of_the_question_and_the_targets_are_not(self, redis_server):
        def query(**metadata):
            return trigger(redis_server, "s", **metadata).query()

        assert query() == query(streamLength="9") == query(lagCount="3")
        assert query(**PENDING) == query(**PENDING, pendingEntriesCount="9") == query(**PENDING, lagCount="0")
        assert query(**LAG) == query(consumerGroup="workers", lagCount="99", activationLagCount="3")
        assert len({query(), query(**PENDING), query(**LAG), query(consumerGroup="x")}) == 4
