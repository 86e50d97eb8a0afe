"""What a benchmark has in its cluster: N Deployments of no replicas, N ScaledObjects, each pair on a Redis list of its own.

Everything is seen through watches of the benchmark's own: a write counts at the moment when the API server's news of
it has arrived here. That is after the API server has stored it, so no time is measured too short.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from scaler.clock import Clock
from scaler.core.crds import crds
from scaler.kube.client import Kube
from scaler.kube.errors import AlreadyExists
from scaler.kube.informer import Informer
from scaler.kube.resources import CRDS, DEPLOYMENTS, HPAS, NAMESPACES, SCALED_OBJECTS

__all__ = ["Workloads", "workloads"]

_AT_ONCE = 32
_LOST = 90.0
"""Seconds after which something is not late but missing: three polling intervals."""


class Workloads:
    """See the module. `replicas` is what the Deployments ask for, `changed` when that was last seen to change."""

    def __init__(self, kube: Kube, clock: Clock, namespace: str, count: int) -> None:
        self.names = [f"worker-{number:05d}" for number in range(count)]
        self.replicas: dict[str, int] = {}
        self.changed: dict[str, float] = {}
        self.hpas: set[str] = set()
        self.hpas_seen = 0.0
        self._kube = kube
        self._namespace = namespace
        self._news = asyncio.Event()
        self._informers: list[Informer[Any]] = [
            Informer(kube, resource, clock, decode=_decode, handler=handler, namespaces=(namespace,))
            for resource, handler in ((DEPLOYMENTS, self._deployment), (HPAS, self._hpa))
        ]

    def _deployment(self, _: object, old: tuple[str, int] | None, new: tuple[str, int] | None) -> None:
        if new is not None and (old is None or old[1] != new[1]):
            self.replicas[new[0]] = new[1]
            self.changed[new[0]] = time.monotonic()
            self._news.set()

    def _hpa(self, _: object, old: object, new: tuple[str, int] | None) -> None:
        if new is not None and old is None:
            self.hpas.add(new[0])
            self.hpas_seen = time.monotonic()
            self._news.set()

    async def until(self, reached: Callable[[], bool], what: str) -> None:
        """Return when the watches have shown it. Raises RuntimeError when it does not come."""
        try:
            async with asyncio.timeout(_LOST):
                while not reached():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise RuntimeError(f"not seen within {_LOST:g} s: {what}") from None

    async def deploy(self) -> None:
        """Make the Deployments, which costs Tidegate nothing yet."""
        await _each((lambda n=name: self._kube.create(DEPLOYMENTS, self._target(n))) for name in self.names)
        await self.until(lambda: len(self.replicas) == len(self.names), "all Deployments")

    async def apply(self, address: str) -> None:
        """Make the ScaledObjects, whose lists are in the Redis at `address`."""
        await _each(
            (lambda n=name: self._kube.create(SCALED_OBJECTS, self._scaled_object(n, address)))
            for name in self.names
        )

    async def to_zero(self) -> None:
        """Take all replicas away, as somebody with kubectl would."""
        busy = [name for name in self.names if self.replicas[name]]
        await _each(
            (lambda n=name: self._kube.patch_scale(DEPLOYMENTS, n, self._namespace, 0)) for name in busy
        )
        await self.until(lambda: not any(self.replicas.values()), "no replicas")

    def _target(self, name: str) -> dict[str, Any]:
        labels = {"app": name}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": self._namespace, "name": name, "labels": labels},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "worker", "image": "registry.invalid/worker:1"}]},
                },
            },
        }

    def _scaled_object(self, name: str, address: str) -> dict[str, Any]:
        metadata = {"address": address, "listName": name, "listLength": "5"}
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"namespace": self._namespace, "name": name},
            "spec": {
                "scaleTargetRef": {"name": name},
                "pollingInterval": 30,
                "triggers": [{"type": "redis", "metadata": metadata}],
            },
        }

    async def run(self) -> None:
        """Follow the watches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())

    async def clear(self) -> None:
        """Delete what was made."""
        for resource in (SCALED_OBJECTS, HPAS, DEPLOYMENTS):
            await self._kube.raw(resource.collection(self._namespace), method="DELETE")
        await self._kube.delete(NAMESPACES, self._namespace)


@asynccontextmanager
async def workloads(
    kube: Kube, clock: Clock, namespace: str, count: int, *, keep: bool
) -> AsyncIterator[Workloads]:
    """A namespace with its watches running; the CRDs are installed where they are missing, and stay.

    `keep` leaves the objects: the cluster goes with them.
    """
    for crd in crds():
        await _unless_there(kube.create(CRDS, crd))
    await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    made = Workloads(kube, clock, namespace, count)
    watching = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if not keep:
            await made.clear()


async def _unless_there(creation: Awaitable[object]) -> None:
    try:
        await creation
    except AlreadyExists:
        return


async def _each(calls: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Make all calls, a few at a time."""
    left = iter(calls)

    async def work() -> None:
        for call in left:
            await call()

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _decode(obj: dict[str, Any]) -> tuple[str, int]:
    return obj["metadata"]["name"], obj["spec"].get("replicas") or 0
