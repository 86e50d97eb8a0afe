"""The steps below the floor, and the first write: floors, idle counts, wake-ups, `activation: desired`, changed addresses."""

import asyncio

import pytest
from controlled import DEPLOYMENTS, controlled
from redis_server import RedisServer

pytestmark = pytest.mark.server

DESIRED = {"annotations": {"tidegate.dev/activation": "desired"}}
MINUTES = 6000
"""A pollingInterval so long that only wake-ups can be the reason."""


async def listening(run):
    await run.settled()
    await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
    await run.until(lambda: any(source.listening for source in run.embedded.sources()))


async def test_idle_and_minimum(redis):
    async with controlled(redis) as run:
        run.deployment(replicas=1)
        run.scaled_object(idleReplicaCount=0, minReplicaCount=3, cooldownPeriod=10, maxReplicaCount=5)
        await run.until(lambda: run.replicas() == 0)
        run.push()
        await run.until(lambda: run.replicas() == 3)
        run.clear()
        await run.until(lambda: run.replicas() == 0)


async def test_raised_to_the_minimum(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(minReplicaCount=2)
        await run.until(lambda: run.replicas() == 2)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert run.message("Active").startswith("RaisedToMinimum")
        assert "KEDAScaleTargetActivated" not in run.events()


async def test_a_wake_up_does_not_wait_for_the_poll(redis):
    async with controlled(redis) as run:
        run.deployment()
        run.scaled_object(pollingInterval=MINUTES, maxReplicaCount=1)
        await listening(run)
        run.push()
        await run.until(lambda: run.replicas() == 1)


async def test_desired_is_the_whole_backlog_pushed_one_by_one(redis):
    async with controlled(redis, hpa_sync=600) as run:
        run.deployment()
        run.scaled_object(meta=DESIRED, pollingInterval=MINUTES)
        await listening(run)
        for number in range(30):
            redis.cli("RPUSH", "jobs", number)
        await run.until(lambda: run.replicas() > 0)
        await run.until(lambda: run.notes("KEDAScaleTargetActivated"))
        assert 1 < run.replicas() <= 6


async def test_desired_keeps_to_the_policies_of_scale_up(redis):
    policy = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    async with controlled(redis, hpa_sync=600) as run:
        run.push(100)
        run.deployment()
        run.scaled_object(meta=DESIRED, advanced={"horizontalPodAutoscalerConfig": {"behavior": policy}})
        await run.until(lambda: run.replicas() > 0)
        assert run.replicas() == 3  # The floor, and two more.


async def test_the_sample_that_woke_is_served_until_the_hpa_has_read_it(redis):
    async with controlled(redis, hpa_sync=20, pods="ready") as run:
        run.deployment()
        run.scaled_object(meta=DESIRED, pollingInterval=MINUTES)
        await listening(run)
        run.redis.cli("RPUSH", "jobs", *range(30))
        await run.until(lambda: run.replicas() == 6)
        run.clear()  # Fast workers: the queue is empty before the HPA's first look.

        def metric():
            current = ((run.hpa().get("status") or {}).get("currentMetrics")) or [{}]
            return (current[0].get("external") or {}).get("current", {}).get("averageValue")

        await run.until(lambda: metric() not in {None, "0"})
        assert run.replicas() >= 6


async def test_work_that_comes_while_a_write_is_under_way_is_decided_about_after_it(redis):
    async with controlled(redis) as run:
        run.deployment(replicas=1)
        await run.until(
            lambda: (run.api.get(*DEPLOYMENTS, "default", "web").get("status") or {}).get("replicas")
        )
        run.scaled_object(pollingInterval=MINUTES, maxReplicaCount=1)
        kube = run.controller._targets._kube
        patch_scale, may_go, begun = kube.patch_scale, asyncio.Event(), asyncio.Event()

        async def slow(resource, name, namespace, replicas, *, resource_version):
            begun.set()
            await may_go.wait()
            return await patch_scale(resource, name, namespace, replicas, resource_version=resource_version)

        kube.patch_scale = slow
        await run.until(begun.is_set)  # Down to zero, since there is no work.
        run.push()
        await run.controller._sources.refresh(
            [place for places in run.controller._sources._places.values() for place in places]
        )
        assert run.replicas() == 1
        may_go.set()
        done = ("patch", "deployments.apps/scale", 200)
        await run.until(lambda: run.requests.count(done) == 2)
        assert run.replicas() == 1


async def test_an_address_from_the_targets_environment_is_followed(redis):
    with RedisServer() as other:
        async with controlled(redis) as run:
            run.deployment(env=[{"name": "REDIS", "value": f"{redis.host}:{redis.port}"}])
            run.scaled_object(
                "worker", run.redis_trigger(address=None, addressFromEnv="REDIS"), maxReplicaCount=1
            )
            await listening(run)
            moved = [{"name": "REDIS", "value": "$(HOST):$(PORT)"}]
            parts = [{"name": "HOST", "value": other.host}, {"name": "PORT", "value": str(other.port)}]
            template = {
                "spec": {"containers": [{"name": "app", "image": "busybox", "env": [*parts, *moved]}]}
            }
            run.patch("web", DEPLOYMENTS, spec={"template": template})
            where = f"{other.host}:{other.port}"
            await run.until(lambda: [where in source.describe for source in run.embedded.sources()] == [True])
            other.cli("RPUSH", "jobs", 1)
            await run.until(lambda: run.replicas() == 1)
            await run.settled()
