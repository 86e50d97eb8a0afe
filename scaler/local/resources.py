"""What the embedded API server serves: one `Resource` per storage, and the `Registry` that finds it.

A resource is stored once, under (group, plural). A `View` is one way to reach it over HTTP: a version, or for events the
second group; it converts between what is stored and what that version shows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scaler.local.errors import Cause

__all__ = ["NO_RULES", "Column", "Key", "Object", "Registry", "Resource", "Rules", "ScalePaths", "View"]

Object = dict[str, Any]
Key = tuple[str, str]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource finds its three values. `selector` None: none, or computed (`labels` True: spec.selector)."""

    spec_replicas: Path = ("spec", "replicas")
    status_replicas: Path = ("status", "replicas")
    selector: Path | None = None
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the Table form: `value` reads the cell from an object and the present second (for ages)."""

    name: str
    type: str
    value: Callable[[Object, float], Any]
    description: str = ""
    format: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """As it stands in `columnDefinitions`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """What a kind adds to the generic life of an object. All work on objects the server owns.

    `default` fills the object in place. `check(new, old)` gives the faults (old None: creation). `begin` sets the status of a
    new object, in place. `refuse(new, old)` raises for what is no fault of the fields (a decode error, say).
    `prune` removes unknown fields in place and gives their paths.
    """

    default: Callable[[Object], None] | None = None
    check: Callable[[Object, Object | None], list[Cause]] | None = None
    begin: Callable[[Object], None] | None = None
    refuse: Callable[[Object], None] | None = None
    prune: Callable[[Object], list[str]] | None = None


NO_RULES = Rules()


@dataclass(frozen=True, eq=False, kw_only=True)
class Resource:
    """One kind as it is stored. Compared by identity: a CRD registered anew is another Resource."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    scale: ScalePaths | None = None
    generation: bool = (
        False  # metadata.generation is kept, and grows with every change outside metadata and status
    )
    unconditional: bool = True  # PUT without a resourceVersion is allowed
    graceful: bool = False  # deletion first marks the object and waits (pods on a node)
    custom: bool = False
    verbs: tuple[str, ...] = (
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    )  # fmt: skip
    rules: Rules = field(default=NO_RULES, repr=False)
    columns: tuple[Column, ...] = field(default=(), repr=False)
    schema: dict[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "singular", self.singular or self.kind.lower())
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")

    @property
    def key(self) -> Key:
        """(group, plural): where the objects are stored."""
        return self.group, self.plural

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, eq=False)
class View:
    """A (group, version) under which a resource is served.

    `incoming` turns a body into the stored form, `outgoing` the stored form into this one; None: they are the same.
    """

    group: str
    version: str
    resource: Resource
    incoming: Callable[[Object], Object] | None = None
    outgoing: Callable[[Object], Object] | None = None

    @property
    def api_version(self) -> str:
        """`v1`, `events.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Registry:
    """All that is served now. Registering and unregistering happen while the server runs (CRDs)."""

    def __init__(self) -> None:
        self._resources: dict[Key, Resource] = {}
        self._views: dict[tuple[str, str, str], View] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self.serial = 0  # grows with every change; caches of documents compare it

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def add(self, resource: Resource, views: Iterable[View] = (), *, served: bool = True) -> None:
        """Serve `resource` under its own version (if `served`) and under `views`; replaces what was there."""
        self.remove(resource.key)
        self._resources[resource.key] = resource
        self._kinds[resource.group, resource.kind] = resource
        own = [View(resource.group, resource.version, resource)] if served else []
        for view in (*own, *views):
            self._views[view.group, view.version, resource.plural] = view
            self._kinds.setdefault((view.group, resource.kind), resource)
        self.serial += 1

    def remove(self, key: Key) -> None:
        """Serve it no longer."""
        resource = self._resources.pop(key, None)
        if resource is None:
            return
        self._views = {path: view for path, view in self._views.items() if view.resource is not resource}
        self._kinds = {kind: found for kind, found in self._kinds.items() if found is not resource}
        self.serial += 1

    def get(self, group: str, plural: str) -> Resource | None:
        """The stored resource."""
        return self._resources.get((group, plural))

    def view(self, group: str, version: str, plural: str) -> View | None:
        """What `/apis/{group}/{version}/{plural}` shows."""
        return self._views.get((group, version, plural))

    def views(self) -> list[View]:
        """Every view, in the order of registration."""
        return list(self._views.values())

    def by_kind(self, group: str, kind: str) -> Resource | None:
        """The resource of an ownerReference's or scaleTargetRef's kind, whatever its version."""
        return self._kinds.get((group, kind))
