"""Scale targets: found, watched, read and written through their scale subresource, nothing else.

One informer per resource that some ScaledObject targets, shared by all of them; started when the first one does. Of each
target only what decisions need is kept: its replicas and its containers' environment. A kind whose replicas do not stand at
`spec.replicas` is read through `/scale` (KEDA's rule): `replicas` is then None until it was read after the last change.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaler.clock import Clock
from scaler.control.environment import Container, containers_of, service_account_of
from scaler.control.target_rights import TargetError, TargetForbidden, forbidden, held, unseen
from scaler.control.versions import later
from scaler.core.model import ScaleTargetRef
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, NotFound, Unauthenticated, UnknownKind, Unreachable
from scaler.kube.informer import Informer
from scaler.kube.mapper import Mapped, Mapper
from scaler.kube.resources import DEPLOYMENTS, STATEFUL_SETS, Resource

__all__ = ["Target", "TargetError", "TargetForbidden", "TargetKey", "Targets"]

MISSING = "Target resource doesn't exist"
NOT_SCALABLE = "Target resource doesn't expose /scale subresource"
# No discovery for these two: KEDA takes every version of them, also those that are served no more (facts 2.3).
_KNOWN = {("apps", "Deployment"): DEPLOYMENTS, ("apps", "StatefulSet"): STATEFUL_SETS}
_LISTED_WITHIN = 10.0
"""Real seconds that a reconcile waits for the first list of a kind before it fails, to be tried again."""
_GLANCE = 0.02


@dataclass(frozen=True, slots=True)
class TargetKey:
    """Which object: its resource, namespace and name."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        """As KEDA's events name it: `apps/v1.Deployment shop/web`."""
        return (
            f"{self.resource.group}/{self.resource.version}.{self.resource.kind} {self.namespace}/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A target as last seen. `replicas` is what its owner asks for (spec.replicas), None when not known."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    replicas: int | None
    ready: int | None
    """The pods that are ready; None where the kind does not tell."""
    containers: tuple[Container, ...]
    service_account: str = ""
    """As its pod template names it; empty: the namespace's default one."""

    def same_pods(self, other: "Target") -> bool:
        """Is all that triggers are told of its pods the same?"""
        mine = (self.uid, self.containers, self.service_account)
        return mine == (other.uid, other.containers, other.service_account)


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
        self._unwritable: dict[TargetKey, TargetForbidden] = {}
        """Targets whose replicas we were not allowed to write."""
        self._answers: dict[TargetKey, Target] = {}
        """What our own writes and reads returned, until the watch has caught up with it."""

    async def find(self, ref: ScaleTargetRef, namespace: str) -> TargetKey:
        """The resource behind a scaleTargetRef, watched from now on. Raises TargetError, KubeError."""
        resource = _KNOWN.get((ref.api_version.partition("/")[0], ref.kind))
        if resource is None:
            mapped = await self._mapped(ref)
            resource = mapped.resource
            if not resource.namespaced:
                text = f"{ref.api_version} {ref.kind} belongs to no namespace, so none can be in {namespace}"
                raise TargetError(text, event=MISSING)
            if not mapped.scalable:
                await self._refuse(TargetKey(resource, namespace, ref.name))
        if resource not in self._informers:
            self._watch(resource)
        return TargetKey(resource, namespace, ref.name)

    async def _mapped(self, ref: ScaleTargetRef) -> Mapped:
        """As discovery has it. KEDA knows two kinds by name in every group: one that is not served is merely not there."""
        try:
            return await self._mapper.find(ref.api_version, ref.kind)
        except UnknownKind as error:
            if ref.kind not in {kind for _, kind in _KNOWN} or ref.api_version.count("/") > 1:
                raise
            raise TargetError(f"spec.scaleTargetRef: {error}", event=MISSING) from error

    async def check(self, key: TargetKey) -> Target:
        """The target, which exists. Raises TargetError when it does not, or a right to it is missing; KubeError."""
        await self._listed(key.resource, key.namespace)
        await self._allowed(key)
        target = self.get(key)
        if target is None:  # Made just now, perhaps: the object's own watch may be ahead of the target's.
            try:
                found = await self._kube.get(key.resource, key.name, key.namespace)
            except NotFound as error:
                raise TargetError(f"{_words(key)}: {error}", event=MISSING) from error
            except Forbidden as error:
                raise forbidden(key, "get", "", error) from error
            target = self._answers[key] = _trim(key.resource, found)
        return target if target.replicas is not None else await self.read(key)

    def get(self, key: TargetKey) -> Target | None:
        """The target as last seen, by our own writes and reads or by the watch, whichever is newer."""
        seen, answer = self._seen(key), self._answers.get(key)
        if seen is None or answer is None:
            return answer or seen
        current = answer.resource_version == seen.resource_version
        return answer if current or later(answer.resource_version, seen.resource_version) else seen

    async def read(self, key: TargetKey) -> Target:
        """Ask the API server for the present scale. Raises TargetError when there is no such target, KubeError."""
        try:
            scale = await self._kube.get_scale(key.resource, key.name, key.namespace)
        except NotFound as error:
            self._answers.pop(key, None)
            raise TargetError(f"{_words(key)}: {error}", event=MISSING) from error
        except Forbidden as error:
            raise forbidden(key, "get", "scale", error) from error
        return self._remember(key, scale)

    async def scale(self, key: TargetKey, replicas: int, resource_version: str) -> Target:
        """Write the replicas, if the target is still as it was at `resource_version`.

        Raises TargetError when there is no such target, or it may not be written; KubeError (Conflict).
        """
        try:
            scale = await self._kube.patch_scale(
                key.resource, key.name, key.namespace, replicas, resource_version=resource_version
            )
        except NotFound as error:
            self._answers.pop(key, None)
            raise TargetError(f"{_words(key)}: {error}", event=MISSING) from error
        except Forbidden as error:
            raise self._refused(key, error) from error
        return self._remember(key, scale)

    def _refused(self, key: TargetKey, error: Forbidden) -> Exception:
        """The replicas were not written for want of a right: whoever scales this target is to be checked again."""
        refusal = forbidden(key, "patch", "scale", error)
        if isinstance(refusal, TargetForbidden):
            self._unwritable[key] = refusal
            self._on_change(key, None, self.get(key))
        return refusal

    async def _allowed(self, key: TargetKey) -> None:
        """Return unless the replicas may not be written, as far as that was tried. Raises TargetForbidden, KubeError."""
        refusal = self._unwritable.get(key)
        if refusal is None:
            return
        if not await held(self._kube, key, "patch", "scale"):
            raise TargetForbidden(*refusal.words)
        self._unwritable.pop(key, None)

    async def close(self) -> None:
        """Stop watching."""
        for informer in self._informers.values():
            await informer.close()
        await asyncio.gather(*self._tasks)

    def _watch(self, resource: Resource) -> None:
        informer = Informer(
            self._kube,
            resource,
            self._clock,
            namespaces=self._namespaces,
            decode=lambda obj: _trim(resource, obj),
            handler=lambda _, old, new: self._changed(resource, old, new),
        )
        self._informers[resource] = informer
        self._tasks.append(asyncio.get_running_loop().create_task(informer.run(), name=f"watch-{resource}"))

    async def _listed(self, resource: Resource, namespace: str) -> None:
        """Return once the resource was listed; a right that is missing, or silence, must not hold a worker for ever."""
        informer = self._informers[resource]
        where = namespace if self._namespaces else ""
        try:
            async with self._clock.deadline(_LISTED_WITHIN):
                while not informer.listed(namespace):
                    problem = informer.problems.get(where)
                    if isinstance(problem, Forbidden | Unauthenticated):
                        raise unseen(resource, where, problem)
                    await self._clock.pause(_GLANCE)
        except TimeoutError as error:
            why = str(informer.problems.get(where) or "no answer")
            raise Unreachable(f"{resource} could not be listed yet: {why}") from error

    def _seen(self, key: TargetKey) -> Target | None:
        informer = self._informers.get(key.resource)
        return informer.get(key.namespace, key.name) if informer is not None else None

    def _remember(self, key: TargetKey, scale: Mapping[str, Any]) -> Target:
        meta, spec = scale["metadata"], scale.get("spec") or {}
        before = self.get(key)
        target = Target(
            namespace=key.namespace,
            name=key.name,
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            replicas=spec.get("replicas") or 0,
            ready=before.ready if before is not None else None,
            containers=before.containers if before is not None else (),
            service_account=before.service_account if before is not None else "",
        )
        self._answers[key] = target
        self._clean(key, self._seen(key))
        return target

    def _changed(self, resource: Resource, old: Target | None, new: Target | None) -> None:
        shown = new or old
        if shown is None:
            return
        key = TargetKey(resource, shown.namespace, shown.name)
        if new is None:
            self._answers.pop(key, None)
        else:
            self._clean(key, new)
        self._on_change(key, old, new)

    def _clean(self, key: TargetKey, seen: Target | None) -> None:
        """Forget an answer that the watch has caught up with, unless only the answer knows the replicas."""
        answer = self._answers.get(key)
        if answer is None or seen is None or later(answer.resource_version, seen.resource_version):
            return
        if seen.replicas is None and seen.resource_version == answer.resource_version:
            self._answers[key] = replace(
                answer,
                ready=seen.ready,
                containers=seen.containers,
                service_account=seen.service_account,
            )
        else:
            del self._answers[key]

    async def _refuse(self, key: TargetKey) -> None:
        try:
            await self._kube.get(key.resource, key.name, key.namespace)
        except NotFound as error:
            raise TargetError(f"{_words(key)}: {error}", event=MISSING) from error
        raise TargetError(
            f"{_words(key)} has no scale subresource, so nothing can scale it", event=NOT_SCALABLE
        )


def _words(key: TargetKey) -> str:
    return f"spec.scaleTargetRef: {key.resource.api_version} {key.resource.kind} {key.namespace}/{key.name}"


def _trim(resource: Resource, obj: Mapping[str, Any]) -> Target:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    replicas = spec.get("replicas")
    # A Deployment, StatefulSet or ReplicaSet without a ready pod leaves the field out.
    ready = (obj.get("status") or {}).get("readyReplicas", 0 if resource.group == "apps" else None)
    return Target(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        replicas=replicas if isinstance(replicas, int) else None,
        ready=ready if isinstance(ready, int) else None,
        containers=containers_of(obj),
        service_account=service_account_of(obj),
    )
