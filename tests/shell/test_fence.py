"""The fence: what a process that does not lead cannot send, and what it must have sent in time."""

import asyncio

import pytest
from scripted_api import ScriptedApi, answers, fails, hangs, thing, until

from scaler.clock import SystemClock
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scaler.kube.errors import NotLeader, Unreachable
from scaler.kube.resources import CONFIG_MAPS, DEPLOYMENTS, SERVICE_ACCOUNTS


class Fence:
    """As many seconds as a test says."""

    def __init__(self):
        self.seconds = 10.0
        self.asked = 0

    def time_for_write(self):
        self.asked += 1
        return self.seconds


@pytest.fixture
async def api():
    api = await ScriptedApi().start()
    yield api
    await api.stop()


@pytest.fixture
def fence():
    return Fence()


@pytest.fixture
async def kube(api, fence):
    async with Kube(api.access, SystemClock(), jitter=lambda: 0.0, fence=fence) as kube:
        yield kube


WRITES = [
    lambda kube: kube.create(CONFIG_MAPS, thing("a", 1)),
    lambda kube: kube.replace(CONFIG_MAPS, thing("a", 1)),
    lambda kube: kube.patch(CONFIG_MAPS, "a", {}, "shop"),
    lambda kube: kube.patch_scale(DEPLOYMENTS, "a", "shop", 0),
    lambda kube: kube.delete(CONFIG_MAPS, "a", "shop"),
    lambda kube: kube.raw("/api/v1/anything", method="POST"),
]


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_asks_and_is_sent_or_not(api, kube, fence, write):
    api.others.append(answers(200, thing("a", 2)))
    await write(kube)
    assert len(api.requests) == 1
    fence.seconds = 0.0
    with pytest.raises(NotLeader, match="not sent, since this process does not lead at the moment"):
        await write(kube)
    assert len(api.requests) == 1


async def test_to_whoever_writes_it_is_an_outage():
    assert issubclass(NotLeader, Unreachable)


async def test_reads_are_free(api, kube, fence):
    fence.seconds = 0.0
    api.others.append(answers(200, thing("a", 2)))
    await kube.get(CONFIG_MAPS, "a", "shop")
    await kube.list_page(CONFIG_MAPS)
    api.others.append(answers(201, {"status": {"token": "t"}}))
    account = {"metadata": {"namespace": "shop", "name": "robot"}}
    await kube.create(SERVICE_ACCOUNTS, account, subresource="token")
    assert fence.asked == 0


async def test_a_repetition_asks_again(api, kube, fence):
    async def slow_down(exchange):
        fence.seconds = 0.0
        await fails(429, "TooManyRequests", retry_after=0.01)(exchange)

    api.others.append(slow_down)
    with pytest.raises(NotLeader):
        await kube.patch(CONFIG_MAPS, "a", {}, "shop")
    assert len(api.requests) == 1


async def test_it_is_asked_after_the_credentials_which_take_time(api, fence):
    class Slow(Access):
        async def authorization(self):
            fence.seconds = 0.0
            return "Bearer late"

    async with Kube(Slow(api.access.server), SystemClock(), fence=fence) as kube:
        with pytest.raises(NotLeader):
            await kube.patch(CONFIG_MAPS, "a", {}, "shop")
    assert not api.requests


async def test_a_write_under_way_is_given_up_before_another_may_lead(api, kube, fence):
    fence.seconds = 0.2
    api.others.append(hangs)
    write = asyncio.create_task(kube.patch(CONFIG_MAPS, "a", {}, "shop"))
    await until(lambda: api.requests)
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        await write
