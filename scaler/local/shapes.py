"""How lists and maps of a kind merge: which list is a map with keys, which a set, which is replaced whole. Pure.

Custom resources say it in their schema (`x-kubernetes-list-type`, `-list-map-keys`, `-map-type`); for the built-in kinds
the few lists that merge are named here, by the field's name, as the Go types' tags have it. Server-side apply, strategic
merge patch and field ownership all read the same answer.
"""

from typing import Any, Protocol

__all__ = ["BuiltinShape", "SchemaShape", "Shape", "shape_of"]


class Shape(Protocol):
    """What is known about one place of an object."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a list that merges as a map; () when it does not."""
        ...

    @property
    def is_set(self) -> bool:
        """A list of scalars that merges as a set."""
        ...

    @property
    def atomic(self) -> bool:
        """A map that is replaced whole."""
        ...

    def child(self, name: str) -> "Shape":
        """The field of that name."""
        ...

    def item(self) -> "Shape":
        """An element of the list."""
        ...


# Field name (after its parent's where that decides) → keys. The first key is the one strategic merge patch goes by.
_LISTS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "containers.ports": ("containerPort", "protocol"),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "initContainers.ports": ("containerPort", "protocol"),
    "ownerReferences": ("uid",),
    "resourceClaims": ("name",),
    "secrets": ("name",),
    "spec.ports": ("port", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "webhooks": ("name",),
}
_SETS = {"finalizers"}
_ATOMIC_MAPS = {"selector", "nodeSelector", "resourceFieldRef", "fieldRef", "secretKeyRef", "configMapKeyRef"}


class BuiltinShape:
    """By field names: good for every built-in kind and for ObjectMeta."""

    def __init__(self, name: str = "", parent: str = "") -> None:
        self._name = name
        self._parent = parent

    @property
    def keys(self) -> tuple[str, ...]:
        """See Shape."""
        return _LISTS.get(f"{self._parent}.{self._name}") or _LISTS.get(self._name, ())

    @property
    def is_set(self) -> bool:
        """See Shape."""
        return self._name in _SETS

    @property
    def atomic(self) -> bool:
        """See Shape."""
        return self._name in _ATOMIC_MAPS

    def child(self, name: str) -> "BuiltinShape":
        """See Shape."""
        return BuiltinShape(name, self._name)

    def item(self) -> "BuiltinShape":
        """See Shape: what is in a list keeps the list's name, so that `containers.ports` is found."""
        return BuiltinShape(self._name, self._parent)


class SchemaShape:
    """By a CRD's schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    @property
    def keys(self) -> tuple[str, ...]:
        """See Shape."""
        if self._schema.get("x-kubernetes-list-type") != "map":
            return ()
        return tuple(self._schema.get("x-kubernetes-list-map-keys") or ())

    @property
    def is_set(self) -> bool:
        """See Shape."""
        return self._schema.get("x-kubernetes-list-type") == "set"

    @property
    def atomic(self) -> bool:
        """See Shape."""
        return self._schema.get("x-kubernetes-map-type") == "atomic"

    def child(self, name: str) -> "Shape":
        """See Shape."""
        found = (self._schema.get("properties") or {}).get(name)
        if found is None:
            extra = self._schema.get("additionalProperties")
            found = extra if isinstance(extra, dict) else {}
        return SchemaShape(found)

    def item(self) -> "Shape":
        """See Shape."""
        found = self._schema.get("items")
        return SchemaShape(found if isinstance(found, dict) else {})


class _CustomRoot(SchemaShape):
    def child(self, name: str) -> Shape:
        return BuiltinShape("metadata") if name == "metadata" else super().child(name)


def shape_of(schema: dict[str, Any] | None) -> Shape:
    """The shape of a whole object: a built-in one's when there is no schema."""
    return BuiltinShape() if schema is None else _CustomRoot(schema)
