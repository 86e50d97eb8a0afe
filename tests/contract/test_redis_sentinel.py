"""`redis-sentinel` and `redis-sentinel-streams` with real sentinels and masters."""

import asyncio
import contextlib
import traceback

import hiredis
import pytest
from redis_families import RedisSentinel
from redis_server import RedisServer

from scaler import pki
from scalers.redis import sentinel as sentinel_module
from scalers.registry import Registry
from scalers.sdk import Change, Inputs, InvalidMetadata, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, Fault, FaultProxy, WakesContract, free_port

SECRET = "s3cret-of-the-test"
PATIENCE = 60.0
SCALER = Registry().get("redis-sentinel")


def trigger(addresses, *, auth=None, **metadata):
    written = {"addresses": addresses, "listName": "q", "sentinelMaster": "main", **metadata}
    return parse(SCALER.metadata, Inputs(metadata=written, auth=auth or {})).value


async def read(one):
    async with one.connection.open(ContractHost()) as client:
        return (await SCALER.measure(client, one)).value


async def refused(one, error, words):
    with pytest.raises(error, match=words) as caught:
        await read(one)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


async def eventually(condition, what):
    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - it polls other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE:g} s: {what}")


def fails_over(sentinel):
    """Begin a failover; False while the sentinel has yet to hear from the replica."""
    try:
        return sentinel.cli("SENTINEL", "FAILOVER", "main") == b"OK"
    except hiredis.ReplyError:
        return False


@pytest.fixture(scope="class")
def pair():
    """A sentinel and its master."""
    with RedisServer() as master, RedisSentinel({"main": (master.host, master.port)}) as sentinel:
        yield sentinel, master


class BySentinel(WakesContract):
    """The sentinel knows every proxy as a master of its own, and has two connections through it itself."""

    connections = 4

    @pytest.fixture(autouse=True)
    def _server(self, pair):
        self.sentinel, self.redis = pair
        self.server = (self.redis.host, self.redis.port)

    def written(self, name):
        raise NotImplementedError

    def inputs_at(self, name, host, port):
        with contextlib.suppress(hiredis.ReplyError):  # It is known already.
            self.sentinel.cli("SENTINEL", "MONITOR", f"at-{port}", host, port, 1)
        metadata = {"addresses": self.sentinel.address, "sentinelMaster": f"at-{port}", **self.written(name)}
        return Inputs(metadata=metadata)

    def wrong_inputs_at(self, name, host, port):
        auth = {"username": "nobody", "password": self.wrong_secret}
        return Inputs(metadata=self.inputs_at(name, host, port).metadata, auth=auth)

    @contextlib.asynccontextmanager
    async def behind_proxy(self, number):
        name = self.fresh_name()
        await self.put(name, number)
        async with FaultProxy(*self.server) as proxy:
            metadata = self.metadata(self.inputs_at(name, proxy.host, proxy.port))
            async with metadata.connection.open(self.host()) as client:
                yield proxy, client, metadata
            self.sentinel.cli("SENTINEL", "REMOVE", f"at-{proxy.port}")
            await self.eventually(lambda: not proxy.open, "the client closed its connections")


class TestSentinelLists(BySentinel):
    trigger_type = "redis-sentinel"

    def written(self, name):
        return {"listName": name}

    async def put(self, name, number):
        for item in range(number):
            self.redis.cli("RPUSH", name, item)


class TestSentinelStreams(BySentinel):
    trigger_type = "redis-sentinel-streams"

    def written(self, name):
        return {"stream": name}

    async def put(self, name, number):
        for item in range(number):
            self.redis.cli("XADD", name, "*", "n", item)


class TestHowItIsWritten:
    def test_what_makes_connections_equal(self):
        one = trigger("a:1,b:2")
        assert (
            one.connection
            == trigger("b:2,a:1").connection
            == trigger("a:1,b:2", sentinelUsername="x").connection
        )
        others = (
            trigger("a:1,b:2", sentinelMaster="other"),
            trigger("a:1,b:2", databaseIndex="1"),
            trigger("a:1,b:2", sentinelPassword="x"),
            trigger("a:1,b:2", password="x"),
        )
        assert len({one.connection, *(other.connection for other in others)}) == 5
        assert one.connection.describe() == "redis master main/0 by sentinels a:1,b:2"

    def test_the_sentinels_password_is_not_shown(self):
        one = trigger("a:1", sentinelPassword=SECRET)
        assert SECRET not in f"{one!r} {one.connection!r} {one.connection.describe()}"

    def test_what_will_fail_is_said(self):
        paths = [problem.path for problem in SCALER.warnings(trigger("a:1,b", sentinelMaster=""))]
        assert paths == ["metadata.address", "metadata.sentinelMaster"]
        assert not SCALER.warnings(trigger("a:1"))


