"""`redis-cluster` on a real cluster of three masters: who is asked, and what becomes of nodes that fail or change."""

import asyncio
import contextlib
import time

import pytest
from redis_families import RedisCluster

from scaler.clock import SystemClock
from scaler.control.results import TriggerKey, Wanted
from scaler.control.source_settings import SourceSettings
from scaler.control.sources import Sources
from scalers.redis import cluster as cluster_module
from scalers.registry import Registry
from scalers.sdk import Change, Inputs, InvalidMetadata, Reading, ScalerError, Unavailable, parse
from scalers.testing import ContractHost, Fault, FaultProxy

PATIENCE = 30.0
SCALER = Registry().get("redis-cluster")
STREAMS = Registry().get("redis-cluster-streams")


def trigger(cluster, name, **metadata):
    written = {"addresses": cluster.addresses, "listName": name, **metadata}
    return parse(SCALER.metadata, Inputs(metadata=written)).value


def stream(cluster, name, **metadata):
    written = {"addresses": cluster.addresses, "stream": name, **metadata}
    return parse(STREAMS.metadata, Inputs(metadata=written)).value


def values(answers):
    return [answer.value if isinstance(answer, Reading) else type(answer) for answer in answers]


def _maps(cluster):
    """How often the nodes were asked for the map, by us or by anybody."""
    return sum(node.commands("cluster|slots") for node in cluster.nodes)


async def eventually(read, expected):
    async with asyncio.timeout(PATIENCE):
        while await read() != expected:  # noqa: ASYNC110 - it polls other processes
            await asyncio.sleep(0.05)


@pytest.fixture(scope="class")
def cluster():
    with RedisCluster() as made:
        yield made


@pytest.fixture
def mortal():
    """A cluster for one test, which may end it; its first master has a replica."""
    with RedisCluster(replicas=1) as made:
        yield made


