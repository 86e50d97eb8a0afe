"""The feed over real gRPC: a leader's store, told to an adapter in the same test."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import grpc
import grpc.aio
import pytest
from embedded import until
from feed_certificates import certificates

from metrics_adapter.feed import feed_pb2 as pb
from metrics_adapter.feed.client import FeedClient
from metrics_adapter.feed.credentials import Folder
from metrics_adapter.feed.server import SERVICE, FeedServer
from metrics_adapter.store import Metric, Sample, Served, Store, Terms, Undeclared
from scaler.clock import SystemClock
from scaler.pki import issue, make_ca

CLOCK = SystemClock()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SO = ("shop", "orders")
METRIC = Metric(*SO, "s0-redis-jobs")
TERMS = Terms(freshness=1.0, interval=30.0)


def sample(value):
    return Sample(value=value, at=CLOCK.monotonic(), moment=NOW)


class Leader:
    """A controller's side: its store, its feed, and what it was asked to read."""

    def __init__(self, server):
        self.server = server
        self.store = Store()
        self.asked = []

    async def refresh(self, metrics):
        self.asked.append(list(metrics))
        for metric in metrics:
            self.store.put(metric, sample("99"))

    def lead(self):
        self.store = Store()
        self.server.lead(self.store, self.refresh)

    def declare(self, name="orders", value=None):
        self.store.declare("shop", name, {METRIC.name: TERMS})
        if value is not None:
            self.store.put(Metric("shop", name, METRIC.name), sample(value))

    @property
    def address(self):
        return f"127.0.0.1:{self.server.port}"


class House:
    def __init__(self, stack, folder):
        self._stack, self.folder = stack, folder

    async def leader(self):
        server = FeedServer(CLOCK, Folder(self.folder))
        await server.start("127.0.0.1", 0)
        self._stack.push_async_callback(server.close)
        return Leader(server)

    async def adapter(self, folder=None):
        store = Store()
        client = FeedClient(CLOCK, store, Folder(folder or self.folder), name="test", jitter=lambda: 0.0)
        task = asyncio.create_task(client.run())
        self._stack.push_async_callback(_ended, task)
        return store, client


