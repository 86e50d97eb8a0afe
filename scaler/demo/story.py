"""The demo's story: cluster up, manifests in, jobs pushed, workers come and go, and what was seen of it.

The manifests are those of `examples/redis-worker`, shipped with the package; only the Redis address is the demo's own.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml
from redis.asyncio import Redis

from scaler.app import Embedded
from scaler.clock import Clock
from scaler.demo.redis import DemoRedis, demo_redis
from scaler.demo.samples import Sample, Summary
from scaler.demo.screen import Screen
from scaler.local.api import Api

__all__ = ["Told", "tell"]

NAMESPACE, NAME = "default", "redis-worker"
HPA_SYNC = 5.0
"""Seconds; a real cluster looks every 15. Said in the demo's output."""
_LOOK = 0.1
_LIMIT = 85.0
_READY = 20.0
_PLURALS = {"Deployment": ("apps", "deployments"), "ScaledObject": ("keda.sh", "scaledobjects")}


@dataclass(frozen=True, slots=True)
class Told:
    """How the story went: the summary, every look, the moment of the first push, and whether Redis told of changes."""

    summary: Summary
    samples: tuple[Sample, ...]
    pushed: float
    redis: DemoRedis
    woken: bool


@dataclass(slots=True)
class _Seen:
    """What is watched for while the story goes on. Times are monotonic seconds."""

    samples: list[Sample] = field(default_factory=list)
    pushed: float = 0.0
    scaled: float | None = None
    first_write: int = 0
    peak: int = 0
    finished: float = 0.0

    def answered(self, verb: str, resource: str, status: int, now: float) -> None:
        """A request of the controller was answered; the first write of replicas is what we wait for."""
        if (
            self.scaled is None
            and verb == "patch"
            and resource.endswith("/scale")
            and status == 200
            and self.pushed
        ):
            self.scaled = now


async def tell(clock: Clock, jobs: int, screen: Screen) -> Told:
    """Run the demo. Raises NoRedisError; other faults end in a summary that is not ok."""
    seen = _Seen()
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(demo_redis(clock))
        screen.note(
            "Redis is " + ("redis-server" if redis.real else "fakeredis, which tells of no changes: polling")
        )
        embedded = await stack.enter_async_context(
            Embedded(
                clock,
                hpa_sync=HPA_SYNC,
                observer=lambda verb, resource, status, _: seen.answered(
                    verb, resource, status, clock.monotonic()
                ),
            )
        )
        client = Redis.from_url(f"redis://{redis.address}")
        stack.push_async_callback(client.aclose)
        apply(embedded.api, redis.address)
        await _wait_ready(clock, embedded.api)
        screen.note(
            f"cluster, controller and metrics API are up at {embedded.cluster.url}; the HPA looks every {HPA_SYNC:g} s"
        )
        looking = asyncio.create_task(_look(clock, embedded, client, seen, jobs, screen))
        try:
            await _push(clock, client, jobs, seen)
            screen.note(f"pushed {jobs} jobs, one command each")
            await looking
        finally:
            looking.cancel()
        woken = any(source.listening for source in embedded.sources())
        summary = await _summary(client, embedded.api, jobs, seen)
    return Told(summary, tuple(seen.samples), seen.pushed, redis, woken)


def apply(api: Api, address: str) -> None:
    """Create the example's objects; the Redis address in the Deployment's environment is the one value that is changed."""
    for document in manifests():
        if document["kind"] == "Deployment":
            for variable in document["spec"]["template"]["spec"]["containers"][0]["env"]:
                if variable["name"] == "REDIS_ADDRESS":
                    variable["value"] = address
        api.create(*_PLURALS[document["kind"]], NAMESPACE, document)


def manifests() -> list[dict[str, Any]]:
    """The documents of examples/redis-worker."""
    folder = resources.files("scaler.demo") / "manifests"
    found = [yaml.safe_load(entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return sorted(found, key=lambda document: list(_PLURALS).index(document["kind"]))


async def _wait_ready(clock: Clock, api: Api) -> None:
    async with clock.deadline(_READY):
        while not _is_ready(api):
            await clock.pause(0.02)


def _is_ready(api: Api) -> bool:
    found = api.get("keda.sh", "scaledobjects", NAMESPACE, NAME).get("status", {}).get("conditions", ())
    known = {condition["type"]: condition["status"] for condition in found}
    return known.get("Ready") == "True" and known.get("Active") == "False"


async def _push(clock: Clock, client: Redis, jobs: int, seen: _Seen) -> None:
    for number in range(jobs):
        await client.lpush("jobs", f"job-{number}")
        if not number:
            seen.pushed = clock.monotonic()


async def _look(
    clock: Clock, embedded: Embedded, client: Redis, seen: _Seen, jobs: int, screen: Screen
) -> None:
    """Watch until all is done and gone, or the time is over."""
    began = clock.monotonic()
    changes = embedded.api.subscribe("apps", "deployments")
    try:
        while clock.monotonic() - began < _LIMIT:
            for _, deployment in changes.pending():
                wanted = deployment["spec"].get("replicas") or 0
                seen.first_write = seen.first_write or wanted
                seen.peak = max(seen.peak, wanted)
            sample = await _sample(clock, embedded, client)
            seen.samples.append(sample)
            screen.show(seen.samples, jobs, began)
            if sample.done >= jobs and not sample.desired and not embedded.api.list("", "pods", NAMESPACE):
                break
            await clock.pause(_LOOK)
    finally:
        changes.close()
    seen.finished = clock.monotonic()


async def _sample(clock: Clock, embedded: Embedded, client: Redis) -> Sample:
    deployment = embedded.api.get("apps", "deployments", NAMESPACE, NAME)
    queue, done = await client.llen("jobs"), await client.hlen("jobs:done")
    return Sample(
        at=clock.monotonic(),
        queue=queue,
        desired=deployment["spec"].get("replicas") or 0,
        ready=deployment.get("status", {}).get("readyReplicas") or 0,
        done=done,
        decision=embedded.decision(NAMESPACE, NAME),
        hpa=_hpa(embedded.api),
    )


def _hpa(api: Api) -> str:
    found = [
        h
        for h in api.list("autoscaling", "horizontalpodautoscalers", NAMESPACE)
        if h["metadata"]["name"].endswith(NAME)
    ]
    status: Mapping[str, Any] = found[0].get("status", {}) if found else {}
    metrics = status.get("currentMetrics") or ()
    values = [m["external"]["current"].get("averageValue", "?") for m in metrics if m.get("external")]
    reasons = [
        c["reason"] for c in status.get("conditions", ()) if c["type"] in {"AbleToScale", "ScalingActive"}
    ]
    average = f"average {values[0]}, " if values else ""
    return f"{average}wants {status.get('desiredReplicas', 0)} ({', '.join(reasons) or 'not looked yet'})"


async def _summary(client: Redis, api: Api, jobs: int, seen: _Seen) -> Summary:
    counts = [int(count) for count in await client.hvals("jobs:done")]
    deployment = api.get("apps", "deployments", NAMESPACE, NAME)
    return Summary(
        jobs=jobs,
        processed=len(counts),
        processed_twice=sum(count > 1 for count in counts),
        first_write=seen.first_write,
        peak_replicas=seen.peak,
        final_replicas=deployment["spec"].get("replicas") or 0,
        push_to_scale_ms=round((seen.scaled - seen.pushed) * 1000, 3) if seen.scaled is not None else -1.0,
        seconds=round(seen.finished - seen.pushed, 3),
    )
