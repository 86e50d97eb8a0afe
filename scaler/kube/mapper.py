"""Which resource serves a scale target's kind, and whether it has a scale subresource: asked of discovery.

A ScaledObject may point at any kind (`argoproj.io/v1alpha1` Rollout), so there is no list of ours. One
request answers for all kinds of a group and version. Answers are kept; a kind that is missing, or not
scalable, is looked for again (its CRD may have been installed since), but not more often than every
`patience` seconds.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from scaler.clock import Clock
from scaler.kube.client import Kube, Object
from scaler.kube.errors import NotFound, UnknownKind
from scaler.kube.resources import Resource, group_path

__all__ = ["Mapped", "Mapper"]


@dataclass(frozen=True, slots=True)
class Mapped:
    """The resource of a kind; `scalable` when it has the subresource `scale`."""

    resource: Resource
    scalable: bool


@dataclass(slots=True)
class _Group:
    kinds: dict[str, Mapped]
    asked: float


class Mapper:
    """See the module."""

    def __init__(self, kube: Kube, clock: Clock, *, patience: float = 10.0) -> None:
        self._kube = kube
        self._clock = clock
        self._patience = patience
        self._groups: dict[str, _Group] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def find(self, api_version: str, kind: str) -> Mapped:
        """The resource of a kind. Raises UnknownKind when there is none, another KubeError on failure."""
        found = self._known(api_version, kind)
        if found is None or not found.scalable:
            async with self._asking.setdefault(api_version, asyncio.Lock()):
                await self._discover(api_version)
            found = self._known(api_version, kind)
        if found is None:
            raise UnknownKind(
                f"{api_version} {kind}: the API server serves no such kind; is its CRD installed?"
            )
        return found

    def _known(self, api_version: str, kind: str) -> Mapped | None:
        group = self._groups.get(api_version)
        return None if group is None else group.kinds.get(kind)

    async def _discover(self, api_version: str) -> None:
        now = self._clock.monotonic()
        group = self._groups.get(api_version)
        if group is not None and now - group.asked < self._patience:
            return
        try:
            path = group_path(api_version)
        except ValueError as error:
            raise UnknownKind(f"apiVersion {api_version!r}: {error}") from error
        try:
            kinds = _kinds(api_version, await self._kube.raw_object(path))
        except NotFound:
            kinds = {}
        self._groups[api_version] = _Group(kinds, now)


def _kinds(api_version: str, answer: Object) -> dict[str, Mapped]:
    """Reads an APIResourceList."""
    group, _, version = api_version.rpartition("/")
    entries: list[Any] = answer.get("resources") or []
    named = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
    scalable = {entry["name"].removesuffix("/scale") for entry in named if entry["name"].endswith("/scale")}
    kinds: dict[str, Mapped] = {}
    for entry in named:
        plural, kind = entry["name"], entry.get("kind")
        if "/" not in plural and isinstance(kind, str):
            resource = Resource(group, version, plural, kind, namespaced=entry.get("namespaced") is True)
            kinds.setdefault(kind, Mapped(resource, plural in scalable))
    return kinds