class TestFinding:
    async def test_a_database_of_the_master(self, pair):
        sentinel, master = pair
        master.cli("RPUSH", "q", "a")
        assert await read(trigger(sentinel.address)) == 1
        assert await read(trigger(sentinel.address, databaseIndex="3")) == 0

    async def test_the_first_that_answers_counts(self, pair):
        sentinel, _ = pair
        async with FaultProxy(sentinel.host, sentinel.port) as silent:
            await silent.set(Fault.HANG)
            addresses = f"127.0.0.1:1,nonsense,{silent.host}:{silent.port},{sentinel.address}"
            assert await read(trigger(addresses)) >= 0
            assert silent.total == 1

    async def test_a_sentinel_that_does_not_know_the_master_beside_one_that_does(self, pair):
        sentinel, _ = pair
        with RedisSentinel({}) as other:
            assert await read(trigger(f"{other.address},{sentinel.address}")) >= 0

    async def test_no_name_of_a_master(self, pair):
        sentinel, _ = pair
        await refused(
            trigger(sentinel.address, sentinelMaster=""), InvalidMetadata, "sentinelMaster is not given"
        )

    async def test_a_master_that_the_sentinel_does_not_know(self, pair):
        sentinel, _ = pair
        words = f"'nope'.*{sentinel.address} knows no master of this name; see sentinelMaster"
        await refused(trigger(sentinel.address, sentinelMaster="nope"), InvalidMetadata, words)

    async def test_a_server_that_is_no_sentinel(self, pair):
        _, master = pair
        await refused(trigger(master.address), InvalidMetadata, "is no sentinel")

    async def test_no_sentinel_at_all(self):
        error = await refused(trigger("127.0.0.1:1,127.0.0.1:2"), Unavailable, "127.0.0.1:1.*127.0.0.1:2")
        assert error.connection

    async def test_sentinels_that_are_silent(self, pair, monkeypatch):
        monkeypatch.setattr(sentinel_module, "_SECONDS", 0.3)
        sentinel, _ = pair
        async with FaultProxy(sentinel.host, sentinel.port) as silent:
            await silent.set(Fault.HANG)
            error = await refused(
                trigger(f"{silent.host}:{silent.port}"), Unavailable, "no answer within 0.3 s"
            )
            assert error.connection

    async def test_the_sentinels_are_left_alone_once_the_master_is_known(self, pair):
        sentinel, _ = pair
        one = trigger(sentinel.address)
        async with one.connection.open(ContractHost()) as client:
            await SCALER.measure(client, one)
            asked = sentinel.commands("sentinel|get-master-addr-by-name")
            for _ in range(5):
                await SCALER.measure(client, one)
            assert sentinel.commands("sentinel|get-master-addr-by-name") == asked


class TestLogins:
    async def test_each_has_its_own(self):
        with RedisServer("--requirepass", "m4ster", password="m4ster") as master:
            master.cli("RPUSH", "q", "a", "b")
            lines = (
                "sentinel sentinel-user default",
                f"requirepass {SECRET}",
                "user asker on >4sker +hello +client +sentinel|get-master-addr-by-name",
            )
            with RedisSentinel({"main": (master.host, master.port)}, *lines[1:], password=SECRET) as sentinel:
                both = {"password": "m4ster", "sentinelPassword": SECRET}
                assert await read(trigger(sentinel.address, auth=both)) == 2
                few = {"password": "m4ster", "sentinelUsername": "asker", "sentinelPassword": "4sker"}
                assert await read(trigger(sentinel.address, auth=few)) == 2
                await refused(
                    trigger(sentinel.address, password="m4ster"), Unauthorized, "see sentinelUsername"
                )
                wrong = {"password": "m4ster", "sentinelPassword": f"not-{SECRET}"}
                await refused(trigger(sentinel.address, auth=wrong), Unauthorized, "sentinelPassword")
                await refused(
                    trigger(sentinel.address, auth={"sentinelPassword": SECRET}), Unauthorized, "password"
                )

    async def test_the_same_tls_for_both(self, tmp_path):
        ca = pki.make_ca("test")
        client, serving = pki.issue(ca, "client", client=True), pki.issue(ca, "redis", hosts=["127.0.0.1"])
        files = {"ca": ca.certificate, "cert": serving.certificate, "key": serving.key}
        for name, text in files.items():
            (tmp_path / name).write_bytes(text)
        options = {
            "tls-ca-cert-file": str(tmp_path / "ca"),
            "tls-cert-file": str(tmp_path / "cert"),
            "tls-key-file": str(tmp_path / "key"),
        }
        master_port, sentinel_port = free_port(), free_port()
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        lines = [f"{name} {value}" for name, value in options.items()]
        with RedisServer("--tls-port", str(master_port), *words) as master:
            master.cli("RPUSH", "q", "a")
            lines.append(f"tls-port {sentinel_port}")
            with RedisSentinel({"main": ("127.0.0.1", master_port)}, *lines):
                auth = {"ca": ca.certificate, "cert": client.certificate, "key": client.key}
                texts = {name: text.decode() for name, text in auth.items()} | {"tls": "enable"}
                assert await read(trigger(f"127.0.0.1:{sentinel_port}", auth=texts)) == 1
                without_ca = {"tls": "enable"}
                await refused(
                    trigger(f"127.0.0.1:{sentinel_port}", auth=without_ca), Unavailable, "certificate"
                )


