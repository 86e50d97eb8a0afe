"""The columns of the Table form for custom resources, and how ages read. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from scaler.local.jsonpath import compile_path
from scaler.local.resources import Column, Object

__all__ = ["AGE", "NAME", "age", "custom_columns", "human_duration"]

_NAME_HELP = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically."
)


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 365 * 86_400
# Below this many seconds: the unit, its letter, and the smaller unit that is shown too.
_AGES: tuple[tuple[float, int, str, tuple[int, str] | None], ...] = (
    (2 * _MINUTE, 1, "s", None),
    (10 * _MINUTE, _MINUTE, "m", (1, "s")),
    (3 * _HOUR, _MINUTE, "m", None),
    (8 * _HOUR, _HOUR, "h", (_MINUTE, "m")),
    (2 * _DAY, _HOUR, "h", None),
    (8 * _DAY, _DAY, "d", (_HOUR, "h")),
    (2 * _YEAR, _DAY, "d", None),
    (8 * _YEAR, _YEAR, "y", (_DAY, "d")),
    (float("inf"), _YEAR, "y", None),
)


def human_duration(seconds: float) -> str:
    """As kubectl shows ages: 59s, 2m3s, 10m, 5h2m, 47h, 7d, 2y10d. A clock slightly ahead reads as 0s."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    _, unit, letter, smaller = next(row for row in _AGES if whole < row[0])
    text = f"{whole // unit}{letter}"
    rest = whole % unit // smaller[0] if smaller else 0
    return f"{text}{rest}{smaller[1]}" if smaller and rest else text


def age(text: Any, now: float) -> str:
    """The time since a timestamp; `<unknown>` when there is none."""
    if not isinstance(text, str):
        return "<unknown>"
    try:
        return human_duration(now - datetime.fromisoformat(text).timestamp())
    except ValueError:
        return "<invalid>"


def _age_of(obj: Object, now: float) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


NAME = Column("Name", "string", lambda obj, _: obj["metadata"]["name"], _NAME_HELP, "name")
AGE = Column("Age", "date", _age_of, "How long ago the object was created, by the server's clock.")


def custom_columns(specs: Sequence[dict[str, Any]] | None) -> tuple[Column, ...]:
    """A definition's additionalPrinterColumns after the name; without any, the age."""
    if not specs:
        return NAME, AGE
    return NAME, *(_custom(spec) for spec in specs)


def _custom(spec: dict[str, Any]) -> Column:
    path, kind = spec["jsonPath"], spec["type"]
    description = spec.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
    values = compile_path(path)

    def value(obj: Object, now: float) -> Any:
        return _cell(kind, values(obj), now)

    return Column(spec["name"], kind, value, description, spec.get("format") or "", spec.get("priority") or 0)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}


def _cell(kind: str, found: list[Any], now: float) -> Any:
    if not found:
        return None
    first = found[0]
    if kind == "date":
        return age(first, now) if isinstance(first, str) else None
    if kind in _KINDS:
        if not _KINDS[kind](first):
            return None
        return int(first) if kind == "integer" else first
    # Like a kube-apiserver: of several results (a wildcard's) only the first is shown.
    return None if first is None else _text(first)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_text(item)}" for key, item in sorted(value.items())) + "]"
    return str(value)
