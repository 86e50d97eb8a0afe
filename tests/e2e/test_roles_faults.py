"""What must not happen when leaders are stopped, cut off or blocked: two writers, a wrong write, a Lease lost unnoticed."""

import asyncio
import re
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from command_line import until
from embedded import until as reached
from redis_server import RedisServer
from shared_work import QUICK, crew, metric_path, pause

from scaler.clock import SystemClock
from scaler.roles.controller import ControllerRole
from scaler.settings import LeaderSettings, RunSettings

pytestmark = [pytest.mark.long, pytest.mark.server, pytest.mark.timeout(300)]

WRITES = re.compile(
    r'^tidegate_api_requests_total\{(?!.*reviews\.auth).*verb="(?:create|update|patch|delete)"\} (\S+)$',
    re.MULTILINE,
)


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


def writes(member):
    """Writes that a process has sent so far, its Lease's aside."""
    return sum(float(count) for count in WRITES.findall(member.get("/metrics")[1]))


def busy(here, redis):
    """One object at three replicas for good, its metric served."""
    here.target()
    here.scaled_object(redis)
    for number in range(3):
        redis.cli("RPUSH", "web", number)
    until(lambda: here.replicas() == 3, "three replicas")
    until(lambda: here.metric(metric_path()) == "3", "the metric")


def test_a_leader_stopped_past_its_lease_writes_nothing_when_it_goes_on(tmp_path, redis):
    with crew(tmp_path) as here:
        adapter, first = here.adapter(), here.controller()
        first.until(lambda: first.ready)
        here.await_leader([first])
        second = here.controller()
        second.until(lambda: second.ready)
        busy(here, redis)
        here.target("late")
        here.scaled_object(redis, "late")
        here.kubectl("wait", "scaledobject/late", "--for=condition=Ready", "--timeout=40s")
        until(lambda: here.kubectl.get("scaledobject", "late")["status"].get("conditions"))
        before = writes(first)
        first.process.send_signal(signal.SIGSTOP)
        try:
            here.await_leader([second])
            # News that the stopped one finds when it goes on: work for an object at rest.
            redis.cli("RPUSH", "late", "x")
            until(lambda: here.replicas("late") == 1, "woken by the new leader")
            time.sleep(1)
        finally:
            first.process.send_signal(signal.SIGCONT)
        first.until(lambda: first.events("lease_lost"), "it learns that another leads")
        first.until(lambda: len(first.events("standing_by")) == 2, "a standby again")
        assert writes(first) == before
        assert here.leader([first, second]) is second
        assert here.replicas() == 3
        assert adapter.ready
        # It is a good standby: it takes over from the other.
        assert second.stop() == 0
        assert here.await_leader([first]) is first
        redis.cli("DEL", "late")
        until(lambda: here.replicas("late") == 0, within=60)


def test_a_minute_without_the_api_server(tmp_path, redis):
    with crew(tmp_path) as here:
        adapter = here.adapter()
        controllers = [here.controller(), here.controller()]
        for member in controllers:
            member.until(lambda member=member: member.ready)
        here.await_leader(controllers)
        busy(here, redis)
        here.target("idle")
        here.scaled_object(redis, "idle")
        here.kubectl("wait", "scaledobject/idle", "--for=condition=Ready", "--timeout=40s")
        pause(here.cluster, 60)
        leader = here.await_leader(controllers)
        until(
            lambda: [c for c in controllers if "tidegate_leading 1.0" in c.get("/metrics")[1]] == [leader],
            "one leads",
        )
        until(lambda: all(member.ready for member in [*controllers, adapter]), "all are ready")
        assert here.replicas() == 3
        assert here.replicas("idle") == 0
        redis.cli("RPUSH", "idle", "x")
        until(lambda: here.replicas("idle") == 1, "it scales again")
        until(lambda: here.metric(metric_path()) == "3", "and serves")
        for member in [*controllers, adapter]:
            assert member.stop() == 0


# A plugin that blocks the loop: the loop of a role in this process stands still.


@asynccontextmanager
async def role_here(here, home):
    """A controller in this process, leading."""
    leader = LeaderSettings(
        lease_namespace="default", lease_duration=6.0, renew_deadline=4.0, retry_period=0.5, feed_port=0,
        feed_certificates=str(home / "feed"),
    )  # fmt: skip
    settings = RunSettings(leader=leader, metrics_port=0)
    async with ControllerRole(settings, SystemClock(), kubeconfig=Path(here.kubectl.kubeconfig)) as role:
        serving = asyncio.create_task(role.serve())
        try:
            await reached(lambda: role.leading, within=60)
            yield role
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def test_a_loop_blocked_for_twenty_seconds_keeps_the_lease_on_purpose(tmp_path):
    with crew(tmp_path, lease=QUICK) as here:
        async with role_here(here, tmp_path) as role:
            other = here.controller()
            await asyncio.to_thread(other.until, lambda: other.ready)
            lease = here.lease()["spec"]
            time.sleep(20)  # noqa: ASYNC251 - this is the point.
            assert role.leading
            after = here.lease()["spec"]
            assert after["holderIdentity"] == lease["holderIdentity"] == role.identity
            assert after["leaseTransitions"] == lease["leaseTransitions"]
            assert after["renewTime"] > lease["renewTime"]
            assert not other.events("leading")
        await asyncio.to_thread(other.until, lambda: other.events("leading"), "let go at the end")


async def test_a_loop_blocked_for_longer_gives_the_lease_up_and_writes_no_more(tmp_path):
    with crew(tmp_path, lease=QUICK) as here:
        async with role_here(here, tmp_path) as role:
            other = here.controller()
            await asyncio.to_thread(other.until, lambda: other.ready)
            first = role.controller
            time.sleep(36)  # noqa: ASYNC251 - as above.
            assert not role.leading
            assert other.events("leading")
            await asyncio.to_thread(until, lambda: here.leader([other]) is other)
            # The loop moves again: it stands by, and leads when the other is gone.
            await reached(lambda: role.controller is not first and role.controller.synced)
            await asyncio.to_thread(other.stop)
            await reached(lambda: role.leading)