class TestAnotherMaster:
    @pytest.fixture
    def trio(self):
        """A sentinel, its master, and the master's replica."""
        with (
            RedisServer("--repl-diskless-sync-delay", "0") as master,
            RedisServer("--replicaof", master.host, str(master.port)) as replica,
            RedisSentinel({"main": (master.host, master.port)}) as sentinel,
        ):
            yield sentinel, master, replica

    async def test_a_failover_is_followed_by_reads_and_wake_ups(self, trio):
        sentinel, master, replica = trio
        master.cli("RPUSH", "q", "a", "b")
        one = trigger(sentinel.address)
        async with one.connection.open(ContractHost()) as client:
            assert (await SCALER.measure(client, one)).value == 2
            await eventually(lambda: replica.cli("LLEN", "q") == 2, "it is replicated")
            changes = SCALER.changes(client)
            heard = asyncio.ensure_future(anext(changes))
            await eventually(lambda: fails_over(sentinel), "the sentinel knows a good replica")
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        assert await heard == Change()
                        break
                    except Unavailable:  # Neither is a master just now: listening is taken up again.
                        changes = SCALER.changes(client)
                        heard = asyncio.ensure_future(anext(changes))
            await eventually(lambda: replica.cli("ROLE")[0] == b"master", "the replica is the master")
            await eventually(lambda: replica.clients() == 1, "we have found it")
            assert (await SCALER.measure(client, one)).value == 2
            replica.cli("RPUSH", "q", "c")
            async with asyncio.timeout(PATIENCE):
                while (await anext(changes)).metadata is not one:
                    pass
            await changes.aclose()
            assert (await SCALER.measure(client, one)).value == 3

    async def test_a_sentinel_behind_the_times_is_not_believed_and_not_asked_again(self, trio):
        sentinel, master, replica = trio
        master.cli("RPUSH", "q", "a")
        with RedisSentinel({"main": (replica.host, replica.port)}) as stale:
            one = trigger(f"{stale.address},{sentinel.address}")
            async with one.connection.open(ContractHost()) as client:
                await eventually(lambda: replica.cli("ROLE")[3] == b"connected", "it replicates")
                with pytest.raises(Unavailable, match="says that it is a slave") as caught:
                    await SCALER.measure(client, one)
                assert caught.value.connection
                assert (await SCALER.measure(client, one)).value == 1
                assert master.clients() == 1

    async def test_a_master_that_was_given_up_but_still_answers_is_left(self, monkeypatch):
        monkeypatch.setattr(sentinel_module, "_AGAIN_SECONDS", 0.0)
        with RedisServer() as old, RedisServer() as new:
            new.cli("RPUSH", "q", "a")
            with RedisSentinel({"main": (old.host, old.port)}) as sentinel:
                one = trigger(sentinel.address)
                async with one.connection.open(ContractHost()) as client:
                    assert (await SCALER.measure(client, one)).value == 0
                    sentinel.cli("SENTINEL", "REMOVE", "main")
                    sentinel.cli("SENTINEL", "MONITOR", "main", new.host, new.port, 1)
                    async with asyncio.timeout(PATIENCE):
                        found = 0
                        while not found:
                            with contextlib.suppress(Unavailable):  # One may be cut off by the change.
                                found = (await SCALER.measure(client, one)).value
                            await asyncio.sleep(0.01)
                    assert old.clients() == 0

    async def test_without_sentinels_the_known_master_is_read_on(self, monkeypatch):
        monkeypatch.setattr(sentinel_module, "_AGAIN_SECONDS", 0.0)
        with RedisServer() as master, RedisSentinel({"main": (master.host, master.port)}) as sentinel:
            one = trigger(sentinel.address)
            async with one.connection.open(ContractHost()) as client:
                await SCALER.measure(client, one)
                sentinel.stop()
                for _ in range(5):
                    assert (await SCALER.measure(client, one)).value == 0
                    await asyncio.sleep(0.02)
                assert master.clients() == 1

    async def test_a_user_who_may_not_ask_for_the_role(self, pair):
        sentinel, master = pair
        master.cli("ACL", "SETUSER", "few", "on", ">pw", "~*", "+llen", "+hello", "+client")
        assert await read(trigger(sentinel.address, username="few", password="pw")) >= 0