async def _ended(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def house(tmp_path):
    certificates(tmp_path / "feed")
    async with AsyncExitStack() as stack:
        yield House(stack, tmp_path / "feed")


def value(store, name="orders"):
    found = store.serve(Metric("shop", name, METRIC.name), CLOCK.monotonic(), refreshed=True)
    return found.sample.value if isinstance(found, Served) else None


async def test_an_adapter_is_told_what_there_is_and_what_changes(tmp_path):
    async with house(tmp_path) as here:
        leader, (store, client) = await here.leader(), await here.adapter()
        assert store.leaderless
        assert not client.connected
        leader.lead()
        leader.declare(value="5")
        client.follow(leader.address)
        await until(lambda: value(store) == "5")
        assert not store.leaderless
        assert not client.connected, "the leader has not said yet that this is all"
        leader.declare("bills", "1")
        leader.server.complete()
        await until(lambda: client.connected)
        assert value(store, "bills") == "1"
        leader.store.put(METRIC, sample("6"))
        await until(lambda: value(store) == "6")
        leader.store.forget(*SO)
        await until(lambda: store.objects() == (("shop", "bills"),))
        assert store.serve(METRIC, CLOCK.monotonic()) == Undeclared(known_object=False)
        assert leader.server.adapters == 1


async def test_an_adapter_has_the_leader_read_anew(tmp_path):
    async with house(tmp_path) as here:
        leader, (store, client) = await here.leader(), await here.adapter()
        await client.refresh([METRIC])  # Without a leader: at once.
        leader.lead()
        leader.declare()
        leader.server.complete()
        client.follow(leader.address)
        await until(lambda: client.connected)
        await client.refresh([METRIC])
        assert value(store) == "99", "what was read is there when the answer is"
        assert leader.asked == [[METRIC]]


async def test_a_large_store_comes_in_parts_and_whole(tmp_path):
    async with house(tmp_path) as here:
        leader, (store, client) = await here.leader(), await here.adapter()
        leader.lead()
        for number in range(1200):
            leader.declare(f"so-{number}", str(number))
        leader.server.complete()
        client.follow(leader.address)
        await until(lambda: client.connected)
        assert len(store) == 1200
        assert value(store, "so-1199") == "1199"


async def test_a_hand_over_loses_nothing(tmp_path):
    async with house(tmp_path) as here:
        first, second = await here.leader(), await here.leader()
        store, client = await here.adapter()
        first.lead()
        first.declare(value="5")
        first.declare("gone", "3")
        first.server.complete()
        client.follow(first.address)
        await until(lambda: client.connected)
        # It ends without a word to the adapter; the Lease still names it.
        await first.server.close()
        await until(lambda: store.leaderless)
        assert value(store) == "5"
        # Announced before it leads: it says so, and is asked again.
        client.follow(second.address)
        await asyncio.sleep(0.05)
        assert value(store) == "5"
        second.lead()
        second.declare()
        await until(lambda: not store.leaderless)
        assert (value(store), value(store, "gone")) == ("5", "3"), (
            "what it has not read or declared yet stays"
        )
        second.declare(value="8")
        second.server.complete()
        await until(lambda: client.connected)
        assert (value(store), value(store, "gone")) == ("8", None)


async def test_who_no_longer_leads_ends_its_streams_and_answers_nobody(tmp_path):
    async with house(tmp_path) as here:
        leader, (store, client) = await here.leader(), await here.adapter()
        leader.lead()
        leader.server.complete()
        client.follow(leader.address)
        await until(lambda: client.connected)
        leader.server.stand_by()
        await until(lambda: store.leaderless)
        leader.lead()
        leader.declare(value="7")
        leader.server.complete()
        await until(lambda: value(store) == "7")
        client.follow("")
        await until(lambda: store.leaderless)
        assert leader.server.adapters == 0


# Who may.


async def ask(leader, folder_or_credentials, request=None, method="Watch"):
    """One call; its status code, or the first message."""
    credentials = folder_or_credentials
    if not isinstance(credentials, grpc.ChannelCredentials):
        credentials = Folder(credentials).read().channel()
    options = [("grpc.ssl_target_name_override", "tidegate-feed"), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(leader.address, credentials, options=options) as channel:
        try:
            if method == "Watch":
                call = channel.unary_stream(f"/{SERVICE}/Watch")
                return await call((request or pb.Hello(versions=[1])).SerializeToString(), timeout=10).read()
            call = channel.unary_unary(f"/{SERVICE}/{method}")
            return await call(request.SerializeToString(), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details()


async def test_strangers_learn_nothing(tmp_path):
    async with house(tmp_path) as here:
        leader = await here.leader()
        leader.lead()
        leader.declare(value="5")
        ours = Folder(here.folder).read()
        certificates(tmp_path / "foreign")
        foreign = Folder(tmp_path / "foreign").read()
        strangers = {
            "none": grpc.ssl_channel_credentials(ours.ca),
            "of another CA": grpc.ssl_channel_credentials(
                ours.ca, foreign.pair.key, foreign.pair.certificate
            ),
        }
        for who, credentials in strangers.items():
            code, _ = await ask(leader, credentials)
            assert code is grpc.StatusCode.UNAVAILABLE, who
        request = pb.RefreshRequest(version=1, metrics=[])
        for who, credentials in strangers.items():
            code, _ = await ask(leader, credentials, request, "Refresh")
            assert code is grpc.StatusCode.UNAVAILABLE, who
        assert not leader.asked
        assert leader.server.adapters == 0


async def test_a_certificate_of_the_ca_for_something_else_opens_nothing(tmp_path):
    ca = certificates(tmp_path / "feed")
    async with AsyncExitStack() as stack:
        here = House(stack, tmp_path / "feed")
        leader = await here.leader()
        leader.lead()
        for more, expected in (({}, "UNAVAILABLE"), ({"peer": True}, "PERMISSION_DENIED")):
            hook = issue(ca, "hook", hosts=["tidegate-webhook.tidegate.svc"], **more)
            shown = grpc.ssl_channel_credentials(ca.certificate, hook.key, hook.certificate)
            code, _ = await ask(leader, shown)
            assert code.name == expected


async def test_an_adapter_believes_no_impostor(tmp_path):
    async with house(tmp_path) as here:
        leader = await here.leader()
        leader.lead()
        leader.declare(value="5")
        certificates(tmp_path / "other")
        store, client = await here.adapter(tmp_path / "other")
        client.follow(leader.address)
        await asyncio.sleep(0.3)
        assert store.leaderless
        assert store.objects() == ()


async def test_versions_that_do_not_meet_are_said_so(tmp_path):
    async with house(tmp_path) as here:
        leader = await here.leader()
        leader.lead()
        code, text = await ask(leader, here.folder, pb.Hello(versions=[7]))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert text == "this leader speaks versions [1] of the feed, the adapter [7]"
        code, text = await ask(leader, here.folder, pb.RefreshRequest(version=7), "Refresh")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        # A later adapter that still knows this version is served in it.
        leader.server.complete()
        first = pb.Batch.FromString(await ask(leader, here.folder, pb.Hello(versions=[1, 2])))
        assert first.version == 1


async def test_new_certificates_are_used_without_a_restart(tmp_path):
    async with house(tmp_path) as here:
        leader, (store, client) = await here.leader(), await here.adapter()
        leader.lead()
        leader.server.complete()
        client.follow(leader.address)
        await until(lambda: client.connected)
        certificates(here.folder)  # Another CA altogether: what was opened stays open.
        leader.declare(value="5")
        await until(lambda: value(store) == "5")
        leader.server.stand_by()
        await until(lambda: store.leaderless)
        leader.lead()
        leader.declare(value="6")
        await until(lambda: value(store) == "6")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("ca.crt", b"nothing", "no PEM certificate in it"),
        ("tls.crt", b"", "no PEM certificate in it"),
        ("tls.key", b"nothing", "no PEM private key without a passphrase in it"),
        ("tls.key", make_ca("x").key, "is not the key of the certificate in"),
    ],
)
def test_what_is_no_identity_is_refused_with_the_files_name(tmp_path, file, content, words):
    certificates(tmp_path / "feed")
    (tmp_path / "feed" / file).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        Folder(tmp_path / "feed")
    assert file in str(caught.value)


def test_a_certificate_for_another_name_is_refused_with_the_mend(tmp_path):
    certificates(tmp_path / "feed", name="tidegate-metrics.tidegate.svc")
    with pytest.raises(ValueError, match=r"is for tidegate-metrics\.tidegate\.svc, not for tidegate-feed"):
        Folder(tmp_path / "feed")
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path / "nowhere")


def test_a_folder_that_breaks_later_leaves_what_was_read(tmp_path):
    certificates(tmp_path / "feed")
    folder = Folder(tmp_path / "feed")
    before = folder.read()
    (tmp_path / "feed" / "tls.key").write_bytes(b"half writ")
    assert folder.read() is before
    certificates(tmp_path / "feed")
    assert folder.read() is not before


async def test_an_address_in_use_is_an_os_error(tmp_path):
    async with house(tmp_path) as here:
        leader = await here.leader()
        other = FeedServer(CLOCK, Folder(here.folder))
        with pytest.raises(OSError, match=str(leader.server.port)):
            await other.start("127.0.0.1", leader.server.port)
        await other.close()
