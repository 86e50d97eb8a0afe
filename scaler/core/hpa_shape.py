"""The fields of an HPA's `spec` that we know, with their JSON types: one table for all that walks over it.

A field that is not in the table is neither checked nor compared: what a later API server adds is not ours to
undo.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scaler.core.fields import INT32_MAX, INT32_MIN
from scaler.core.problems import kind_of

__all__ = ["known", "mistyped"]

_QUANTITY = (str, int)
_REFERENCE = {"apiVersion": str, "kind": str, "name": str}
_TARGET = {"type": str, "value": _QUANTITY, "averageValue": _QUANTITY, "averageUtilization": int}
_IDENTIFIER = {"name": str, "selector": Mapping}
_RULES = {
    "stabilizationWindowSeconds": int,
    "selectPolicy": str,
    "policies": [{"type": str, "value": int, "periodSeconds": int}],
    "tolerance": _QUANTITY,
}
_SPEC: dict[str, Any] = {
    "scaleTargetRef": _REFERENCE,
    "minReplicas": int,
    "maxReplicas": int,
    "metrics": [
        {
            "type": str,
            "external": {"metric": _IDENTIFIER, "target": _TARGET},
            "resource": {"name": str, "target": _TARGET},
            "containerResource": {"name": str, "container": str, "target": _TARGET},
            "object": {"describedObject": _REFERENCE, "metric": _IDENTIFIER, "target": _TARGET},
            "pods": {"metric": _IDENTIFIER, "target": _TARGET},
        }
    ],
    "behavior": {"scaleUp": _RULES, "scaleDown": _RULES},
}


def known(spec: Any) -> Any:
    """`spec` without nulls and without fields that we do not know."""
    return _known(spec, _SPEC)


def mistyped(spec: Any) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for every known field whose JSON type is wrong; the rest may be walked safely."""
    yield from _mistyped(spec, _SPEC, "spec")


def _known(value: Any, shape: Any) -> Any:
    if isinstance(shape, list) and isinstance(value, list | tuple):
        return [_known(element, shape[0]) for element in value]
    if isinstance(shape, dict) and isinstance(value, Mapping):
        return {name: _known(value[name], shape[name]) for name in shape if value.get(name) is not None}
    return value


def _mistyped(value: Any, shape: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield path, f"is {kind_of(value)}, not a mapping"
            return
        for name, inner in shape.items():
            if value.get(name) is not None:
                yield from _mistyped(value[name], inner, f"{path}.{name}")
    elif isinstance(shape, list):
        if not isinstance(value, list | tuple):
            yield path, f"is {kind_of(value)}, not a list"
            return
        for index, element in enumerate(value):
            yield from _mistyped(element, shape[0], f"{path}[{index}]")
    elif not isinstance(value, shape) or isinstance(value, bool):
        yield path, f"is {kind_of(value)}, not {_EXPECTED[shape]}"
    elif shape is int and not INT32_MIN <= value <= INT32_MAX:
        yield path, f"{value} does not fit 32 bits"


_EXPECTED: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    Mapping: "a mapping",
    _QUANTITY: "a quantity",
}
