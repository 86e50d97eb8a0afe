"""What happens after a deletion: dependents, namespaces' contents, custom resources of a removed definition.

These are a real cluster's garbage collector and namespace controller. One task works through what changes name; every
step reads the present state, so that doing one twice is harmless.
"""

import asyncio
from collections.abc import Iterator

import structlog

from scaler.local import crds
from scaler.local.api import Api
from scaler.local.deletion import FOREGROUND, ORPHAN, DeleteOptions
from scaler.local.errors import ApiError
from scaler.local.resources import Key, Object, Resource
from scaler.local.store import DELETED, Change, clone

__all__ = ["Collector"]

_log = structlog.get_logger(__name__)
Place = tuple[Key, str, str]  # resource, namespace, name


class Collector:
    """Keeps who owns whom, and finishes deletions."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dependents: dict[str, set[Place]] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, Place] = {}
        self._work: dict[tuple[str, str], None] = {}
        self._ready = asyncio.Event()
        api.store.listeners.append(self._heard)

    def _add(self, what: str, about: str) -> None:
        self._work[what, about] = None
        self._ready.set()

    def _heard(self, key: Key, change: Change) -> None:
        """Note what a change means; nothing is written here, since others have yet to hear of it."""
        item = change.item
        meta = item.obj["metadata"]
        uid, place = meta["uid"], (key, item.namespace, item.name)
        owners = tuple(owner["uid"] for owner in meta.get("ownerReferences") or ())
        gone = change.type == DELETED
        if gone:
            self._places.pop(uid, None)
            before, now = self._owners.pop(uid, ()), ()
            self._add("owner", uid)
        else:
            self._places[uid] = place
            before, now = self._owners.get(uid, ()), owners
            if owners != before:
                self._owners[uid] = owners
                self._add("dependent", uid)
        for owner in set(before) - set(now):
            self._dependents.get(owner, set()).discard(place)
            self._add("waiting", owner)
        for owner in set(now) - set(before):
            self._dependents.setdefault(owner, set()).add(place)
        if gone:
            # What a dependent's end allows its owner to do is looked at with the owner.
            for owner in owners:
                self._add("waiting", owner)
        elif "deletionTimestamp" in meta:
            self._add("waiting", uid)
        self._note_containers(key, item.namespace, meta, gone=gone)

    def _note_containers(self, key: Key, namespace: str, meta: Object, *, gone: bool) -> None:
        if gone and namespace:
            space = self._api.store.shelves[("", "namespaces")].get("", namespace)
            if space is not None and "deletionTimestamp" in space.obj["metadata"]:
                self._add("namespace", namespace)
        if gone:
            resource = self._api.registry.get(*key)
            if resource is not None and resource.custom:
                self._add("definition", f"{key[1]}.{key[0]}")
        elif "deletionTimestamp" in meta:
            if key == ("", "namespaces"):
                self._add("namespace", meta["name"])
            elif key == ("apiextensions.k8s.io", "customresourcedefinitions"):
                self._add("definition", meta["name"])

    async def run(self) -> None:
        """Work until cancelled."""
        steps = {
            "owner": self._owner_gone,
            "dependent": self._check_dependent,
            "waiting": self._finish,
            "namespace": self._namespace,
            "definition": self._definition,
        }
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._work:
                what, about = next(iter(self._work))
                del self._work[what, about]
                try:
                    steps[what](about)
                except ApiError as failure:
                    if failure.code not in (404, 409):
                        _log.warning("deletion_step_failed", step=what, about=about, error=failure.message)
                await asyncio.sleep(0)

    # Dependents

    def _owner_gone(self, uid: str) -> None:
        for place in sorted(self._dependents.pop(uid, ())):
            self._check_place(place)

    def _check_dependent(self, uid: str) -> None:
        place = self._places.get(uid)
        if place is not None:
            self._check_place(place)

    def _check_place(self, place: Place) -> None:
        """Delete an object all whose owners are gone; drop the references of those that are."""
        resource = self._api.registry.get(*place[0])
        item = None if resource is None else self._api.writer.shelf(resource).get(*place[1:])
        if resource is None or item is None or "deletionTimestamp" in item.obj["metadata"]:
            return
        owners = item.obj["metadata"].get("ownerReferences") or []
        alive = [owner for owner in owners if self._lives(owner)]
        if not owners or len(alive) == len(owners):
            return
        if alive:
            self._patch(place, {"ownerReferences": alive})
            return
        self._api.writer.delete(
            resource,
            place[1],
            place[2],
            DeleteOptions(propagation="Background", uid=item.obj["metadata"]["uid"]),
        )

    def _lives(self, owner: Object) -> bool:
        """Whether an owner exists, or is of a kind that is not served: of that nothing is known."""
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        return owner["uid"] in self._places or self._api.by_kind(group, str(owner.get("kind"))) is None

    def _finish(self, uid: str) -> None:
        """Take the next step for an object that is being deleted with propagation Foreground or Orphan."""
        place = self._places.get(uid)
        item = None if place is None else self._api.store.shelves[place[0]].get(*place[1:])
        if place is None or item is None or "deletionTimestamp" not in item.obj["metadata"]:
            return
        finalizers = item.obj["metadata"].get("finalizers") or []
        dependents = sorted(self._dependents.get(uid, ()))
        if ORPHAN in finalizers:
            for other in dependents:
                self._orphan(other, uid)
        elif FOREGROUND in finalizers:
            if any(self._blocks(other, uid) for other in dependents):
                return
        else:
            return
        rest = [name for name in finalizers if name not in (ORPHAN, FOREGROUND)]
        self._patch(place, {"finalizers": rest})

    def _orphan(self, place: Place, uid: str) -> None:
        item = self._api.store.shelves[place[0]].get(*place[1:])
        if item is not None:
            owners = [o for o in item.obj["metadata"].get("ownerReferences") or () if o["uid"] != uid]
            self._patch(place, {"ownerReferences": owners})

    def _blocks(self, place: Place, uid: str) -> bool:
        """Delete a dependent of an object that waits for it; whether it is waited for still."""
        resource = self._api.registry.get(*place[0])
        if resource is None:
            return False
        item = self._api.writer.shelf(resource).get(*place[1:])
        if item is None:
            return False
        meta = item.obj["metadata"]
        blocking = any(
            o["uid"] == uid and o.get("blockOwnerDeletion") for o in meta.get("ownerReferences") or ()
        )
        if "deletionTimestamp" not in meta:
            self._api.writer.delete(resource, place[1], place[2], DeleteOptions(propagation="Foreground"))
        return blocking and self._api.writer.shelf(resource).get(*place[1:]) is not None

    def _patch(self, place: Place, metadata: Object) -> None:
        (group, plural), namespace, name = place
        self._api.merge_patch(
            group, plural, namespace, name, {"metadata": metadata}, manager="garbage-collector"
        )

    # Containers

    def _contents(self, namespace: str) -> Iterator[tuple[Resource, str]]:
        for resource in list(self._api.registry):
            if resource.namespaced:
                for item in list(self._api.writer.shelf(resource).items(namespace)):
                    yield resource, item.name

    def _namespace(self, name: str) -> None:
        """Delete what is in a namespace that is being deleted; let the namespace go when it is empty."""
        space = self._api.get("", "namespaces", "", name)
        if "deletionTimestamp" not in space["metadata"]:
            return
        for resource, each in self._contents(name):
            shelf = self._api.writer.shelf(resource)
            item = shelf.get(name, each)
            if item is not None and "deletionTimestamp" not in item.obj["metadata"]:
                self._api.writer.delete(resource, name, each, DeleteOptions(propagation="Background"))
        left = [f"{resource.plural} {each}" for resource, each in self._contents(name)]
        if left:
            self._tell(name, left)
        elif (space.get("spec") or {}).get("finalizers"):
            self._api.merge_patch("", "namespaces", "", name, {"spec": {"finalizers": None}})

    def _tell(self, name: str, left: list[str]) -> None:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        conditions = [
            {
                "type": "NamespaceContentRemaining",
                "status": "True",
                "reason": "SomeResourcesRemain",
                "message": f"Some resources are remaining: {shown}",
            }
        ]
        self._api.merge_patch(
            "", "namespaces", "", name, {"status": {"conditions": conditions}}, subresource="status"
        )

    def _definition(self, name: str) -> None:
        """Delete the custom resources of a definition that is being deleted; let it go when there are none."""
        group, plural = "apiextensions.k8s.io", "customresourcedefinitions"
        definition = clone(self._api.get(group, plural, "", name))
        if "deletionTimestamp" not in definition["metadata"]:
            return
        resource = self._api.registry.get(definition["spec"]["group"], definition["spec"]["names"]["plural"])
        if resource is not None:
            shelf = self._api.writer.shelf(resource)
            for item in list(shelf.items()):
                if "deletionTimestamp" not in item.obj["metadata"]:
                    self._api.writer.delete(resource, item.namespace, item.name, DeleteOptions())
            if len(shelf):
                return
        finalizers = [each for each in definition["metadata"].get("finalizers") or () if each != crds.CLEANUP]
        self._api.merge_patch(group, plural, "", name, {"metadata": {"finalizers": finalizers}})
