"""The elector against the embedded API server: acquiring, handing over, being cut off, standing still."""

import asyncio
import gc
import threading
import warnings
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from embedded import until

from scaler.clock import SystemClock
from scaler.kube.access import Access
from scaler.kube.elector import Elector
from scaler.kube.errors import ConfigError
from scaler.kube.lease import FEED_ADDRESS, Terms
from scaler.local.cluster import Cluster
from scaler.pki import client_context
from scalers.testing.proxy import Fault, FaultProxy

TERMS = Terms(duration=4.0, renew_deadline=2.5, timeout=1.5, retry=0.1, margin=0.5, loop_limit=30.0)
LEASE = ("coordination.k8s.io", "leases", "default")


class House:
    """A cluster, and candidates of one Lease in it."""

    def __init__(self, stack, cluster):
        self._stack, self.cluster = stack, cluster
        self.candidates = []

    def access(self, server=None):
        cluster = self.cluster
        return Access(server or cluster.url, tls=client_context(cluster.ca), token=cluster.token)

    async def candidate(self, identity, *, server=None, terms=TERMS, beating=True, clock=None):
        async def reach():
            return self.access(server)

        elector = Elector(
            reach, clock or SystemClock(), namespace="default", name="tidegate", identity=identity,
            address=f"{identity}:9", terms=terms,
        )  # fmt: skip
        elector.start()
        self._stack.push_async_callback(elector.close)
        if beating:
            self._stack.push_async_callback(_ended, asyncio.create_task(_beats(elector)))
        self.candidates.append(elector)
        return elector

    def lease(self):
        return self.cluster.api.get(*LEASE, "tidegate")

    def holder(self):
        return self.lease()["spec"]["holderIdentity"]

    def writers(self):
        return [elector for elector in self.candidates if elector.may_write()]


async def _beats(elector):
    while True:
        elector.beat()
        await asyncio.sleep(0.05)


async def _ended(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def house():
    async with Cluster(SystemClock()) as cluster:
        # Some of them come through a proxy, with its port in the Host header.
        cluster._server._check_host = lambda _: None
        async with AsyncExitStack() as stack:
            yield House(stack, cluster)
    assert not [thread for thread in threading.enumerate() if thread.name == "elector"]


async def within(awaitable, seconds=30):
    async with asyncio.timeout(seconds):
        return await awaitable


async def test_acquires_when_asked_renews_and_lets_go():
    async with house() as here:
        elector = await here.candidate("a")
        await asyncio.sleep(3 * TERMS.retry)
        assert not elector.may_write()
        with pytest.raises(Exception, match="not found"):
            here.lease()
        reign = await within(elector.reign())
        assert elector.may_write()
        assert 0 < elector.time_for_write() <= TERMS.duration - TERMS.margin
        first = here.lease()
        assert first["metadata"]["annotations"] == {FEED_ADDRESS: "a:9"}
        assert (first["spec"]["holderIdentity"], first["spec"]["leaseDurationSeconds"]) == ("a", 4)
        await until(lambda: here.lease()["spec"]["renewTime"] > first["spec"]["renewTime"])
        assert here.lease()["spec"]["acquireTime"] == first["spec"]["acquireTime"]
        # What others note on it stays, and costs nothing.
        here.cluster.api.merge_patch(*LEASE, "tidegate", {"metadata": {"labels": {"team": "x"}}})
        changed = here.lease()["spec"]["renewTime"]
        await until(lambda: here.lease()["spec"]["renewTime"] > changed)
        assert here.lease()["metadata"]["labels"] == {"team": "x"}
        assert elector.may_write()
        assert not reign.over.is_set()
        await within(elector.close())
        assert not elector.may_write()
        assert here.holder() == ""
        assert here.lease()["metadata"].get("annotations", {}) == {}


async def test_released_means_taken_over_at_once():
    async with house() as here:
        first, second = await here.candidate("a"), await here.candidate("b")
        await within(first.reign())
        waiting = asyncio.create_task(second.reign())
        await until(lambda: second.holder == "a")
        assert here.writers() == [first]
        await within(first.close())
        await within(waiting)
        assert here.writers() == [second]
        assert here.lease()["spec"]["leaseTransitions"] == 1
        assert here.lease()["metadata"]["annotations"] == {FEED_ADDRESS: "b:9"}


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE])
async def test_cut_off_it_stops_before_another_begins_and_learns_it_when_back(fault):
    async with house() as here, FaultProxy("127.0.0.1", here.cluster.port) as proxy:
        first = await here.candidate("a", server=f"https://127.0.0.1:{proxy.port}")
        second = await here.candidate("b")
        reign = await within(first.reign())
        waiting = asyncio.create_task(second.reign())
        await until(lambda: second.holder == "a")
        await proxy.set(fault)
        gap = False
        async with asyncio.timeout(30):
            while not second.may_write():
                assert len(here.writers()) <= 1
                gap = gap or not here.writers()
                await asyncio.sleep(0.005)
        assert gap
        assert here.writers() == [second]
        # It cannot know yet that it was replaced, only that it may not write.
        assert not reign.over.is_set()
        await proxy.set(Fault.NONE)
        await within(reign.over.wait())
        assert here.writers() == [second]
        await within(waiting)
        # It may be a candidate again.
        again = asyncio.create_task(first.reign())
        await within(second.close())
        assert await within(again) is not reign
        assert here.writers() == [first]


