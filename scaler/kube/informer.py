"""One view over a resource in the whole cluster, or in the namespaces we were told to mind.

A Role in some namespaces does not allow a cluster-wide watch, so there is one Reflector per namespace;
readers see one collection.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from scaler.clock import Clock
from scaler.kube.cache import Decode, Handler, Key, Relist
from scaler.kube.client import Kube
from scaler.kube.errors import KubeError
from scaler.kube.reflector import Reflector
from scaler.kube.resources import Resource

__all__ = ["Informer"]

T = TypeVar("T")


class Informer(Generic[T]):
    """See the module. No `namespaces` means all of them. Further keyword arguments are Reflector's."""

    def __init__(
        self,
        kube: Kube,
        resource: Resource,
        clock: Clock,
        *,
        decode: Decode[T],
        handler: Handler[T] | None = None,
        on_relist: Callable[[Relist], None] | None = None,
        namespaces: Sequence[str] = (),
        **options: Any,
    ) -> None:
        wanted: list[str | None] = [*dict.fromkeys(namespaces)] if resource.namespaced else []
        self._reflectors: dict[str | None, Reflector[T]] = {
            namespace: Reflector(
                kube,
                resource,
                clock,
                decode=decode,
                handler=handler,
                on_relist=on_relist,
                namespace=namespace,
                **options,
            )
            for namespace in wanted or [None]
        }

    def __len__(self) -> int:
        return sum(len(reflector) for reflector in self._reflectors.values())

    @property
    def synced(self) -> bool:
        """Whether a complete list of every namespace has been told."""
        return all(reflector.synced.is_set() for reflector in self._reflectors.values())

    def listed(self, namespace: str) -> bool:
        """Whether a complete list of this namespace has been told; False for one that is not minded."""
        reflector = self._reflectors.get(None if None in self._reflectors else namespace)
        return reflector is not None and reflector.synced.is_set()

    @property
    def problems(self) -> dict[str, KubeError]:
        """By namespace (empty: all): why it is out of touch at present; empty when all is well."""
        return {
            name or "": each.problem for name, each in self._reflectors.items() if each.problem is not None
        }

    async def wait_synced(self) -> None:
        """Return when `synced`."""
        for reflector in self._reflectors.values():
            await reflector.synced.wait()

    def get(self, namespace: str, name: str) -> T | None:
        """The object as last seen; None when there is none, or its namespace is not minded."""
        reflector = self._reflectors.get(None if None in self._reflectors else namespace)
        return None if reflector is None else reflector.get(namespace, name)

    def snapshot(self) -> dict[Key, T]:
        """A copy: all objects by (namespace, name), as of now."""
        return {
            key: obj for reflector in self._reflectors.values() for key, obj in reflector.snapshot().items()
        }

    async def run(self) -> None:
        """Follow all namespaces until closed or cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors.values():
                group.create_task(reflector.run())

    async def close(self) -> None:
        """End `run`; the copies stay readable."""
        await asyncio.gather(*(reflector.close() for reflector in self._reflectors.values()))
