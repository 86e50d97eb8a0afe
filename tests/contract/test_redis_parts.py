"""Parts of the Redis clients on their own: the map of a cluster, questions on their way, shared attempts.

And servers that answer what no honest one does, from a script.
"""

import asyncio
import contextlib

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers.redis import shared as shared_module
from scalers.redis.batch import Batch
from scalers.redis.shared import Shared, first_answer
from scalers.redis.slots import SLOTS, SlotMap, redirection, slot_map, slot_of
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, Reading, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost

ASKED = ("asked", 1)
A, B = ("a", 1), ("b", 2)


def whole(address):
    return SlotMap((address,), (address,) * SLOTS)


def error(text):
    return hiredis.ReplyError(text)


class TestSlots:
    @pytest.mark.parametrize(
        ("key", "slot"),
        [
            (b"123456789", 0x31C3),  # The checksum's own test vector.
            (b"", 0),
            (b"foo", 12182),
            (b"{foo}bar", 12182),
            (b"bar{foo}{x}", 12182),
            (b"foo{}{bar}", 8363),  # An empty tag: the whole key counts. (The specification's examples.)
            (b"{user1000}.following", 3443),
            (b"{user1000}.followers", 3443),
        ],
    )
    def test_known_keys(self, key, slot):
        assert slot_of(key) == slot

    @given(st.binary())
    def test_any_key_has_a_slot(self, key):
        assert 0 <= slot_of(key) < SLOTS
        if b"{" not in key and b"}" not in key and key:
            assert slot_of(b"x{" + key + b"}y") == slot_of(key)


class TestMaps:
    @pytest.mark.parametrize(
        ("master", "address"),
        [
            ([b"10.0.0.1", 7000, b"id"], ("10.0.0.1", 7000)),
            ([b"10.0.0.1", 7000], ("10.0.0.1", 7000)),
            ([b"node-a.shop", 7000, b"id", {b"ip": b"10.0.0.1"}], ("node-a.shop", 7000)),
            ([b"fd00::1", 7000, b"id"], ("fd00::1", 7000)),
            ([b"", 7000, b"id"], ("asked", 7000)),
            ([None, 7000, b"id"], ("asked", 7000)),
            ([None, 7000, b"id", [b"hostname", b"node-a"]], ("asked", 7000)),
            ([b"?", 7000, b"id", [b"ip", b"10.0.0.1"]], ("10.0.0.1", 7000)),
            ([b"?", 7000, b"id", {b"ip": b"10.0.0.1"}], ("10.0.0.1", 7000)),
            ([b"?", 7000, b"id", []], ("asked", 7000)),
        ],
    )
    def test_where_a_node_is(self, master, address):
        slots = slot_map([[0, SLOTS - 1, master, [b"replica", 1, b"id"]]], ASKED)
        assert slots.masters == (address,)
        assert slots.of(b"foo") == address

    def test_slots_without_a_node(self):
        slots = slot_map([[0, 100, [b"a", 1]], [200, SLOTS - 1, [b"b", 2]]], ASKED)
        assert (slots.by_slot[100], slots.by_slot[101], slots.by_slot[200]) == (A, None, B)
        assert slots.masters == (A, B)

    @pytest.mark.parametrize(
        ("reply", "kind", "words"),
        [
            (error("ERR This instance has cluster support disabled"), InvalidMetadata, "without -cluster"),
            (error("ERR unknown command 'CLUSTER'"), InvalidMetadata, "without -cluster"),
            (error("NOPERM this user has no permissions"), Unauthorized, "asking for the cluster's slots"),
            (error("LOADING Redis is loading"), Unavailable, "loading"),
            ([], Unavailable, "no node that serves slots"),
            (b"OK", Unavailable, "something else"),
            (None, Unavailable, "something else"),
            ([[0, 1]], Unavailable, "something else"),
            ([[0, 1, [b"a", b"b"]]], Unavailable, "something else"),
            ([[0, 1, [b"\xff", 1]]], Unavailable, "something else"),
            ([[0, SLOTS, [b"a", 1]]], Unavailable, "something else"),
            ([[b"0", b"5", [b"a", 1]]], Unavailable, "something else"),
            ([[0, 5, [b"a", 99999]]], Unavailable, "something else"),
            ([[0, 5, [b"a", 0]]], Unavailable, "something else"),
            ([[5, 0, [b"a"]]], Unavailable, "something else"),
        ],
    )
    def test_other_answers(self, reply, kind, words):
        with pytest.raises(kind, match=words):
            slot_map(reply, ASKED)

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("MOVED 3999 10.0.0.1:6381", ("10.0.0.1", 6381)),
            ("ASK 3999 fd00::1:6381", ("fd00::1", 6381)),
            ("MOVED 3999 :6381", ("asked", 6381)),
            ("MOVED 3999 ?:6381", ("asked", 6381)),
            ("MOVED 3999", None),
            ("MOVED 3999 nowhere", None),
            ("MOVED 3999 a:port", None),
            ("MOVED 3999 a:99999", None),
        ],
    )
    def test_where_a_reply_points_to(self, text, address):
        assert redirection(error(text), ASKED) == address


