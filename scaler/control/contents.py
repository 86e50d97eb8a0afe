"""Secrets, ConfigMaps and ServiceAccounts as far as something refers to them: one Collection per kind and namespace.

A namespace is watched from the first reference into it until the last one is gone.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scaler.clock import Clock
from scaler.control.collection import Collection
from scaler.control.references import Ref
from scaler.kube.client import Kube
from scaler.kube.resources import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Resource

__all__ = ["ROLE_ARN", "Contents", "content_of"]

ROLE_ARN = "eks.amazonaws.com/role-arn"
"""The annotation by which EKS gives a ServiceAccount a role."""


@dataclass(frozen=True, slots=True)
class _Kind:
    resource: Resource
    content: Callable[[Mapping[str, Any]], Mapping[str, str]]


class Contents:
    """See the module. `changed` is told of every change of what is referred to."""

    def __init__(self, kube: Kube, clock: Clock, *, changed: Callable[[Ref], None]) -> None:
        self._kube = kube
        self._clock = clock
        self._changed = changed
        self._collections: dict[tuple[str, str], Collection] = {}
        self._runs: dict[Collection, asyncio.Task[None]] = {}

    async def get(self, ref: Ref) -> Mapping[str, str] | None:
        """What it holds, known from now on: a Secret's values still in base64 (see unresolved.text_of).

        None: it does not exist. Raises KubeError: Forbidden, or that it could not be read yet.
        """
        return await self._collection(ref).get(ref.name)

    def forget(self, ref: Ref) -> None:
        """Nobody refers to it any more."""
        place = ref.kind, ref.namespace
        collection = self._collections.get(place)
        if collection is None:
            return
        collection.forget(ref.name)
        if collection.idle:
            del self._collections[place]
            if collection in self._runs:
                self._runs[collection].cancel()

    async def close(self) -> None:
        """Stop watching."""
        self._collections.clear()
        runs = tuple(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    @property
    def watched(self) -> tuple[tuple[str, str, str], ...]:
        """(kind, namespace, how) of what is followed; how is `watch` or `poll`."""
        return tuple((*place, each.manner) for place, each in self._collections.items())

    def _collection(self, ref: Ref) -> Collection:
        place = ref.kind, ref.namespace
        found = self._collections.get(place)
        if found is None:
            kind = _KINDS[ref.kind]
            found = self._collections[place] = Collection(
                self._kube,
                self._clock,
                resource=kind.resource,
                namespace=ref.namespace,
                content=kind.content,
                changed=lambda name: self._changed(Ref(ref.kind, ref.namespace, name)),
            )
            run = asyncio.get_running_loop().create_task(
                found.run(), name=f"follow {ref.kind} {ref.namespace}"
            )
            self._runs[found] = run
            run.add_done_callback(lambda _: self._runs.pop(found, None))
        return found


def content_of(kind: str, obj: Mapping[str, Any]) -> Mapping[str, str]:
    """What of a Secret, a ConfigMap or a ServiceAccount credentials may come from."""
    return _KINDS[kind].content(obj)


def _data(obj: Mapping[str, Any]) -> Mapping[str, str]:
    data = obj.get("data")
    return dict(data) if isinstance(data, dict) else {}


def _role(obj: Mapping[str, Any]) -> Mapping[str, str]:
    arn = (obj["metadata"].get("annotations") or {}).get(ROLE_ARN)
    return {ROLE_ARN: arn} if isinstance(arn, str) else {}


_KINDS = {
    "Secret": _Kind(SECRETS, _data),
    "ConfigMap": _Kind(CONFIG_MAPS, _data),
    "ServiceAccount": _Kind(SERVICE_ACCOUNTS, _role),
}
