"""Where the objects are: plain memory, one version counter, a bounded history per resource.

Everything here is synchronous and runs on one loop: a change is seen by all or by none. Objects are never altered after
they were committed; a write replaces them. Each is serialised at most once, and lists and watchers share the bytes.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from scaler.local.errors import gone, too_large_version
from scaler.local.resources import Object

__all__ = ["ADDED", "DELETED", "MODIFIED", "Change", "Cursor", "Item", "Shelf", "Store", "clone"]

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
_HISTORY = 8192

_encode = msgspec.json.Encoder().encode


def clone(value: Any) -> Any:
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


class Item:
    """An object, its version and (once asked for) its JSON."""

    __slots__ = ("_data", "name", "namespace", "obj", "version")

    def __init__(self, obj: Object, version: int) -> None:
        self.obj = obj
        self.version = version
        metadata = obj["metadata"]
        self.namespace: str = metadata.get("namespace") or ""
        self.name: str = metadata["name"]
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """The object as JSON."""
        if self._data is None:
            self._data = _encode(self.obj)
        return self._data


class Change:
    """One event: `item` is the object after it (for DELETED: the last state, with the deletion's version)."""

    __slots__ = ("item", "old", "type", "version")

    def __init__(self, kind: str, item: Item, old: Item | None) -> None:
        self.type = kind
        self.item = item
        self.old = old
        self.version = item.version


class Cursor:
    """A watcher's place in a shelf's history. `take` gives what came since; `ready` is set when there is more."""

    def __init__(self, shelf: "Shelf", position: int) -> None:
        self._shelf = shelf
        self._position = position
        self.ready = asyncio.Event()
        if position < shelf.end:
            self.ready.set()
        shelf.cursors.add(self)

    def take(self) -> list[Change]:
        """Changes since the last call, oldest first. Raises a 410 ApiError when history moved past this cursor."""
        self.ready.clear()
        shelf = self._shelf
        if self._position < shelf.start:
            raise gone("too old resource version: the watcher was slower than the changes")
        changes = [shelf.change(index) for index in range(self._position, shelf.end)]
        self._position = shelf.end
        if shelf.closed:
            self.ready.set()
        return changes

    @property
    def over(self) -> bool:
        """The resource is no longer served: nothing will follow."""
        return self._shelf.closed

    def close(self) -> None:
        """Watch no longer."""
        self._shelf.cursors.discard(self)


class Shelf:
    """The objects and the history of one resource."""

    def __init__(self, key: tuple[str, str], version: int, history: int = _HISTORY) -> None:
        self.key = key
        self.namespaces: dict[str, dict[str, Item]] = {}
        self.cursors: set[Cursor] = set()
        self.listeners: list[Callable[[Change], None]] = []
        self.closed = False
        self.end = 0
        self._ring: list[Change | None] = [None] * history
        self._floor = version  # the newest version that history no longer holds

    @property
    def start(self) -> int:
        """Position of the oldest change still held."""
        return max(0, self.end - len(self._ring))

    def change(self, position: int) -> Change:
        """The change at a position between `start` and `end`."""
        change = self._ring[position % len(self._ring)]
        if change is None:
            raise IndexError(position)
        return change

    def append(self, change: Change) -> None:
        """Keep a change and tell everyone."""
        slot = self.end % len(self._ring)
        dropped = self._ring[slot]
        if dropped is not None:
            self._floor = dropped.version
        self._ring[slot] = change
        self.end += 1
        for cursor in self.cursors:
            cursor.ready.set()
        for listener in self.listeners:
            listener(change)

    def get(self, namespace: str, name: str) -> Item | None:
        """One object."""
        return self.namespaces.get(namespace, {}).get(name)

    def __len__(self) -> int:
        return sum(map(len, self.namespaces.values()))

    def items(self, namespace: str | None = None) -> Iterator[Item]:
        """All, in the order of (namespace, name)."""
        for space in sorted(self.namespaces) if namespace is None else (namespace,):
            items = self.namespaces.get(space, {})
            for name in sorted(items):
                yield items[name]

    def follow(self, version: int | None = None) -> Cursor:
        """A cursor for what comes after `version` (None: after now). Raises 410 when that is no longer held."""
        if version is None:
            return Cursor(self, self.end)
        if version < self._floor:
            raise gone(f"too old resource version: {version} ({self._floor})")
        held = range(self.start, self.end)
        return Cursor(self, self.start + bisect_right(held, version, key=lambda at: self.change(at).version))

    def close(self) -> None:
        """End every watch."""
        self.closed = True
        for cursor in self.cursors:
            cursor.ready.set()


class Store:
    """All shelves and the one version counter."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.shelves: dict[tuple[str, str], Shelf] = {}
        self.listeners: list[Callable[[tuple[str, str], Change], None]] = []  # must not write

    def open(self, key: tuple[str, str]) -> Shelf:
        """The shelf of a resource, made when it is new."""
        shelf = self.shelves.get(key)
        if shelf is None:
            shelf = self.shelves[key] = Shelf(key, self.version)
        return shelf

    def drop(self, key: tuple[str, str]) -> None:
        """Forget a resource."""
        shelf = self.shelves.pop(key, None)
        if shelf is not None:
            shelf.close()

    def check_version(self, version: int) -> None:
        """Refuse a version that this server has not reached."""
        if version > self.version:
            raise too_large_version(version, self.version)

    def commit(self, shelf: Shelf, kind: str, obj: Object) -> Item:
        """Write: the object gets the next version (its metadata is filled here, before anyone sees it)."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        item = Item(obj, self.version)
        space = shelf.namespaces.setdefault(item.namespace, {})
        old = space.get(item.name)
        if kind == DELETED:
            space.pop(item.name, None)
            if not space:
                shelf.namespaces.pop(item.namespace, None)
        else:
            space[item.name] = item
        change = Change(kind, item, old)
        shelf.append(change)
        for listener in self.listeners:
            listener(shelf.key, change)
        return item