class TestBatches:
    def batch(self, number=1):
        return Batch([(b"key", ("LLEN", b"key"))] * number, whole(A))

    def test_moved_for_good(self):
        batch = self.batch(2)
        assert batch.groups() == {A: [0, 1]}
        batch.answered(A, [0, 1], [3, error("MOVED 1 b:2")])
        assert batch.stale
        batch.follow(whole(A))  # A node behind the times told this map; the one that moved us knows better.
        assert not batch.stale
        assert batch.groups() == {B: [1]}
        assert batch.commands([1]) == [("LLEN", b"key")]
        batch.answered(B, [1], [4])
        assert batch.done
        assert batch.replies == [3, 4]

    def test_asked_for_elsewhere_this_once(self):
        batch = self.batch(2)
        batch.groups()
        batch.answered(A, [0, 1], [error("ASK 1 b:2"), 3])
        assert not batch.stale
        assert batch.groups() == {B: [0]}
        assert batch.commands([0]) == [("ASKING",), ("LLEN", b"key")]
        batch.answered(B, [0], [b"OK", 4])
        assert batch.replies == [4, 3]

    def test_a_node_that_fails_and_its_successor(self):
        batch = self.batch()
        batch.groups()
        batch.failed(A, [0], Unavailable("gone", connection=True))
        assert batch.stale
        batch.follow(whole(B))
        assert batch.groups() == {B: [0]}
        batch.answered(B, [0], [4])
        assert batch.replies == [4]

    def test_a_node_that_fails_without_a_successor_is_not_the_whole_connection(self):
        batch = self.batch()
        batch.groups()
        batch.failed(A, [0], Unavailable("gone", connection=True))
        batch.follow(whole(A))
        assert batch.done
        assert str(batch.replies[0]) == "gone"
        assert not batch.replies[0].connection

    @pytest.mark.parametrize("problem", [Unavailable("in part"), Unauthorized("no")])
    def test_other_failures_are_final(self, problem):
        batch = self.batch()
        batch.groups()
        batch.failed(A, [0], problem)
        assert batch.done
        assert not batch.stale
        assert batch.replies == [problem]

    def test_a_redirection_that_leads_nowhere(self):
        batch = self.batch()
        batch.groups()
        batch.answered(A, [0], [error("MOVED nonsense")])
        batch.follow(whole(A))
        assert batch.groups() == {}
        assert batch.stale
        assert isinstance(batch.replies[0], Unavailable)


class TestShared:
    async def test_who_comes_meanwhile_shares_the_result_and_who_comes_later_does_not(self):
        calls = []

        async def work():
            calls.append(1)
            await asyncio.sleep(0.01)
            return len(calls)

        shared = Shared(work)
        assert await asyncio.gather(*(shared() for _ in range(5))) == [1] * 5
        assert await shared() == 2

    async def test_a_failure_is_shared_as_copies(self):
        async def work():
            await asyncio.sleep(0.01)
            raise Unavailable("gone", connection=True)

        shared = Shared(work)
        failures = await asyncio.gather(*(shared() for _ in range(3)), return_exceptions=True)
        assert [str(failure) for failure in failures] == ["gone"] * 3
        assert all(failure.connection for failure in failures)
        assert len({id(failure) for failure in failures}) == 3

    async def test_the_next_one_does_it_when_the_first_is_cancelled(self):
        calls = []

        async def work():
            calls.append(1)
            if len(calls) == 1:
                await asyncio.Event().wait()
            return "done"

        shared = Shared(work)
        first, second = asyncio.ensure_future(shared()), asyncio.ensure_future(shared())
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "done"
        with pytest.raises(asyncio.CancelledError):
            await first