class TestThreeNodes:
    async def test_every_key_is_read_where_it_is_in_one_pipeline_a_node(self, cluster):
        for n in range(0, 300, 7):
            cluster.cli("RPUSH", f"many-{n}", "x")
        many = [trigger(cluster, f"many-{n}") for n in range(300)]
        async with many[0].connection.open(ContractHost()) as client:
            answers = await SCALER.measure_many(client, many)
            assert values(answers) == [1 if n % 7 == 0 else 0 for n in range(300)]
            assert [node.clients() for node in cluster.nodes] == [1, 1, 1]
            before = [node.commands("llen") for node in cluster.nodes]
            await SCALER.measure_many(client, many)
            asked = [node.commands("llen") - was for node, was in zip(cluster.nodes, before, strict=True)]
            assert sum(asked) == 300
            assert min(asked) > 50
        await eventually(lambda: asyncio.to_thread(lambda: [n.clients() for n in cluster.nodes]), [0, 0, 0])

    async def test_hash_tags_names_and_types(self, cluster):
        names = ("{tag}a", "{tag}b", "{}c", "x{", "}x{y}", "{{a}}", "日本", "a b/c:d%e(f)")
        for number, name in enumerate(names):
            cluster.cli("SADD", name.encode(), *range(number + 1))
        assert cluster.owner("{tag}a") is cluster.owner("{tag}b")
        many = [trigger(cluster, name) for name in names]
        async with many[0].connection.open(ContractHost()) as client:
            for _ in range(2):
                assert values(await SCALER.measure_many(client, many)) == list(range(1, len(names) + 1))

    async def test_a_database_index_does_not_count(self, cluster):
        cluster.cli("RPUSH", "zero", "x")
        one = trigger(cluster, "zero", databaseIndex="5")
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 1

    async def test_streams_in_every_mode_and_lists_on_the_same_connections(self, cluster):
        keys = [cluster.key_of(at, "stream") for at in range(3)]
        for at, key in enumerate(keys):
            for _ in range(at + 2):
                cluster.cli("XADD", key, "*", "n", "1")
            cluster.cli("XGROUP", "CREATE", key, "workers", "0")
            cluster.cli("XREADGROUP", "GROUP", "workers", "one", "COUNT", 1, "STREAMS", key, ">")
        modes = ({}, {"consumerGroup": "workers"}, {"consumerGroup": "workers", "lagCount": "2"})
        many = [stream(cluster, key, **mode) for mode in modes for key in keys]
        async with many[0].connection.open(ContractHost()) as client:
            assert values(await STREAMS.measure_many(client, many)) == [2, 3, 4, 1, 1, 1, 1, 2, 3]
            await SCALER.measure(client, trigger(cluster, keys[0] + "-list"))
            assert [node.clients() for node in cluster.nodes] == [1, 1, 1]

    async def test_a_read_of_one_key_connects_to_its_node_only(self, cluster):
        one = trigger(cluster, cluster.key_of(1, "lonely"))
        async with one.connection.open(ContractHost()) as client:
            await SCALER.measure(client, one)
            assert [node.clients() for node in cluster.nodes] == [0, 1, 0]

    async def test_changes_on_every_node_are_told(self, cluster):
        many = [trigger(cluster, cluster.key_of(at, "told")) for at in range(3)]
        async with many[0].connection.open(ContractHost()) as client:
            await SCALER.measure_many(client, many)
            changes = SCALER.changes(client)
            for one in many:
                cluster.cli("RPUSH", one.list_name, "x")
                async with asyncio.timeout(PATIENCE):
                    assert (await anext(changes)).metadata is one
            await changes.aclose()

    async def test_listening_before_the_first_read(self, cluster):
        one = trigger(cluster, cluster.key_of(2, "early"))
        async with one.connection.open(ContractHost()) as client:
            changes = SCALER.changes(client)
            waiting = asyncio.ensure_future(anext(changes))
            await eventually(lambda: asyncio.to_thread(lambda: sum(n.clients() for n in cluster.nodes)), 1)
            await SCALER.measure(client, one)
            cluster.cli("RPUSH", one.list_name, "x")
            async with asyncio.timeout(PATIENCE):
                assert (await waiting).metadata is one
            await changes.aclose()

    async def test_wake_ups_that_are_switched_off(self, cluster):
        one = trigger(cluster, "off")
        async with one.connection.open(ContractHost(wake_ups=False)) as client:
            await SCALER.measure(client, one)
            with pytest.raises(NotImplementedError, match="switched off"):
                await anext(SCALER.changes(client))

    async def test_a_slot_that_moves_is_followed_by_reads_and_by_wake_ups(self, cluster):
        one = trigger(cluster, cluster.key_of(0, "moving"))
        cluster.cli("RPUSH", one.list_name, "a", "b")
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 2
            cluster.move(one.list_name, cluster.masters[2])
            assert (await SCALER.measure(client, one)).value == 2
            maps = _maps(cluster)
            changes = SCALER.changes(client)
            cluster.cli("RPUSH", one.list_name, "c")
            async with asyncio.timeout(PATIENCE):
                while (await anext(changes)).metadata is not one:
                    pass
            await changes.aclose()
            assert (await SCALER.measure(client, one)).value == 3
            assert _maps(cluster) == maps  # It is known where the key is now.

    async def test_a_key_that_is_on_its_way_is_asked_for_where_it_is(self, cluster):
        gone, here = (f"{{{cluster.key_of(1, 'way')}}}{name}" for name in ("gone", "here"))
        many = [trigger(cluster, gone), trigger(cluster, here), trigger(cluster, cluster.key_of(0, "other"))]
        for key in (gone, here):
            cluster.cli("RPUSH", key, "a", "b", "c")
        owner, to = cluster.masters[1], cluster.masters[2]
        cluster.begin_move(gone, to)
        owner.cli("MIGRATE", to.host, to.port, gone, 0, 5000)
        async with many[0].connection.open(ContractHost()) as client:
            for _ in range(2):
                assert values(await SCALER.measure_many(client, many)) == [3, 3, 0]
            assert [node.commands("asking") > 0 for node in cluster.masters] == [False, False, True]


