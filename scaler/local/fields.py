"""Sets of fields, as managedFields keeps them (FieldsV1). Pure.

A path is a tuple of steps: `f:name` a field, `k:{...}` an element of a keyed list, `v:...` an element of a set, and at the
end maybe `.`, the element itself. A set of paths and its FieldsV1 tree say the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from scaler.local.shapes import Shape

__all__ = [
    "MISSING",
    "FieldPath",
    "is_key",
    "key_step",
    "parse_tree",
    "paths_of",
    "remove",
    "show",
    "to_tree",
    "value_at",
]

FieldPath = tuple[str, ...]

MISSING: Any = object()

# Identity and bookkeeping: nobody owns them.
_UNOWNED = {
    ("f:apiVersion",), ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
            "deletionGracePeriodSeconds", "managedFields", "selfLink", "generateName",
        )
    ),
}  # fmt: skip


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def key_step(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The step to an element of a keyed list."""
    return "k:" + _json({key: item[key] for key in keys if key in item})


def paths_of(value: Any, shape: Shape, prefix: FieldPath = ()) -> Iterator[FieldPath]:
    """The leaves of a value: what an applier of it owns."""
    if prefix in _UNOWNED:
        return
    if isinstance(value, dict) and value and not shape.atomic:
        for name, item in value.items():
            yield from paths_of(item, shape.child(name), (*prefix, f"f:{name}"))
        return
    if isinstance(value, list) and value:
        if shape.keys and all(isinstance(item, dict) for item in value):
            for item in value:
                step = (*prefix, key_step(item, shape.keys))
                yield (*step, ".")
                yield from paths_of(item, shape.item(), step)
            return
        if shape.is_set:
            for item in value:
                yield (*prefix, "v:" + _json(item))
            return
    if prefix:
        yield prefix


def to_tree(paths: Iterable[FieldPath]) -> dict[str, Any]:
    """FieldsV1."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def parse_tree(tree: dict[str, Any], prefix: FieldPath = ()) -> Iterator[FieldPath]:
    """The paths of FieldsV1."""
    for step, below in tree.items():
        if below:
            yield from parse_tree(below, (*prefix, step))
        else:
            yield (*prefix, step)


def value_at(obj: Any, path: FieldPath) -> Any:
    """What stands at a path; MISSING when nothing does. An element's `.` is its presence: True."""
    for step in path:
        if step == ".":
            return True
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            obj = obj.get(rest, MISSING) if isinstance(obj, dict) else MISSING
        elif isinstance(obj, list):
            wanted = msgspec.json.decode(rest)
            if kind == "v:":
                return True if wanted in obj else MISSING
            obj = next((item for item in obj if _has_key(item, wanted)), MISSING)
        else:
            return MISSING
        if obj is MISSING:
            return MISSING
    return obj


def remove(obj: Any, path: FieldPath) -> None:
    """Take away what stands at a path, in place, and the maps that are empty then."""
    step, rest = path[0], path[1:]
    kind, name = step[:2], step[2:]
    if kind == "f:" and isinstance(obj, dict) and name in obj:
        if not rest:
            del obj[name]
            return
        remove(obj[name], rest)
        if obj[name] in ({}, []):
            del obj[name]
    elif isinstance(obj, list):
        wanted = msgspec.json.decode(name)
        if kind == "v:":
            obj[:] = [item for item in obj if item != wanted]
        elif kind == "k:":
            found = next((item for item in obj if _has_key(item, wanted)), None)
            if found is None:
                return
            if rest == (".",):
                obj.remove(found)
            elif rest:
                remove(found, rest)


def is_key(path: FieldPath) -> bool:
    """Whether a path is one of the keys by which its element is found."""
    return len(path) > 1 and path[-2][:2] == "k:" and path[-1][2:] in msgspec.json.decode(path[-2][2:])


def _has_key(item: Any, wanted: dict[str, Any]) -> bool:
    return isinstance(item, dict) and all(item.get(key) == value for key, value in wanted.items())


def show(path: FieldPath) -> str:
    """A path as the conflict's sentence has it: `.spec.template.containers[name="app"].image`."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            pairs = msgspec.json.decode(rest)
            text += "[" + ",".join(f"{key}={_json(value)}" for key, value in pairs.items()) + "]"
        elif kind == "v:":
            text += f"[={rest}]"
    return text
