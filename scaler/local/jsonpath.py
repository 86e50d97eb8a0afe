"""The JSONPath of printer columns and of `kubectl`: fields, indices, wildcards, simple filters. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

__all__ = ["compile_path", "find"]

_Step = Callable[[Any], Iterator[Any]]

_NAME = re.compile(r"(?:[^.\[\]\\]|\\.)+")
_FILTER = re.compile(
    r"""\?\(\s*@((?:\.[^\s=!<>.)\[\]]+)+)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*)?\)"""
)
_INSIDE = re.compile(r"\[((?:\?\((?:\"[^\"]*\"|'[^']*'|[^)\"'])*\))|'[^']*'|\"[^\"]*\"|[^\]]*)\]")


def find(path: str, obj: Any) -> list[Any]:
    """Every value the path leads to."""
    return compile_path(path)(obj)


@lru_cache(maxsize=512)
def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """A function from an object to the values at the path. Raises ValueError naming what it cannot read."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        if text[at] == ".":
            at += 1
            if text[at : at + 1] in ("[", ""):
                continue
        if text[at] == "[":
            found = _INSIDE.match(text, at)
            if not found:
                raise ValueError(f"JSONPath {path!r}: unclosed bracket")
            steps.append(_bracket(path, found[1].strip()))
        else:
            found = _NAME.match(text, at)
            if not found:
                raise ValueError(f"JSONPath {path!r}: unexpected {text[at]!r}")
            name = re.sub(r"\\(.)", r"\1", found[0])
            steps.append(_every if name == "*" else _field(name))
        at = found.end()

    def run(obj: Any) -> list[Any]:
        values: Iterable[Any] = [obj]
        for step in steps:
            values = [below for value in values for below in step(value)]
        return list(values)

    return run


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _field(name: str) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _bracket(path: str, inside: str) -> _Step:
    if inside == "*":
        return _every
    if inside[:1] in ("'", '"'):
        return _field(inside[1:-1])
    if re.fullmatch(r"-?\d+", inside):
        index = int(inside)

        def step(value: Any) -> Iterator[Any]:
            if isinstance(value, list) and -len(value) <= index < len(value):
                yield value[index]

        return step
    found = _FILTER.fullmatch(inside)
    if not found:
        raise ValueError(f"JSONPath {path!r}: [{inside}] is no index, name, wildcard or simple filter")
    return _filter(found[1][1:].split("."), found[2], found[3])


def _filter(names: list[str], operator: str | None, literal: str | None) -> _Step:
    wanted = _literal(literal or "")

    def keep(item: Any) -> bool:
        for name in names:
            if not isinstance(item, dict) or name not in item:
                return False
            item = item[name]
        if operator is None:
            return True
        if operator in ("==", "!="):
            return bool(item == wanted) == (operator == "==")
        if not isinstance(item, int | float) or not isinstance(wanted, int | float):
            return False
        return {"<": item < wanted, "<=": item <= wanted, ">": item > wanted, ">=": item >= wanted}[operator]

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (item for item in value if keep(item))

    return step


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return float(text) if "." in text else int(text or 0)
