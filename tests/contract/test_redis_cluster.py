"""The contract of `redis-cluster` and `redis-cluster-streams`, on a cluster of one node behind the proxy.

The node announces the proxy's port, as it would behind a network address translation.
"""

import contextlib

import hiredis
import pytest
from redis_families import RedisCluster
from redis_server import RedisServer

from scaler import pki
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, Problem, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, WakesContract, free_port


@pytest.fixture(scope="class")
def node():
    with RedisCluster(masters=1) as cluster:
        yield cluster.masters[0]


class OneNode(WakesContract):
    @pytest.fixture(autouse=True)
    def _server(self, node):
        self.redis = node
        self.server = (node.host, node.port)

    def written(self, name):
        raise NotImplementedError

    def inputs_at(self, name, host, port):
        self.redis.cli("CONFIG", "SET", "cluster-announce-port", port)
        return Inputs(metadata={"addresses": f"{host}:{port}", **self.written(name)})

    def wrong_inputs_at(self, name, host, port):
        auth = {"username": "nobody", "password": self.wrong_secret}
        return Inputs(metadata=self.inputs_at(name, host, port).metadata, auth=auth)


class TestClusterLists(OneNode):
    trigger_type = "redis-cluster"

    def written(self, name):
        return {"listName": name}

    async def put(self, name, number):
        for item in range(number):
            self.redis.cli("RPUSH", name, item)


class TestClusterStreams(OneNode):
    trigger_type = "redis-cluster-streams"

    def written(self, name):
        return {"stream": name, "consumerGroup": "workers", "lagCount": "5"}

    async def put(self, name, number):
        with contextlib.suppress(hiredis.ReplyError):
            self.redis.cli("XGROUP", "CREATE", name, "workers", "0", "MKSTREAM")
        for item in range(number):
            self.redis.cli("XADD", name, "*", "n", item)


SCALER = Registry().get("redis-cluster")


def trigger(addresses, name="q", **metadata):
    return parse(
        SCALER.metadata, Inputs(metadata={"addresses": addresses, "listName": name, **metadata})
    ).value


async def refused(one, error, words):
    async with one.connection.open(ContractHost()) as client:
        with pytest.raises(error, match=words) as caught:
            await SCALER.measure(client, one)
    return caught.value


class TestHowItIsWritten:
    def test_the_order_of_the_nodes_and_the_database_do_not_count(self):
        one = trigger("a:1,b:2")
        assert (
            one.connection
            == trigger("b:2, a:1").connection
            == trigger("a:1,b:2", databaseIndex="3").connection
        )
        assert one.connection != trigger("a:1").connection
        assert one.connection != trigger("a:1,b:2", password="x").connection
        assert one.connection.describe() == "redis cluster a:1,b:2"

    def test_lists_and_streams_share_a_connection(self):
        streams = Registry().get("redis-cluster-streams")
        other = parse(streams.metadata, Inputs(metadata={"addresses": "a:1", "stream": "s"})).value
        assert other.connection == trigger("a:1").connection

    def test_what_will_not_act_is_said(self):
        one = trigger("a:1,b,:2,http://c:3", databaseIndex="3")
        assert [problem.path for problem in SCALER.warnings(one)] == [
            "metadata.address",
            "metadata.address",
            "metadata.databaseIndex",
        ]
        assert isinstance(SCALER.warnings(one)[0], Problem)
        assert not SCALER.warnings(trigger("a:1"))

    async def test_an_address_that_cannot_work_beside_one_that_does(self, node):
        node.cli("CONFIG", "SET", "cluster-announce-port", node.port)
        one = trigger(f"nonsense,,{node.address}")
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 0

    async def test_only_addresses_that_cannot_work(self):
        error = await refused(
            trigger("nonsense,http://u:s3cret@x:1"), InvalidMetadata, "'nonsense' has no port"
        )
        assert "is a URL" in str(error)
        assert "s3cret" not in str(error)


class TestOtherServers:
    async def test_a_server_that_is_no_cluster(self):
        with RedisServer() as server:
            await refused(
                trigger(server.address), InvalidMetadata, "no node of a Redis Cluster.*without -cluster"
            )

    async def test_a_node_for_a_trigger_of_one_server(self, node):
        scaler = Registry().get("redis-streams")
        node.cli("CLUSTER", "DELSLOTS", 0)
        try:
            one = parse(scaler.metadata, Inputs(metadata={"address": node.address, "stream": "s"})).value
            async with one.connection.open(ContractHost()) as client:
                assert (await scaler.measure(client, one)).value == 0  # All slots but one are here.
        finally:
            node.cli("CLUSTER", "ADDSLOTS", 0)

    async def test_a_node_without_slots(self):
        with RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
            await refused(trigger(server.address), Unavailable, "knows no node that serves slots")

    async def test_nobody_at_all(self):
        error = await refused(trigger("127.0.0.1:1,127.0.0.1:2"), Unavailable, "127.0.0.1:1.*127.0.0.1:2")
        assert error.connection


@pytest.fixture(scope="class")
def with_password():
    with RedisCluster("--requirepass", "s3cret", masters=1, password="s3cret") as cluster:
        cluster.cli("RPUSH", "q", "a", "b")
        rights = ["+llen", "+type", "+hello", "+client", "+ping"]
        cluster.cli("ACL", "SETUSER", "reader", "on", ">r3ader", "~q", *rights, "+cluster|slots")
        cluster.cli("ACL", "SETUSER", "blind", "on", ">blind", "~q", *rights)
        yield cluster


class TestLogins:
    async def test_password_and_user(self, with_password):
        for login in ({"password": "s3cret"}, {"username": "reader", "password": "r3ader"}):
            one = trigger(with_password.addresses, **login)
            async with one.connection.open(ContractHost()) as client:
                assert (await SCALER.measure(client, one)).value == 2

    async def test_none_and_too_few_rights(self, with_password):
        await refused(trigger(with_password.addresses), Unauthorized, "wants a password")
        few = trigger(with_password.addresses, username="blind", password="blind")
        await refused(few, Unauthorized, "asking for the cluster's slots")
        other = trigger(with_password.addresses, "other", username="reader", password="r3ader")
        await refused(other, Unauthorized, "counting 'other'")


async def test_tls_and_a_client_certificate(tmp_path):
    ca = pki.make_ca("test")
    client, serving = pki.issue(ca, "client", client=True), pki.issue(ca, "redis", hosts=["127.0.0.1"])
    for name, text in {"ca": ca.certificate, "cert": serving.certificate, "key": serving.key}.items():
        (tmp_path / name).write_bytes(text)
    port = free_port()
    files = {"--tls-ca-cert-file": "ca", "--tls-cert-file": "cert", "--tls-key-file": "key"}
    words = [word for option, name in files.items() for word in (option, str(tmp_path / name))]
    auth = {"ca": ca.certificate, "cert": client.certificate, "key": client.key}
    texts = {name: text.decode() for name, text in auth.items()} | {"tls": "enable"}
    with RedisCluster("--tls-port", str(port), "--tls-cluster", "yes", *words, masters=1) as cluster:
        cluster.cli("RPUSH", "q", "a", "b")
        written = {"addresses": f"127.0.0.1:{port}", "listName": "q"}
        one = parse(SCALER.metadata, Inputs(metadata=written, auth=texts)).value
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 2
        unknown = parse(SCALER.metadata, Inputs(metadata=written, auth={"tls": "enable"})).value
        assert (await refused(unknown, Unavailable, "certificate verify failed")).connection
