"""Strategic merge patch, for the built-in kinds: lists merge by their key, and directives say what else to do. Pure."""

from typing import Any

from scaler.local.errors import bad_request
from scaler.local.shapes import Shape
from scaler.local.store import clone

__all__ = ["strategic"]

_PATCH = "$patch"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def strategic(target: Any, patch: Any, shape: Shape) -> Any:
    """The target with the patch applied; a new value. Raises 400 where a directive makes no sense."""
    if not isinstance(patch, dict):
        return clone(patch)
    directive = patch.get(_PATCH)
    if directive == "replace":
        return _plain(patch, shape)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unrecognised {_PATCH}: {directive!r}; use merge, replace or delete")
    result = clone(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        result = {key: value for key, value in result.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            name = key.removeprefix(_DELETE_FROM)
            result[name] = [item for item in result.get(name) or () if item not in value]
        elif value is None:
            result.pop(key, None)
        elif not key.startswith("$"):
            result[key] = _field(result.get(key), value, shape.child(key))
    _order_lists(result, patch, shape)
    return result


def _order_lists(result: dict[str, Any], patch: dict[str, Any], shape: Shape) -> None:
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if name != key and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], order, shape.child(name))


def _field(present: Any, value: Any, shape: Shape) -> Any:
    # A map that starts anew still obeys its directives and nulls.
    return _list(present, value, shape) if isinstance(value, list) else strategic(present, value, shape)


def _plain(patch: dict[str, Any], shape: Shape) -> Any:
    return strategic({}, {key: value for key, value in patch.items() if key != _PATCH}, shape)


def _list(present: Any, patch: list[Any], shape: Shape) -> list[Any]:
    present = present if isinstance(present, list) else []
    if shape.is_set:
        return [*present, *(item for item in patch if item not in present)]
    if not shape.keys or not all(isinstance(item, dict) for item in patch):
        return clone(patch)  # type: ignore[no-any-return]
    key = shape.keys[0]
    if any(item.get(_PATCH) == "replace" and key not in item for item in patch):
        return [strategic({}, item, shape.item()) for item in patch if item.get(_PATCH) != "replace"]
    result = clone(present)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((index for index, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get(_PATCH) == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif at is None:
            result.append(strategic({}, item, shape.item()))
        else:
            result[at] = strategic(result[at], item, shape.item())
    return result  # type: ignore[no-any-return]


def _ordered(items: list[Any], order: list[Any], shape: Shape) -> list[Any]:
    """Those the patch lists in its order; the others stay where they were, relative to their neighbours."""
    key = shape.keys[0] if shape.keys else None

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    listed = sorted(
        (i for i in items if identity(i) in wanted), key=lambda item: wanted.index(identity(item))
    )
    rest = iter(listed)
    return [next(rest) if identity(item) in wanted else item for item in items]