def fail(problem):
    async def attempt():
        raise problem

    return attempt


def answer(value, after=0.0):
    async def attempt():
        await asyncio.sleep(after)
        return value

    return attempt


class TestFirstAnswer:
    async def ask(self, *attempts, stagger=5.0):
        return await first_answer(attempts, stagger, "nobody knows")

    async def test_the_next_is_asked_when_one_fails(self):
        assert await self.ask(fail(Unavailable("no")), answer(2), answer(3)) == 2

    async def test_the_next_is_asked_beside_one_that_lets_wait(self):
        assert await self.ask(answer(1, after=60), answer(2), stagger=0.01) == 2

    async def test_one_that_lets_wait_may_still_be_the_first(self):
        assert (
            await self.ask(answer(1, after=0.05), fail(Unavailable("no")), answer(3, after=60), stagger=0.01)
            == 1
        )

    async def test_nothing_goes_on_afterwards(self):
        before = asyncio.all_tasks()
        assert await self.ask(answer(1, after=60), answer(2), stagger=0.01) == 2
        assert asyncio.all_tasks() == before

    @pytest.mark.parametrize(
        ("problems", "kind", "connection"),
        [
            ([Unavailable("x", connection=True), Unavailable("y", connection=True)], Unavailable, True),
            ([Unavailable("x", connection=True), Unavailable("y")], Unavailable, False),
            ([Unavailable("x", connection=True), InvalidMetadata("y")], InvalidMetadata, False),
            ([InvalidMetadata("x"), Unauthorized("y")], Unauthorized, False),
        ],
    )
    async def test_what_all_failed_of(self, problems, kind, connection):
        with pytest.raises(kind, match=r"^nobody knows: ") as caught:
            await self.ask(*(fail(problem) for problem in problems))
        assert {"x", "y"} <= set(str(caught.value).replace(";", "").split())
        assert caught.value.connection is connection

    async def test_many_that_fail_make_no_long_story(self, monkeypatch):
        monkeypatch.setattr(shared_module, "_LONGEST", 30)
        with pytest.raises(Unavailable) as caught:
            await self.ask(*(fail(Unavailable(f"problem {n}")) for n in range(50)))
        assert len(str(caught.value)) < 60