class TestFailures:
    async def test_a_dead_node_costs_only_its_keys(self, mortal):
        many = [trigger(mortal, mortal.key_of(at, "q")) for at in range(3)]
        for one in many:
            mortal.cli("RPUSH", one.list_name, "x")
        async with many[0].connection.open(ContractHost()) as client:
            assert values(await SCALER.measure_many(client, many)) == [1, 1, 1]
            mortal.masters[2].stop()
            for _ in range(3):
                answers = await SCALER.measure_many(client, many)
                assert values(answers) == [1, 1, Unavailable]
                assert str(mortal.masters[2].port) in str(answers[2])
                assert not answers[2].connection
            # Alone in its batch it must not be taken for the failure of the whole connection either.
            with pytest.raises(Unavailable) as caught:
                await SCALER.measure(client, many[2])
            assert not caught.value.connection

    async def test_a_node_that_comes_back_is_read_again(self, mortal):
        one = trigger(mortal, mortal.key_of(2, "q"))
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 0
            mortal.masters[2].stop()
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await SCALER.measure(client, one)
            mortal.masters[2].start()
            await eventually(lambda: _values(client, [one]), [0])
            assert mortal.masters[2].clients() == 1

    async def test_the_breaker_stays_closed_while_one_node_is_dead(self, mortal):
        results = []
        many = [trigger(mortal, mortal.key_of(at, "q")) for at in range(3)]
        sources = Sources(
            SystemClock(),
            lambda key, result: results.append((key.index, result)),
            settings=SourceSettings(),
            host=ContractHost(),
        )
        wanted = [
            Wanted(key=TriggerKey("uid", at), scaler=SCALER, metadata=one, interval=0.2)
            for at, one in enumerate(many)
        ]

        def read_since(begin):
            return {index: result.error is None for index, result in results[begin:]}

        try:
            sources.want("uid", wanted)
            await eventually(lambda: asyncio.sleep(0, read_since(0)), {0: True, 1: True, 2: True})
            mortal.masters[2].stop()
            await eventually(lambda: asyncio.sleep(0, read_since(-3).get(2)), False)
            begin = len(results)
            await eventually(lambda: asyncio.sleep(0, len(results) > begin + 15), True)
            for index, result in results[begin:]:
                assert (result.error is None) is (index != 2), result.error
            (info,) = sources.sources()
            assert (info.breaker, info.clients) == ("closed", 1)
        finally:
            await sources.close()

    async def test_a_replica_takes_over_and_is_read(self, mortal):
        one = trigger(mortal, mortal.key_of(0, "q"))
        mortal.cli("RPUSH", one.list_name, "x", "y")
        mortal.replicated()
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 2
            changes = SCALER.changes(client)
            heard = asyncio.ensure_future(anext(changes))
            await asyncio.to_thread(mortal.fail_over)
            async with asyncio.timeout(PATIENCE):
                assert await heard == Change()
            assert (await SCALER.measure(client, one)).value == 2  # Within the first read.
            mortal.replicas[0].cli("RPUSH", one.list_name, "z")
            async with asyncio.timeout(PATIENCE):
                while (await anext(changes)).metadata is not one:
                    pass
            await changes.aclose()
            assert mortal.replicas[0].clients() == 1

    async def test_a_demoted_master_sends_us_on(self, mortal):
        one = trigger(mortal, mortal.key_of(0, "q"))
        mortal.cli("RPUSH", one.list_name, "x", "y")
        mortal.replicated()
        replica = mortal.replicas[0]
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 2
            replica.cli("CLUSTER", "FAILOVER", "TAKEOVER")
            await eventually(lambda: asyncio.to_thread(lambda: mortal.masters[0].cli("ROLE")[0]), b"slave")
            assert (await SCALER.measure(client, one)).value == 2
            assert replica.clients() == 1

    async def test_all_nodes_are_gone(self, mortal):
        one = trigger(mortal, "q")
        async with one.connection.open(ContractHost()) as client:
            await SCALER.measure(client, one)
            for node in mortal.nodes:
                node.stop()
            for _ in range(2):
                with pytest.raises(Unavailable) as caught:
                    await SCALER.measure(client, one)
                assert caught.value.connection

    async def test_slots_that_nobody_serves(self, mortal):
        bad, good = trigger(mortal, mortal.key_of(1, "q")), trigger(mortal, mortal.key_of(2, "q"))
        slot = mortal.masters[1].cli("CLUSTER", "KEYSLOT", bad.list_name)
        async with bad.connection.open(ContractHost()) as client:
            for node in mortal.nodes:
                node.cli("CLUSTER", "DELSLOTS", slot)
            for _ in range(2):
                answers = await SCALER.measure_many(client, [bad, good])
                assert values(answers) == [Unavailable, 0]
        assert f"slot {slot}" in str(answers[0]) or "CLUSTERDOWN" in str(answers[0])


