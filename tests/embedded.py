"""What the tests of the embedded cluster's controllers share: a cluster without HTTP, and waiting for a state."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from scaler.clock import SystemClock
from scaler.local.api import Api, ApiError
from scaler.local.controllers import Controllers

DEPLOYMENTS = ("apps", "deployments", "default")
SETS = ("apps", "replicasets", "default")
PODS = ("", "pods", "default")
EVENTS = ("", "events", "default")
HPAS = ("autoscaling", "horizontalpodautoscalers", "default")


def new_api(clock: Any = None) -> Api:
    """An Api with the namespace `default`."""
    api = Api(clock or SystemClock())
    if not api.list("", "namespaces"):
        api.create(
            "", "namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        )
    return api


@asynccontextmanager
async def cluster(clock: Any = None, **options: Any) -> AsyncIterator[Api]:
    """An Api with running controllers."""
    api = new_api(clock)
    controllers = Controllers(api, **options)
    await controllers.start()
    try:
        yield api
    finally:
        await controllers.close()


async def until(condition: Callable[[], Any], within: float = 20.0) -> Any:
    """Wait for a true value; what it raises or gives last is the failure's message."""
    last: Any = None
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    last = condition()
                except (ApiError, LookupError) as error:
                    last = error
                if last and not isinstance(last, Exception):
                    return last
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not reached within {within} s; last: {last!r}") from None


def deployment(
    name: str = "web", replicas: int = 1, *, pod: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A Deployment whose pods have one container without a command unless `pod` says otherwise."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": pod or {"containers": [{"name": "c", "image": "one"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def shell(script: str, **more: Any) -> dict[str, Any]:
    """A container that runs a shell script."""
    return {"name": "main", "image": "none", "command": ["/bin/sh", "-c", script], **more}


def lone_pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod that nobody owns."""
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": list(containers), **spec},
    }


def condition(obj: dict[str, Any], kind: str) -> tuple[str, str]:
    """(status, reason) of a condition."""
    found = next(c for c in obj["status"]["conditions"] if c["type"] == kind)
    return found["status"], found.get("reason", "")


def reasons(api: Api, name: str) -> list[str]:
    """The reasons of the Events about an object."""
    return sorted(e["reason"] for e in api.list(*EVENTS) if e["involvedObject"]["name"] == name)