@contextlib.asynccontextmanager
async def scripted(replies):
    """A server that answers commands by their first words; what the script lacks is +OK."""
    asked = []

    async def serve(reader, writer):
        parser = hiredis.Reader()
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    words = b" ".join(command[:2]).decode().upper()
                    asked.append(words)
                    reply = next((r for begin, r in replies.items() if words.startswith(begin)), b"+OK\r\n")
                    writer.write(reply(port) if callable(reply) else reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"127.0.0.1:{port}", asked


HELLO = {"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n"}


def slots_at(host, port):
    return f"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${len(host)}\r\n{host}\r\n:{port}\r\n".encode()


def trigger(kind, **metadata):
    scaler = Registry().get(kind)
    return scaler, parse(scaler.metadata, Inputs(metadata={"listName": "q", **metadata})).value


class TestHostileServers:
    async def test_a_key_that_is_moved_for_ever(self):
        script = HELLO | {
            "CLUSTER": lambda port: slots_at("127.0.0.1", port),
            "LLEN": lambda port: f"-MOVED 1 127.0.0.1:{port}\r\n".encode(),
        }
        async with scripted(script) as (address, asked):
            scaler, one = trigger("redis-cluster", addresses=address)
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(Unavailable, match="moved from node to node"):
                    await scaler.measure(client, one)
            assert 2 <= asked.count("LLEN Q") <= 5

    @pytest.mark.parametrize("host", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"])
    async def test_a_cluster_that_sends_us_to_the_machines_metadata(self, host):
        script = HELLO | {"CLUSTER": slots_at(host, 80)}
        async with scripted(script) as (address, _):
            scaler, one = trigger("redis-cluster", addresses=address)
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(InvalidMetadata, match="which no trigger may reach"):
                    await scaler.measure(client, one)

    @pytest.mark.parametrize("kind", ["MOVED", "ASK"])
    async def test_a_node_that_sends_us_there(self, kind):
        script = HELLO | {
            "CLUSTER": lambda port: slots_at("127.0.0.1", port),
            "LLEN": f"-{kind} 1 169.254.169.254:80\r\n".encode(),
        }
        async with scripted(script) as (address, _):
            scaler, one = trigger("redis-cluster", addresses=address)
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(InvalidMetadata, match="which no trigger may reach"):
                    await scaler.measure(client, one)

    async def test_a_sentinel_that_sends_us_there(self):
        script = HELLO | {"SENTINEL": b"*2\r\n$15\r\n169.254.169.254\r\n$2\r\n80\r\n"}
        async with scripted(script) as (address, _):
            scaler, one = trigger("redis-sentinel", addresses=address, sentinelMaster="main")
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(InvalidMetadata, match="which no trigger may reach"):
                    await scaler.measure(client, one)

    @pytest.mark.parametrize("kind", ["redis", "redis-cluster", "redis-sentinel"])
    async def test_the_address_itself(self, kind):
        scaler, one = trigger(kind, addresses="169.254.169.254:80", sentinelMaster="main")
        async with one.connection.open(ContractHost()) as client:
            with pytest.raises(InvalidMetadata, match="which no trigger may reach"):
                await scaler.measure(client, one)

    @pytest.mark.parametrize(
        "reply", [b"+OK\r\n", b"*1\r\n$1\r\na\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b":1\r\n"]
    )
    async def test_a_sentinel_that_answers_nonsense(self, reply):
        async with scripted(HELLO | {"SENTINEL": reply}) as (address, _):
            scaler, one = trigger("redis-sentinel", addresses=address, sentinelMaster="main")
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(Unavailable, match="does not answer as a sentinel does"):
                    await scaler.measure(client, one)

    @pytest.mark.parametrize("reply", [b"$1\r\nx\r\n", b"*0\r\n", b"_\r\n", b"%0\r\n"])
    @pytest.mark.parametrize("mode", [{}, {"consumerGroup": "g"}, {"consumerGroup": "g", "lagCount": "1"}])
    async def test_a_stream_of_nonsense(self, reply, mode):
        script = HELLO | dict.fromkeys(("XLEN", "XPENDING", "XINFO"), reply)
        async with scripted(script) as (address, _):
            scaler = Registry().get("redis-streams")
            written = {"address": address, "stream": "s", **mode}
            one = parse(scaler.metadata, Inputs(metadata=written)).value
            async with one.connection.open(ContractHost()) as client:
                with pytest.raises(Unavailable, match="the answer is no number"):
                    await scaler.measure(client, one)

    async def test_a_node_that_accepts_and_fails_to_log_in_makes_no_endless_news(self):
        """Every failed attempt is not a change, or each would cause the next."""
        script = HELLO | {
            "CLUSTER": lambda port: slots_at("127.0.0.1", port),
            "LLEN": b":3\r\n",
            "PING": b"+PONG\r\n",
        }
        async with scripted(script) as (address, asked):
            scaler, one = trigger("redis-cluster", addresses=address)
            async with one.connection.open(ContractHost()) as client:
                assert await scaler.measure(client, one) == Reading(3.0)
                changes = scaler.changes(client)
                heard = asyncio.ensure_future(anext(changes))
                await asyncio.sleep(0)
                script["HELLO"] = b"-LOADING not yet\r\n"
                script["LLEN"] = b"-\xff"  # Half an answer, and with the next byte no protocol.
                for session in [node.present for node in client._nodes.values()]:
                    await session.close()
                await heard
                again = asyncio.ensure_future(anext(changes))
                for _ in range(3):
                    with pytest.raises(Unavailable, match="LOADING"):
                        await scaler.measure(client, one)
                assert not again.done()
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)
            assert asked.count("HELLO 3") >= 3
