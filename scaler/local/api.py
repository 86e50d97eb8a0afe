"""The embedded API server's inside: what the HTTP layer and the in-process controllers both call.

All methods are synchronous and run on the event loop's thread; each is atomic. Objects handed out must not be altered:
a write replaces them. Bodies handed in are copied.

    api.resource(group, plural) -> Resource            ApiError 404 when it is not served
    api.get(group, plural, ns, name) -> dict
    api.list(group, plural, ns=None, labels="") -> list[dict]       ordered by namespace and name
    api.create(group, plural, ns, obj, manager="...") -> dict
    api.update(group, plural, ns, name, obj, subresource="", manager="...") -> dict     409 on a stale resourceVersion
    api.merge_patch(group, plural, ns, name, patch, subresource="", manager="...") -> dict
    api.get_scale(group, plural, ns, name) -> dict                  an autoscaling/v1 Scale
    api.update_scale(group, plural, ns, name, scale, manager="...") -> dict
    api.delete(group, plural, ns, name, propagation=None, grace=None, uid=None, version=None) -> bool    gone already?
    api.subscribe(group, plural) -> Subscription       async iterator of (type, obj), first the present state as ADDED
    api.by_kind(group, kind) -> Resource | None        of an ownerReference or scaleTargetRef
    api.clock, api.logs

`ns` is "" for cluster-scoped resources. `subresource` is "" or "status". Types are "ADDED", "MODIFIED", "DELETED".
Refusals are `ApiError` (code, reason, message, details). A write that changes nothing returns the object as it was.

Pods: `delete` with no grace marks a pod that is on a node (spec.nodeName) with deletionTimestamp and
deletionGracePeriodSeconds; whoever plays the kubelet ends it and then calls `delete(..., grace=0)`. A pod that is on no
node, or has ended, is gone at once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from scaler.clock import Clock
from scaler.local import builtin, crds, patch, scale
from scaler.local.deletion import DeleteOptions, timestamp
from scaler.local.errors import ApiError
from scaler.local.resources import Key, Object, Registry, Resource, View
from scaler.local.selectors import label_selector
from scaler.local.store import ADDED, DELETED, Change, Item, Store, clone
from scaler.local.writes import Options, Writer, unknown_resource

__all__ = ["Api", "ApiError", "Logs", "Resource", "Subscription", "timestamp"]

Logs = Callable[[Object, str | None, Mapping[str, str]], AsyncIterator[bytes]]

# Versions go on from a former server's life on the same clock, so that its watchers are told 410 and not nonsense.
_VERSIONS_PER_SECOND = 100


class Subscription:
    """The changes of one resource, in order, beginning with what is there. Ends when closed. Never loses any."""

    def __init__(self, api: "Api", resource: Resource) -> None:
        self._shelf = api.writer.shelf(resource)
        self._queue: deque[tuple[str, Object]] = deque((ADDED, item.obj) for item in self._shelf.items())
        self._ready = asyncio.Event()
        self._closed = False
        self._shelf.listeners.append(self._heard)
        if self._queue:
            self._ready.set()

    def _heard(self, change: Change) -> None:
        self._queue.append((change.type, change.item.obj))
        self._ready.set()

    def pending(self) -> list[tuple[str, Object]]:
        """All that has come and was not read yet; without waiting."""
        events = list(self._queue)
        self._queue.clear()
        return events

    def close(self) -> None:
        """Listen no longer; a waiting reader ends."""
        if not self._closed:
            self._closed = True
            self._shelf.listeners.remove(self._heard)
            self._ready.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> tuple[str, Object]:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()


class Api:
    """The API server without HTTP. See the module's docstring."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.logs: Logs | None = None  # set by whoever runs the pods
        self.registry = Registry()
        self.store = Store(int(clock.now().timestamp() * _VERSIONS_PER_SECOND))
        self.writer = Writer(clock, self.store, self.registry)
        builtin.install(self.registry)
        for resource in self.registry:
            self.store.open(resource.key)
        self.store.listeners.append(self._define)

    def _define(self, key: Key, change: Change) -> None:
        """Serve what a CustomResourceDefinition says, from the moment it is written."""
        if key != ("apiextensions.k8s.io", "customresourcedefinitions"):
            return
        definition = change.item.obj
        if change.type == DELETED:
            own = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
            self.registry.remove(own)
            self.store.drop(own)
        elif change.old is None or change.old.obj["spec"] != definition["spec"]:
            resource, views, served = crds.resource_of(definition)
            self.registry.add(resource, views, served=served)
            self.store.open(resource.key)

    def resource(self, group: str, plural: str) -> Resource:
        """The resource stored under (group, plural)."""
        found = self.registry.get(group, plural)
        if found is None:
            raise unknown_resource()
        return found

    def by_kind(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind, whatever version is spoken of."""
        return self.registry.by_kind(group, kind)

    def item(self, group: str, plural: str, ns: str, name: str) -> Item:
        """The stored object with its JSON; 404."""
        return self.writer.need(self.resource(group, plural), ns, name)

    def get(self, group: str, plural: str, ns: str, name: str) -> Object:
        """One object; 404."""
        return self.item(group, plural, ns, name).obj

    def list(self, group: str, plural: str, ns: str | None = None, labels: str = "") -> "list[Object]":
        """All of a namespace (None: of all), those a label selector chooses."""
        items = self.writer.shelf(self.resource(group, plural)).items(ns)
        if not labels:
            return [item.obj for item in items]
        chosen = label_selector(labels)
        return [item.obj for item in items if chosen(item.obj)]

    def create(self, group: str, plural: str, ns: str, obj: Object, *, manager: str = "tidegate") -> Object:
        """Store a new object."""
        view = self._view(group, plural)
        return self.writer.create(view, ns, clone(obj), Options(manager=manager)).obj

    def update(
        self,
        group: str,
        plural: str,
        ns: str,
        name: str,
        obj: Object,
        *,
        subresource: str = "",
        manager: str = "tidegate",
    ) -> Object:
        """Replace an object, or its status."""
        view = self._view(group, plural)
        return self.writer.update(view, ns, name, clone(obj), Options(manager=manager), subresource).obj

    def merge_patch(
        self,
        group: str,
        plural: str,
        ns: str,
        name: str,
        body: Any,
        *,
        subresource: str = "",
        manager: str = "tidegate",
    ) -> Object:
        """Change an object, or its status, by a JSON merge patch."""
        view = self._view(group, plural)
        merged = clone(patch.merge(self.get(group, plural, ns, name), body))
        return self.writer.update(view, ns, name, merged, Options(manager=manager), subresource).obj

    def get_scale(self, group: str, plural: str, ns: str, name: str) -> Object:
        """The scale of an object; 404 where its kind has none."""
        resource = self.resource(group, plural)
        return scale.read(resource, self.writer.need(resource, ns, name).obj)

    def update_scale(
        self, group: str, plural: str, ns: str, name: str, body: Object, *, manager: str = "tidegate"
    ) -> Object:
        """Set spec.replicas through a Scale; its resourceVersion, when given, must be the present one."""
        resource = self.resource(group, plural)
        item = self.writer.need(resource, ns, name)
        changed = scale.written(resource, item.obj, body)
        options = Options(manager=manager)
        return scale.read(resource, self.writer.replace(resource, item, changed, options, "").obj)

    def delete(
        self,
        group: str,
        plural: str,
        ns: str,
        name: str,
        *,
        propagation: str | None = None,
        grace: int | None = None,
        uid: str | None = None,
        version: str | None = None,
    ) -> bool:
        """Delete an object, or mark it; True when it is gone already."""
        options = DeleteOptions(propagation=propagation, grace=grace, uid=uid, version=version)
        return self.writer.delete(self.resource(group, plural), ns, name, options)[1]

    def subscribe(self, group: str, plural: str) -> Subscription:
        """All changes from now on, after the present state."""
        return Subscription(self, self.resource(group, plural))

    def _view(self, group: str, plural: str) -> View:
        resource = self.resource(group, plural)
        return View(resource.group, resource.version, resource)
