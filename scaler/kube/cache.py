"""The local copy that a Reflector keeps: objects by namespace and name, and a handler told of what changes.

It takes in lists and single events and works out what changed. What it holds is taken back only by a complete
list or a deletion, never by a failure. No IO here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import structlog

from scaler.kube.client import Object

__all__ = ["Cache", "Change", "Decode", "Handler", "Key", "Relist", "trim"]

_log = structlog.get_logger(__name__)

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""


class Change(StrEnum):
    """What happened to an object, as far as we have noticed."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


Decode = Callable[[Object], T | None]
"""Makes of an object what is worth keeping, None to leave it out. May change the object it is given."""

Handler = Callable[[Change, T | None, T | None], None]
"""Told of a change with the old object (None when ADDED) and the new (None when DELETED). Must not block."""


@dataclass(frozen=True, slots=True)
class Relist:
    """A complete list was read: the `epoch`-th. `missing` are about to be reported as deleted."""

    epoch: int
    present: int
    missing: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    uid: str
    version: str
    object: T


class Cache(Generic[T]):
    """See the module. What `decode` or `handler` raise is logged: one odd object must not stop the others."""

    def __init__(self, name: str, decode: Decode[T], handler: Handler[T] | None) -> None:
        self._name = name
        self._decode = decode
        self._handler = handler
        self._entries: dict[Key, _Entry[T]] = {}
        self._listed: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, namespace: str, name: str) -> T | None:
        """The object as last seen."""
        entry = self._entries.get((namespace, name))
        return None if entry is None else entry.object

    def snapshot(self) -> dict[Key, T]:
        """A copy: all objects by (namespace, name), as of now."""
        return {key: entry.object for key, entry in self._entries.items()}

    def begin_list(self) -> None:
        """A list is about to be read from its start."""
        self._listed = set()

    def list(self, obj: Object) -> None:
        """Take in an item of the list; nothing is told when it is as we know it."""
        key, uid, version = _identity(obj)
        self._listed.add(key)
        entry = self._entries.get(key)
        if entry is None or (entry.uid, entry.version) != (uid, version):
            self.update(obj)

    def missing(self) -> tuple[Key, ...]:
        """What the list, now complete, did not contain."""
        return tuple(key for key in self._entries if key not in self._listed)

    def update(self, obj: Object) -> None:
        """Take in the new state of an object."""
        key, uid, version = _identity(obj)
        old = self._entries.get(key)
        if old is not None and old.uid != uid:
            self._forget(key, old.object)  # Deleted and made anew while we were not looking.
            old = None
        try:
            new = self._decode(obj)
        except Exception as error:  # noqa: BLE001 - see the class.
            _log.error("object_not_decoded", resource=self._name, key=key, error=str(error), exc_info=error)
            return
        if new is None:
            if old is not None:
                self._forget(key, old.object)
            return
        self._entries[key] = _Entry(uid, version, new)
        if old is None:
            self._tell(Change.ADDED, key, None, new)
        else:
            self._tell(Change.MODIFIED, key, old.object, new)

    def remove(self, key: Key) -> None:
        """The object is gone; nothing is told when it was not known."""
        entry = self._entries.get(key)
        if entry is not None:
            self._forget(key, entry.object)

    def delete(self, obj: Object) -> None:
        """The object was deleted; nothing is told when it was not known, or we know its successor by now."""
        key, uid, _ = _identity(obj)
        entry = self._entries.get(key)
        if entry is not None and entry.uid == uid:
            self._forget(key, entry.object)

    def _forget(self, key: Key, old: T) -> None:
        del self._entries[key]
        self._tell(Change.DELETED, key, old, None)

    def _tell(self, change: Change, key: Key, old: T | None, new: T | None) -> None:
        if self._handler is None:
            return
        try:
            self._handler(change, old, new)
        except Exception as error:  # noqa: BLE001 - see the class.
            _log.error("handler_failed", resource=self._name, change=change, key=key, exc_info=error)


def _identity(obj: Object) -> tuple[Key, str, str]:
    metadata: Mapping[str, Any] = obj["metadata"]
    key = metadata.get("namespace", ""), metadata["name"]
    return key, metadata.get("uid", ""), metadata.get("resourceVersion", "")


def trim(obj: Object) -> Object:
    """The object without what nobody here reads and what is often most of it: managedFields, last applied."""
    metadata = obj["metadata"]
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if annotations:
        annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return obj