async def test_an_api_server_out_of_reach_closes_the_fence_and_ends_no_reign():
    async with house() as here, FaultProxy("127.0.0.1", here.cluster.port) as proxy:
        elector = await here.candidate("a", server=f"https://127.0.0.1:{proxy.port}")
        reign = await within(elector.reign())
        await proxy.set(Fault.HANG)
        await until(lambda: not elector.may_write())
        assert elector.time_for_write() == 0
        await proxy.set(Fault.NONE)
        await until(elector.may_write)
        assert not reign.over.is_set()
        assert here.lease()["spec"]["leaseTransitions"] == 0


async def test_a_lease_that_is_taken_away_ends_the_reign():
    async with house() as here:
        elector = await here.candidate("a")
        for take in (
            lambda: here.cluster.api.delete(*LEASE, "tidegate"),
            lambda: here.cluster.api.merge_patch(*LEASE, "tidegate", {"spec": {"holderIdentity": "mallory"}}),
        ):
            reign = await within(elector.reign())
            take()
            await within(reign.over.wait())
            assert not elector.may_write()


async def test_a_loop_that_stands_still_for_long_gives_the_lease_up_and_a_short_stop_keeps_it():
    terms = Terms(duration=4.0, renew_deadline=2.5, timeout=1.5, retry=0.1, margin=0.5, loop_limit=1.0)
    async with house() as here:
        elector = await here.candidate("a", terms=terms, beating=False)
        elector.beat()
        reign = await within(elector.reign())
        kept = here.lease()["spec"]["renewTime"]
        # The thread renews by itself, though nothing beats.
        await until(lambda: here.lease()["spec"]["renewTime"] > kept)
        assert elector.may_write()
        await within(reign.over.wait())
        assert not elector.may_write()
        await until(lambda: here.holder() == "")
        # While it stands still, it is no candidate.
        again = asyncio.create_task(elector.reign())
        beaten = asyncio.create_task(_beats(elector))
        await within(again)
        assert here.holder() == "a"
        await _ended(beaten)


async def test_what_keeps_it_from_the_api_server_is_tried_again():
    async with house() as here:
        tries = []

        async def reach():
            tries.append(1)
            if len(tries) < 3:
                raise ConfigError("no credentials yet")
            return here.access()

        elector = Elector(
            reach, SystemClock(), namespace="default", name="tidegate", identity="a", terms=TERMS
        )
        elector.start()
        beating = asyncio.create_task(_beats(elector))
        await within(elector.reign())
        assert len(tries) == 3
        await within(elector.close())
        await _ended(beating)


async def test_closing_waits_for_no_hanging_request():
    async with house() as here, FaultProxy("127.0.0.1", here.cluster.port) as proxy:
        elector = await here.candidate("a", server=f"https://127.0.0.1:{proxy.port}")
        await within(elector.reign())
        await proxy.set(Fault.HANG)
        await within(elector.close())
        assert not elector.may_write()
    # A TLS connection whose peer never says goodbye outlives its loop, which asyncio remarks upon.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Jumping(SystemClock):
    """A wall clock that is set a day forth and back all the time."""

    def __init__(self):
        super().__init__()
        self._reads = 0

    def now(self):
        self._reads += 1
        return super().now() + timedelta(days=1 if self._reads % 2 else -1)


async def test_jumps_of_the_wall_clock_change_nothing():
    async with house() as here:
        first = await here.candidate("a", clock=Jumping())
        second = await here.candidate("b", clock=Jumping())
        reign = await within(first.reign())
        waiting = asyncio.create_task(second.reign())
        renewed = set()
        async with asyncio.timeout(30):
            while len(renewed) < 30:
                renewed.add(here.lease()["spec"]["renewTime"])
                assert here.writers() == [first]
                await asyncio.sleep(0.01)
        assert not reign.over.is_set()
        assert not waiting.done()
        await within(first.close())
        await within(waiting)


async def test_one_that_never_began_can_be_closed():
    elector = Elector(_never, SystemClock(), namespace="n", name="l", identity="a", terms=TERMS)
    await elector.close()
    assert not elector.may_write()


async def _never():
    raise AssertionError("nobody starts it")
