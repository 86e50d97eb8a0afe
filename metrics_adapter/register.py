"""Telling a cluster that external metrics are served here, by the objects of `registration`.

A cluster has one APIService for external metrics. One that is not ours is taken over only with `force`:
its owner would lose its metrics. Nothing is written when nothing would change.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from metrics_adapter.registration import LABELS, Object, Registration, api_service, covers, owner, service
from scaler.kube.errors import AlreadyExists, Conflict, NotFound
from scaler.kube.resources import API_SERVICES, NAMESPACES, SERVICES, Resource

__all__ = ["ForeignError", "Objects", "Registration", "register"]

_ATTEMPTS = 5


class Objects(Protocol):
    """What is needed of a Kubernetes client. Its errors are those of scaler.kube."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object; raises NotFound."""
        ...

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """Create; raises AlreadyExists, and NotFound when the namespace does not exist."""
        ...

    async def replace(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """Replace what has this resourceVersion; raises Conflict when it has another one by now."""
        ...


class ForeignError(Exception):
    """Something of that name belongs to somebody else. The message says to whom, and names --force."""


async def register(kube: Objects, registration: Registration, *, force: bool = False) -> tuple[str, ...]:
    """Create or update what is missing or differs; returns what was written, as in `created Service a/b`.

    A missing namespace is created. Raises ForeignError before anything is written, and what `kube` raises.
    """
    wanted = ((SERVICES, service(registration)), (API_SERVICES, api_service(registration)))
    for resource, desired in wanted:
        if not force:
            _refuse_foreign(await _get(kube, resource, desired), desired)
    written = [await _ensure(kube, resource, desired, force=force) for resource, desired in wanted]
    return tuple(change for change in written if change)


async def _ensure(kube: Objects, resource: Resource, desired: Object, *, force: bool) -> str:
    """Somebody else may write at the same time: then look again."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _write(kube, resource, desired, force=force)
        except (Conflict, AlreadyExists):
            continue
    return await _write(kube, resource, desired, force=force)


async def _write(kube: Objects, resource: Resource, desired: Object, *, force: bool) -> str:
    live = await _get(kube, resource, desired)
    if live is None:
        await _create(kube, resource, desired)
        return f"created {_name(desired)}"
    if not force:
        _refuse_foreign(live, desired)
    if covers(live["spec"], desired["spec"]) and covers(live["metadata"], desired["metadata"]):
        return ""
    metadata = live["metadata"]
    labels = (metadata.get("labels") or {}) | desired["metadata"]["labels"]
    await kube.replace(resource, desired | {"metadata": metadata | {"labels": labels}})
    return f"updated {_name(desired)}"


async def _create(kube: Objects, resource: Resource, desired: Object) -> None:
    try:
        await kube.create(resource, desired)
    except NotFound:
        if not resource.namespaced:
            raise
        namespace = {"name": desired["metadata"]["namespace"], "labels": dict(LABELS)}
        await kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        await kube.create(resource, desired)


async def _get(kube: Objects, resource: Resource, desired: Object) -> Object | None:
    metadata = desired["metadata"]
    try:
        return await kube.get(resource, metadata["name"], metadata.get("namespace"))
    except NotFound:
        return None


def _refuse_foreign(live: Object | None, desired: Object) -> None:
    whose = owner(live, desired) if live is not None else ""
    if whose:
        raise ForeignError(
            f"{_name(desired)} belongs to {whose}, who would lose it: remove it, or take it over with --force"
        )


def _name(obj: Object) -> str:
    metadata = obj["metadata"]
    where = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{obj['kind']} {where}{metadata['name']}"
