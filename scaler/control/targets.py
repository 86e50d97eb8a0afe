"""Scale targets: found, watched, read and written through their scale subresource, nothing else.

One informer per resource that some ScaledObject targets, shared by all of them; started when the first one does. Of each
target only what decisions need is kept: its replicas and its containers' environment. A kind whose replicas do not stand at
`spec.replicas` is read through `/scale` (KEDA's rule).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaler.clock import Clock
from scaler.control.environment import Container, containers_of
from scaler.core.model import ScaleTargetRef
from scaler.kube.client import Kube
from scaler.kube.errors import NotFound
from scaler.kube.informer import Informer
from scaler.kube.mapper import Mapper
from scaler.kube.resources import DEPLOYMENTS, STATEFUL_SETS, Resource

__all__ = ["Target", "TargetError", "TargetKey", "Targets"]

MISSING = "Target resource doesn't exist"
NOT_SCALABLE = "Target resource doesn't expose /scale subresource"
# KEDA takes these two by their kind's name alone, whatever group the manifest gives (facts 2.3).
_BY_KIND = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}


class TargetError(Exception):
    """The target cannot be scaled; `event` is the text of KEDA's event for it."""

    def __init__(self, message: str, *, event: str) -> None:
        super().__init__(message)
        self.event = event


@dataclass(frozen=True, slots=True)
class TargetKey:
    """Which object: its resource, namespace and name."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        """As KEDA's events name it: `apps/v1.Deployment shop/web`."""
        return f"{self.resource.api_version}.{self.resource.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """A target as last seen. `replicas` is what its owner asks for (spec.replicas), None when not known."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    replicas: int | None
    containers: tuple[Container, ...]


class Targets:
    """See the module. `on_change` is called with the key of every target that appeared, changed or went away."""

    def __init__(
        self,
        kube: Kube,
        mapper: Mapper,
        clock: Clock,
        *,
        namespaces: tuple[str, ...],
        on_change: Callable[[TargetKey, Target | None, Target | None], None],
    ) -> None:
        self._kube = kube
        self._mapper = mapper
        self._clock = clock
        self._namespaces = namespaces
        self._on_change = on_change
        self._informers: dict[Resource, Informer[Target]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._written: dict[TargetKey, Target] = {}
        """What our own writes and reads returned, until the watch has caught up with it."""

    async def find(self, ref: ScaleTargetRef, namespace: str) -> TargetKey:
        """The resource behind a scaleTargetRef, watched from now on. Raises TargetError, KubeError."""
        resource = _BY_KIND.get(ref.kind)
        if resource is None:
            mapped = await self._mapper.find(ref.api_version, ref.kind)
            resource = mapped.resource
            if not mapped.scalable:
                await self._refuse(resource, namespace, ref.name)
        informer = self._informers.get(resource)
        if informer is None:
            informer = self._watch(resource)
        await informer.wait_synced()
        return TargetKey(resource, namespace, ref.name)

    def get(self, key: TargetKey) -> Target | None:
        """The target as last seen, by our own writes or by the watch, whichever is newer."""
        informer = self._informers.get(key.resource)
        seen = informer.get(key.namespace, key.name) if informer is not None else None
        written = self._written.get(key)
        if seen is None or written is None or seen.uid != written.uid:
            return seen
        return seen if _newer(seen, written) else written

    async def read(self, key: TargetKey) -> Target:
        """Ask the API server for the present scale. Raises TargetError when there is no such target, KubeError."""
        try:
            scale = await self._kube.get_scale(key.resource, key.name, key.namespace)
        except NotFound as error:
            raise TargetError(f"{key}: {error}", event=MISSING) from error
        return self._remember(key, scale)

    async def scale(self, key: TargetKey, replicas: int, resource_version: str) -> Target:
        """Write the replicas, if the target is still as it was at `resource_version`. Raises KubeError (Conflict)."""
        scale = await self._kube.patch_scale(
            key.resource, key.name, key.namespace, replicas, resource_version=resource_version
        )
        return self._remember(key, scale)

    async def close(self) -> None:
        """Stop watching."""
        for informer in self._informers.values():
            await informer.close()
        await asyncio.gather(*self._tasks)

    def _watch(self, resource: Resource) -> Informer[Target]:
        informer = Informer(
            self._kube,
            resource,
            self._clock,
            namespaces=self._namespaces,
            decode=_trim,
            handler=lambda _, old, new: self._changed(resource, old, new),
        )
        self._informers[resource] = informer
        self._tasks.append(asyncio.get_running_loop().create_task(informer.run(), name=f"watch-{resource}"))
        return informer

    def _remember(self, key: TargetKey, scale: Mapping[str, Any]) -> Target:
        meta, spec = scale["metadata"], scale.get("spec") or {}
        before = self.get(key)
        containers = before.containers if before is not None else ()
        target = Target(
            namespace=key.namespace,
            name=key.name,
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            replicas=spec.get("replicas") or 0,
            containers=containers,
        )
        self._written[key] = target
        return target

    def _changed(self, resource: Resource, old: Target | None, new: Target | None) -> None:
        shown = new or old
        if shown is None:
            return
        key = TargetKey(resource, shown.namespace, shown.name)
        written = self._written.get(key)
        if written is not None and (new is None or new.uid != written.uid or _newer(new, written)):
            if new is not None and new.replicas is None and new.uid == written.uid:
                self._written[key] = replace(written, containers=new.containers)
            else:
                del self._written[key]
        self._on_change(key, old, new)

    async def _refuse(self, resource: Resource, namespace: str, name: str) -> None:
        what = f"{resource.api_version}.{resource.kind} {namespace}/{name}"
        try:
            await self._kube.get(resource, name, namespace)
        except NotFound as error:
            raise TargetError(f"{what}: {error}", event=MISSING) from error
        raise TargetError(f"{what} has no scale subresource, so nothing can scale it", event=NOT_SCALABLE)


def _trim(obj: Mapping[str, Any]) -> Target:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    replicas = spec.get("replicas")
    return Target(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        replicas=replicas if isinstance(replicas, int) else None,
        containers=containers_of(obj),
    )


def _newer(seen: Target, written: Target) -> bool:
    """Has the watch caught up with our write? resourceVersions of one resource are ordered numbers (KEP-5504)."""
    try:
        return int(seen.resource_version) >= int(written.resource_version)
    except ValueError:
        return seen.resource_version == written.resource_version