class TestBlackHole:
    async def test_a_node_that_swallows_everything_holds_up_the_others_only_once(self, cluster):
        async with contextlib.AsyncExitStack() as stack:
            proxies = [await stack.enter_async_context(FaultProxy(n.host, n.port)) for n in cluster.masters]
            for node, proxy in zip(cluster.masters, proxies, strict=True):
                node.cli("CONFIG", "SET", "cluster-announce-port", proxy.port)
            for node in cluster.masters:
                await eventually(lambda node=node: asyncio.to_thread(_ports, node), {p.port for p in proxies})
            many = [trigger(cluster, cluster.key_of(at, "hole")) for at in range(3)]
            client = await stack.enter_async_context(many[0].connection.open(ContractHost()))
            assert values(await SCALER.measure_many(client, many)) == [0, 0, 0]
            await proxies[1].set(Fault.HANG)
            assert values(await SCALER.measure_many(client, many)) == [0, Unavailable, 0]
            began = time.monotonic()
            for _ in range(3):
                assert values(await SCALER.measure_many(client, many)) == [0, Unavailable, 0]
            # Each waits a moment for the dead node, where it would wait for two seconds if it tried it first.
            assert time.monotonic() - began < 3 * 2.0
            await proxies[1].set(Fault.NONE)
            await eventually(lambda: _values(client, many), [0, 0, 0])
            assert max(proxy.most for proxy in proxies) == 1


def _ports(node):
    return {int(entry[2][1]) for entry in node.cli("CLUSTER", "SLOTS")}


async def _values(client, many):
    return values(await SCALER.measure_many(client, many))


class TestCosts:
    async def test_a_thousand_triggers(self, cluster, monkeypatch):
        """Counts only: three connections, one pipeline to each node, and no map asked for again."""
        pipelines = []
        asked = cluster_module.Node.ask

        async def counting(node, commands):
            pipelines.append(len(commands))
            return await asked(node, commands)

        monkeypatch.setattr(cluster_module.Node, "ask", counting)
        many = [trigger(cluster, f"cost-{n}") for n in range(1000)]
        async with many[0].connection.open(ContractHost()) as client:
            await SCALER.measure_many(client, many)
            maps = _maps(cluster)
            pipelines.clear()
            await SCALER.measure_many(client, many)
            assert len(pipelines) == 3
            assert sum(pipelines) == 1000
            assert _maps(cluster) == maps
            assert [node.clients() for node in cluster.nodes] == [1, 1, 1]

    async def test_many_who_come_at_once_share_the_first_map_and_connections(self, cluster):
        many = [trigger(cluster, f"burst-{n}") for n in range(60)]
        maps = _maps(cluster)
        async with many[0].connection.open(ContractHost()) as client:
            await asyncio.gather(*(SCALER.measure(client, one) for one in many))
            assert _maps(cluster) == maps + 1
            assert [node.clients() for node in cluster.nodes] == [1, 1, 1]


class TestClosing:
    async def test_a_client_that_is_closed_opens_nothing_and_ends_listening(self, cluster):
        one = trigger(cluster, "closed")
        async with one.connection.open(ContractHost()) as client:
            await SCALER.measure(client, one)
            changes = SCALER.changes(client)
            waiting = asyncio.ensure_future(anext(changes, None))
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ScalerError):
                assert (await waiting) in {None, Change()}
        with pytest.raises(Unavailable, match="closed"):
            await SCALER.measure(client, one)
        await changes.aclose()
        assert sum(node.clients() for node in cluster.nodes) == 0

    async def test_loopback_that_is_not_allowed(self, cluster):
        host = ContractHost()
        host.allow_loopback = False
        one = trigger(cluster, "loop")
        async with one.connection.open(host) as client:
            with pytest.raises(InvalidMetadata, match="loopback"):
                await SCALER.measure(client, one)
