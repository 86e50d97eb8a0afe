r"""GJSON paths: what `valueLocation` is for JSON.

`a.b`, `list.0`, `list.#` (how many), `list.#.a` (of each), `list.#(name=="x").a` (of the first that fits),
`#(...)#` (all that fit), `a|b`, wildcards `*` and `?`, `\.` for a dot in a name, and the modifiers
@this @valid @ugly @pretty @reverse @keys @values @flatten @fromstr. Multipaths, literals, JSON lines and other
modifiers are refused by name.

A path is compiled to steps once; then only `get` runs.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scalers._lib import gjson_query
from scalers._lib.glob import wildcard

__all__ = ["MISSING", "Path", "compile_path"]


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING: Final = _Missing()
"""What a path leads to that leads nowhere."""

_LONGEST = 2000
_DEEPEST = 20
_SAME = frozenset({"this", "valid", "ugly", "pretty"})
_SUPPORTED = _SAME | {"reverse", "keys", "values", "flatten", "fromstr"}
_REFUSED = frozenset({"join", "tostr", "group", "dig"})


@dataclass(frozen=True, slots=True)
class _Name:
    """A member of an object, or an element of an array. `text` is None where it has wildcards."""

    text: str | None
    pattern: str

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            if self.text is not None:
                return value.get(self.text, MISSING)
            match = wildcard(self.pattern).match
            return next((member for name, member in value.items() if match(name)), MISSING)
        if isinstance(value, list) and self.text is not None and self.text.isascii() and self.text.isdigit():
            index = int(self.text[:10])
            return value[index] if index < len(value) else MISSING
        return MISSING


@dataclass(frozen=True, slots=True)
class _Modifier:
    name: str

    def __call__(self, value: Any) -> Any:
        if value is MISSING or self.name in _SAME:
            return value
        if isinstance(value, dict):
            return self._of_object(value)
        if isinstance(value, list):
            return self._of_array(value)
        if self.name == "fromstr" and isinstance(value, str):
            try:
                return msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                return MISSING
        return {"keys": [], "values": [value], "fromstr": MISSING}.get(self.name, value)

    def _of_object(self, value: dict[str, Any]) -> Any:
        match self.name:
            case "reverse":
                return dict(reversed(value.items()))
            case "keys":
                return list(value)
            case "values":
                return list(value.values())
            case "fromstr":
                return MISSING
            case _:
                return value

    def _of_array(self, value: list[Any]) -> Any:
        match self.name:
            case "reverse":
                return value[::-1]
            case "flatten":
                return [inner for one in value for inner in (one if isinstance(one, list) else [one])]
            case "keys":
                return [None] * len(value)
            case "fromstr":
                return MISSING
            case _:
                return value


@dataclass(frozen=True, slots=True)
class _Each:
    """`#`, `#(...)` and `#(...)#`: of an array, how many, the first that fits, or all that fit."""

    fits: gjson_query.Query | None = None
    every: bool = True


Step = _Name | _Modifier | _Each


@dataclass(frozen=True, slots=True)
class Path:
    """Parts between pipes: each is about what the one before it leads to."""

    parts: tuple[tuple[Step, ...], ...]

    def get(self, document: Any) -> Any:
        """What it leads to in a decoded document, or MISSING."""
        value = document
        for part in self.parts:
            value = _walk(value, part)
        return value


def _walk(value: Any, steps: Sequence[Step]) -> Any:
    for at, step in enumerate(steps):
        if value is MISSING:
            return MISSING
        if not isinstance(step, _Each):
            value = step(value)
        elif not isinstance(value, list):
            value = value.get("#", MISSING) if isinstance(value, dict) and step.fits is None else MISSING
        elif step.every:
            return _of_each(value, step, steps[at + 1 :])
        else:
            value = next((one for one in value if step.fits is None or step.fits(one)), MISSING)
    return value


def _of_each(value: list[Any], step: _Each, rest: Sequence[Step]) -> Any:
    """The rest of a part is about each element; elements that have no such thing are left out."""
    chosen = [one for one in value if step.fits is None or step.fits(one)]
    if rest:
        return [found for one in chosen if (found := _walk(one, rest)) is not MISSING]
    return len(chosen) if step.fits is None else chosen


@functools.lru_cache(maxsize=512)
def compile_path(text: str) -> Path:
    """Raises ValueError with a sentence about what is not supported or not closed."""
    return _compiled(text, 0)


def _compiled(text: str, depth: int) -> Path:
    if len(text) > _LONGEST or depth > _DEEPEST:
        raise ValueError(f"the path {text[:60]!r}... is too long or too deep")
    if text.startswith(".."):
        raise ValueError("JSON lines (a path that begins with ..) are not supported")
    parts: list[tuple[Step, ...]] = []
    steps: list[Step] = []
    for component, separator in _components(text):
        steps.append(_step(component, depth))
        if separator == "|":
            parts.append(tuple(steps))
            steps = []
    return Path((*parts, tuple(steps)))


def _components(text: str) -> Iterator[tuple[str, str]]:
    """The components of a path, and the separator after each: a dot, a pipe, or nothing at the end."""
    start = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == "#" and at == start and text[at + 1 : at + 2] in {"(", "["}:
            at = gjson_query.closing(text, at + 1)
        elif text[at] in ".|":
            yield text[start:at], text[at]
            at = start = at + 1
        else:
            at += 1
    yield text[start:], ""


def _step(component: str, depth: int) -> Step:
    if component == "#":
        return _Each()
    if component.startswith(("#(", "#[")):
        end = gjson_query.closing(component, 1)
        if component[end:] not in {"", "#"}:
            raise ValueError(f"{component[end:]!r} after a query is not supported: write # or nothing")
        query = gjson_query.parse(
            component[2 : end - 1], lambda path: _compiled(path, depth + 1).get, MISSING
        )
        return _Each(query, every=component.endswith("#"))
    if component.startswith(("{", "[")):
        raise ValueError(f"multipaths ({component[:40]!r}) are not supported: choose one value")
    if component.startswith("!"):
        raise ValueError(f"literals ({component[:40]!r}) are not supported")
    if component.startswith("@"):
        name, colon, _ = component[1:].partition(":")
        if name in _REFUSED or (name in _SUPPORTED and colon):
            raise ValueError(f"the modifier @{name}{' with an argument' if colon else ''} is not supported")
        if name in _SUPPORTED:
            return _Modifier(name)
    return _name(component)


def _name(component: str) -> _Name:
    plain, characters = [], iter(component)
    for character in characters:
        if character == "\\":
            plain.append(next(characters, ""))
        elif character in "*?":
            return _Name(None, component)
        else:
            plain.append(character)
    return _Name("".join(plain), component)
