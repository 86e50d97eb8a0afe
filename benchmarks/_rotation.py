"""Many ScaledObjects on few Secrets, all rotated at once, in the whole of Tidegate on the embedded cluster."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import _counted  # noqa: F401 - it makes the tests' helpers known
import structlog
from authenticated import READY, authentication, changed, login, refs, secret, user, users, using
from controlled import controlled
from redis_server import RedisServer

__all__ = ["rotation"]

_WITHIN = 120.0
_QUIET = 2.0


async def rotation(objects: int, secrets: int) -> dict[str, Any]:
    """From before the first Secret is written until every trigger was read with its new login."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with RedisServer() as redis:
        for number in range(secrets):
            user(redis, f"old{number}")
            user(redis, f"new{number}")
        async with controlled(redis, factor=1) as run:
            for number in range(secrets):
                secret(run, f"creds{number}", **login(f"old{number}"))
                authentication(run, f"auth{number}", secretTargetRef=refs(f"creds{number}"))
            for number in range(objects):
                run.deployment(f"web{number}")
                trigger = using(run, f"auth{number % secrets}", queue=f"jobs{number}")
                run.scaled_object(f"worker{number}", trigger, to=f"web{number}", pollingInterval=30)
            await _until(lambda: all(run.ready(f"worker{number}") == READY for number in range(objects)))
            await _until(lambda: _all_read(run, objects, secrets) and _users(redis) == _names("old", secrets))
            await _until(_quiet(run))
            writes = len(run.writes())
            began = time.monotonic()
            for number in range(secrets):
                changed(run, f"creds{number}", **login(f"new{number}"))
            await _until(lambda: _all_read(run, objects, secrets) and _users(redis) == _names("new", secrets))
            took = time.monotonic() - began
            found = run.embedded.sources()
            return {
                "objects": objects,
                "secrets": secrets,
                "seconds": round(took, 3),
                "clients_rebuilt": sum(source.clients for source in found),
                "failed_reads": sum(source.errors for source in found),
                "api_writes": len(run.writes()) - writes,
            }


def _all_read(run: Any, objects: int, secrets: int) -> bool:
    found = run.embedded.sources()
    return (
        len(found) == secrets
        and sum(source.triggers for source in found) == objects
        and all(source.reads >= source.queries for source in found)
    )


def _quiet(run: Any) -> Callable[[], bool]:
    """Has nothing been written to the API server for two seconds?"""
    seen = [0.0, time.monotonic()]

    def quiet() -> bool:
        if (writes := len(run.writes())) != seen[0]:
            seen[:] = writes, time.monotonic()
        return time.monotonic() - seen[1] > _QUIET

    return quiet


def _users(redis: Any) -> set[str]:
    return set(users(redis))


def _names(age: str, secrets: int) -> set[str]:
    return {f"{age}{number}" for number in range(secrets)}


async def _until(condition: Any) -> None:
    async with asyncio.timeout(_WITHIN):
        while not condition():  # noqa: ASYNC110 - part of it is another process's state
            await asyncio.sleep(0.01)
