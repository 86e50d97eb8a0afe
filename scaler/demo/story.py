"""The demo's story: cluster up, manifests in, jobs pushed, workers come and go, and what was seen of it."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from scaler.app import Embedded
from scaler.clock import Clock
from scaler.demo import objects
from scaler.demo.redis import client_of, demo_redis
from scaler.demo.samples import Sample, Summary
from scaler.demo.screen import Screen
from scaler.local.api import Api

__all__ = ["DemoError", "Told", "tell"]

NAMESPACE, NAME = "default", "redis-worker"
HPA_SYNC = 5.0
"""Seconds; a real cluster looks every 15. Said in the demo's output."""
LIMIT = 75.0
"""Real seconds, start included, after which the story is broken off. With all that closing may take it is below 90."""
_LOOK = 0.1
_READY = 20.0
_ANSWER = 5.0
"""Real seconds for one answer of Redis, or for the summary: then Redis hangs."""
_T = TypeVar("_T")


class DemoError(Exception):
    """The story cannot be told to its end. The message says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """How the story went.

    `samples` is every look, `pushed` the moment of the first push in the samples' seconds, `woken` whether Redis told of
    changes, `finished` whether the story came to its end before the time was up.
    """

    summary: Summary
    samples: tuple[Sample, ...]
    pushed: float
    woken: bool
    finished: bool


@dataclass(slots=True)
class _Seen:
    """What is watched for while the story goes on. Times are real monotonic seconds."""

    began: float
    samples: list[Sample] = field(default_factory=list)
    pushed: float = 0.0
    all_pushed: bool = False
    scaled: float | None = None
    first_write: int = 0
    peak: int = 0
    ended: float = 0.0
    finished: bool = False

    def answered(self, verb: str, resource: str, status: int, now: float) -> None:
        """A request of the controller was answered; the first write of replicas is what we wait for."""
        written = verb == "patch" and resource.endswith("/scale") and status == 200
        if written and self.scaled is None and self.pushed:
            self.scaled = now

    def over(self, sample: Sample, pods: int) -> bool:
        """Has all that was pushed been taken, and is everything at rest again? Whether it was done, the summary says."""
        return self.all_pushed and bool(self.first_write) and not (sample.queue or sample.desired or pods)


async def tell(clock: Clock, jobs: int, screen: Screen, limit: float = LIMIT) -> Told:
    """Run the demo. Raises NoRedisError, DemoError, OSError; a story without a good end is a summary that is not ok."""
    seen = _Seen(_real(clock))
    async with AsyncExitStack() as stack:
        try:
            async with clock.deadline(limit + _ANSWER):
                return await _tell(clock, jobs, screen, limit, seen, stack)
        except RedisError as error:
            raise DemoError(f"the demo's Redis failed: {error}") from error
        except TimeoutError as error:
            raise DemoError(str(error) or f"something hangs: no end after {limit:g} s") from error


async def _tell(
    clock: Clock, jobs: int, screen: Screen, limit: float, seen: _Seen, stack: AsyncExitStack
) -> Told:
    redis = await stack.enter_async_context(demo_redis(clock))
    kind = "redis-server" if redis.real else "fakeredis, which tells of no changes (polling)"
    screen.note(f"Redis at {redis.address} is {kind}")

    def observer(verb: str, resource: str, status: int, _: float) -> None:
        seen.answered(verb, resource, status, _real(clock))

    embedded = await stack.enter_async_context(Embedded(clock, hpa_sync=HPA_SYNC, observer=observer))
    client = client_of(redis.address)
    stack.push_async_callback(client.aclose)
    objects.apply(embedded.api, redis.address)
    await _wait_ready(clock, embedded.api)
    screen.note(
        f"cluster, controller and metrics API are up at {embedded.cluster.url}; the HPA looks every {HPA_SYNC:g} s"
    )
    if embedded.tidegate is not None:
        server = f"http://127.0.0.1:{embedded.tidegate.listener.port}"
        screen.note(f"to ask why: tidegate explain {NAMESPACE}/{NAME} --server {server}")
    looking = asyncio.create_task(_look(clock, embedded, client, seen, jobs, screen, limit))
    pushing = asyncio.create_task(_push(clock, client, jobs, seen, screen))
    try:
        await asyncio.wait((looking, pushing), return_when=asyncio.FIRST_COMPLETED)
        if pushing.done():
            pushing.result()
        await looking
    finally:
        looking.cancel()
        pushing.cancel()
        await asyncio.gather(looking, pushing, return_exceptions=True)
    woken = any(source.listening for source in embedded.sources())
    summary = await _summary(clock, client, embedded.api, jobs, seen)
    return Told(summary, tuple(seen.samples), seen.pushed, woken, seen.finished)


async def _answer(clock: Clock, asked: Awaitable[_T]) -> _T:
    try:
        async with clock.deadline(_ANSWER):
            return await asked
    except TimeoutError as error:
        raise DemoError(f"the demo's Redis did not answer within {_ANSWER:g} s") from error


def _real(clock: Clock) -> float:
    """Monotonic seconds that no time factor changes: what the demo measures is real."""
    return clock.monotonic() / clock.factor


async def _wait_ready(clock: Clock, api: Api) -> None:
    try:
        async with clock.deadline(_READY):
            while not objects.is_ready(api):
                await clock.pause(0.02)
    except TimeoutError as error:
        raise TimeoutError(
            f"the ScaledObject is not ready after {_READY:g} s: {objects.conditions(api)}"
        ) from error


async def _push(clock: Clock, client: Redis, jobs: int, seen: _Seen, screen: Screen) -> None:
    for number in range(jobs):
        await _answer(clock, client.lpush("jobs", f"job-{number}"))
        if not number:
            seen.pushed = _real(clock)
    seen.all_pushed = True
    screen.note(f"pushed {jobs} job{'' if jobs == 1 else 's'}, one command each")


async def _look(
    clock: Clock, embedded: Embedded, client: Redis, seen: _Seen, jobs: int, screen: Screen, limit: float
) -> None:
    """Watch until everything is at rest again, or the time is up."""
    changes = embedded.api.subscribe("apps", "deployments")
    began = _real(clock)
    try:
        while _real(clock) - seen.began < limit and not seen.finished:
            for _, deployment in changes.pending():
                wanted = deployment["spec"].get("replicas") or 0
                seen.first_write = seen.first_write or wanted
                seen.peak = max(seen.peak, wanted)
            sample = await _sample(clock, embedded, client)
            seen.samples.append(sample)
            screen.show(seen.samples, jobs, began)
            seen.finished = seen.over(sample, objects.pods(embedded.api))
            await clock.pause(_LOOK)
    finally:
        changes.close()
    seen.ended = _real(clock)


async def _sample(clock: Clock, embedded: Embedded, client: Redis) -> Sample:
    queue, done = await _answer(clock, client.llen("jobs")), await _answer(clock, client.hlen("jobs:done"))
    desired, ready = objects.deployment(embedded.api)
    return Sample(
        at=_real(clock),
        queue=queue,
        desired=desired,
        ready=ready,
        done=done,
        decision=embedded.decision(NAMESPACE, NAME),
        hpa=objects.hpa_view(embedded.api),
    )


async def _summary(clock: Clock, client: Redis, api: Api, jobs: int, seen: _Seen) -> Summary:
    counts = [int(count) for count in await _answer(clock, client.hvals("jobs:done"))]
    return Summary(
        jobs=jobs,
        processed=len(counts),
        processed_twice=sum(count > 1 for count in counts),
        first_write=seen.first_write,
        peak_replicas=seen.peak,
        final_replicas=objects.deployment(api)[0],
        push_to_scale_ms=round((seen.scaled - seen.pushed) * 1000, 3) if seen.scaled is not None else -1.0,
        seconds=round(seen.ended - (seen.pushed or seen.began), 3),
    )
