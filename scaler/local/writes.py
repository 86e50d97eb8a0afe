"""Every change of state: create, update, delete, with all that the API server does around them.

Each method runs without a break from reading the present object to committing the next one, so that a resourceVersion
check is all the locking there is. What a single kind adds comes from its `Rules`.
"""

import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaler.clock import Clock
from scaler.local import apply, deletion, metadata
from scaler.local.deletion import DeleteOptions, released, timestamp
from scaler.local.errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    not_found,
    stale,
)
from scaler.local.resources import Object, Registry, Resource, View
from scaler.local.store import ADDED, DELETED, MODIFIED, Item, Shelf, Store

__all__ = ["Guard", "Options", "Writer"]

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a write is asked for. `warnings` collects what the answer should warn of."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Ignore"  # Strict, Warn or Ignore: what unknown fields lead to
    applied: bool = False  # by server-side apply, which has settled who owns what
    warnings: list[str] = field(default_factory=list)
    guard: "Guard | None" = None  # raises where this user may not write this object


Guard = Callable[[Resource, Object, Object | None], None]


class Writer:
    """The write side of the API."""

    def __init__(self, clock: Clock, store: Store, registry: Registry) -> None:
        self._clock = clock
        self._store = store
        self._registry = registry

    def need(self, resource: Resource, namespace: str, name: str) -> Item:
        """The stored object, or 404."""
        item = self.shelf(resource).get(namespace if resource.namespaced else "", name)
        if item is None:
            raise not_found(resource, name)
        return item

    def shelf(self, resource: Resource) -> Shelf:
        """Where this resource's objects are."""
        return self._store.open(resource.key)

    def create(self, view: View, namespace: str, body: object, options: Options) -> Item:
        """Store a new object; `body` becomes the server's own."""
        resource = view.resource
        obj = metadata.settle_identity(view, body, namespace, None)
        if view.incoming:
            obj = view.incoming(obj)
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            # A suffix in use is drawn anew, as clients cannot do anything better.
            while not meta.get("name") or self.shelf(resource).get(namespace, meta["name"]):
                meta["name"] = meta["generateName"] + "".join(secrets.choice(_ALPHABET) for _ in range(5))
        for key in (
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
            "selfLink",
            "generation",
        ):
            meta.pop(key, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = timestamp(self._clock.now())
        if resource.generation:
            meta["generation"] = 1
        if resource.has_status:
            obj.pop("status", None)
        self._ready(resource, obj, None, options)
        if resource.rules.begin:
            resource.rules.begin(obj)
        self._admit_to_namespace(resource, namespace, meta["name"])
        if self.shelf(resource).get(namespace, meta["name"]):
            raise already_exists(resource, meta["name"])
        if options.dry_run:
            return Item(obj, 0)
        return self._store.commit(self.shelf(resource), ADDED, obj)

    def _admit_to_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        spaces = self._registry.get("", "namespaces")
        if spaces is None:
            return
        space = self.need(spaces, "", namespace).obj
        if "deletionTimestamp" in space["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause(
                "metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated"
            )
            raise forbidden(resource, name, why, [cause])

    def update(
        self, view: View, namespace: str, name: str, body: object, options: Options, subresource: str
    ) -> Item:
        """Replace an object, or its status; `body` becomes the server's own."""
        resource = view.resource
        item = self.need(resource, namespace, name)
        obj = metadata.settle_identity(view, body, namespace, name)
        if view.incoming:
            obj = view.incoming(obj)
        if not obj["metadata"].get("resourceVersion") and not resource.unconditional:
            cause = invalid_value("metadata.resourceVersion", "0", "must be specified for an update")
            raise invalid(resource.plural, resource.group, name, [cause])
        return self.replace(resource, item, obj, options, subresource)

    def replace(
        self, resource: Resource, item: Item, obj: Object, options: Options, subresource: str
    ) -> Item:
        """Make `obj` (owned by the server, identity settled) the next state of `item`; 409 if it is of an old one."""
        old = item.obj
        sent = obj["metadata"].get("resourceVersion")
        if sent and sent != old["metadata"]["resourceVersion"]:
            raise stale(resource, item.name)
        uid = obj["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise conflict(resource, item.name, why)
        if subresource:
            kept = dict(old["metadata"])
            if "managedFields" in obj["metadata"]:
                kept["managedFields"] = obj["metadata"]["managedFields"]
            obj = {**old, "metadata": kept, subresource: obj.get(subresource)}
        else:
            metadata.carry_over(obj, old)
            if resource.has_status:
                obj["status"] = old.get("status")
        if obj.get("status", ...) is None:
            del obj["status"]
        self._check_finalizers(resource, obj, old)
        self._ready(resource, obj, old, options)
        if metadata.same_but_version(obj, old) and not released(obj) and apply.same_owners(obj, old):
            return item
        return self._commit(resource, obj, old, options, subresource)

    def _check_finalizers(self, resource: Resource, obj: Object, old: Object) -> None:
        if "deletionTimestamp" not in old["metadata"]:
            return
        added = set(obj["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            text = ", ".join(f'"{name}"' for name in sorted(added))
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{text}}}"
            cause = Cause("metadata.finalizers", "FieldValueForbidden", f"Forbidden: {why}")
            raise invalid(resource.kind, resource.group, obj["metadata"]["name"], [cause])

    def _ready(self, resource: Resource, obj: Object, old: Object | None, options: Options) -> None:
        """Decode, prune, default and validate `obj` in place."""
        rules, meta = resource.rules, obj["metadata"]
        if rules.refuse:
            rules.refuse(obj)
        if rules.prune:
            unknown = rules.prune(obj)
            if unknown and options.validation == "Strict":
                raise undecodable(resource, unknown)
            if options.validation == "Warn":
                options.warnings.extend(f'unknown field "{path}"' for path in unknown)
        if rules.default:
            rules.default(obj)
        causes: list[Cause] = []
        if old is None or _described(meta) != _described(old["metadata"]):
            causes += metadata.check(resource, meta)
        if rules.check:
            causes += rules.check(obj, old)
        if causes:
            raise invalid(resource.kind, resource.group, meta.get("name", ""), causes)
        if options.guard:
            options.guard(resource, obj, old)

    def _commit(
        self, resource: Resource, obj: Object, old: Object, options: Options, subresource: str
    ) -> Item:
        meta = obj["metadata"]
        if resource.generation and not subresource and _changed(resource, obj, old):
            meta["generation"] = old["metadata"].get("generation", 0) + 1
        if meta.get("managedFields") and not options.applied:
            now = timestamp(self._clock.now())
            apply.track_update(obj, old, options.manager, subresource, now)
        if options.dry_run:
            return Item(obj, 0)
        kind = DELETED if released(obj) else MODIFIED
        return self._store.commit(self.shelf(resource), kind, obj)

    def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[Item, bool]:
        """Delete or mark for deletion. Returns the last state, and whether it is gone."""
        item = self.need(resource, namespace, name)
        deletion.check_preconditions(resource, item.obj, options)
        obj, gone = deletion.deleted(resource, item.obj, options, self._clock.now())
        if options.dry_run or (obj == item.obj and not gone):
            return item, gone
        return self._store.commit(self.shelf(resource), DELETED if gone else MODIFIED, obj), gone


def _described(meta: dict[str, Any]) -> tuple[Any, ...]:
    """What of the metadata can be wrong."""
    return tuple(meta.get(key) for key in ("labels", "annotations", "ownerReferences", "finalizers"))


def _changed(resource: Resource, obj: Object, old: Object) -> bool:
    """Whether anything outside metadata (and status, where that is a subresource) differs."""
    aside = {"metadata", "status"} if resource.has_status else {"metadata"}
    return any(obj.get(key) != old.get(key) for key in (obj.keys() | old.keys()) - aside)


def undecodable(resource: Resource, unknown: Sequence[str]) -> ApiError:
    """400: strict decoding found fields it does not know."""
    fields = ", ".join(f'unknown field "{path}"' for path in unknown)
    kind = resource.kind
    return bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: strict decoding error: {fields}'
    )


def unknown_resource() -> ApiError:
    """404 for a resource that is not served, as a Status."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})
