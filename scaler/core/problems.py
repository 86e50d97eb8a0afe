"""What pydantic found wrong, as problems a person can act on: full path, what is wrong, how to mend it.

Values are repeated only where they cannot be secret (numbers out of bounds, words from a list).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scaler.core.fields import Model
from scalers._lib.problem import Problem

__all__ = ["kind_of", "validated"]

M = TypeVar("M", bound=Model)
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "text"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)


def validated(model: type[M], raw: Mapping[str, Any], path: str) -> tuple[M | None, list[Problem]]:
    """An instance of `model`, or None and every problem found, with paths below `path`.

    A null is an absent field, as for the API server, which drops it.
    """
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        first = error
    try:
        return model.model_validate(_without_nulls(raw)), []
    except ValidationError as error:
        first = error
    return None, list(_problems(first, path))


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "nothing (null)"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), f"a {type(value).__name__}")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _problems(error: ValidationError, path: str) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # Counted without the elements that are wrong themselves, each reported on its own.
        explain = _WORDS.get(detail["type"])
        words = explain(detail) if explain else (detail["msg"], "see `kubectl explain`")
        yield Problem(_below(path, detail["loc"]), *words)


def _below(path: str, loc: tuple[int | str, ...]) -> str:
    for part in loc:
        if part != "[key]":
            path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def _text(detail: ErrorDetails) -> tuple[str, str]:
    value = detail["input"]
    quote = isinstance(value, bool | int | float)
    return f"is {kind_of(value)}, not text", "put quotes around it" if quote else "write text"


def _whole_number(detail: ErrorDetails) -> tuple[str, str]:
    value = detail["input"]
    mend = "write it without quotes" if isinstance(value, str) and value.isdecimal() else "write digits only"
    return f"is {kind_of(value)}, not a whole number", mend


def _instead(expected: str, mend: str) -> Callable[[ErrorDetails], tuple[str, str]]:
    return lambda detail: (f"is {kind_of(detail['input'])}, not {expected}", mend)


def _bound(word: str, limit: str, name: str) -> Callable[[ErrorDetails], tuple[str, str]]:
    return lambda detail: (f"{detail['input']} is too {word}", f"give {limit} {detail['ctx'][name]}")


_MAPPING = _instead("a mapping", "write `key: value` lines below it")
_WORDS: dict[str, Callable[[ErrorDetails], tuple[str, str]]] = {
    "missing": lambda _: ("is required", "add it"),
    "string_type": _text,
    "int_type": _whole_number,
    "bool_type": _instead("true or false", "write true or false, without quotes"),
    "greater_than_equal": _bound("low", "at least", "ge"),
    "less_than_equal": _bound("high", "at most", "le"),
    "string_too_short": lambda _: ("is empty", "write text"),
    "too_short": lambda _: ("is an empty list", "give at least one"),
    "literal_error": lambda detail: (
        f"{detail['input']!r} is none of the words known here",
        f"write {detail['ctx']['expected']}",
    ),
    "string_pattern_mismatch": lambda detail: (
        f"{detail['input']!r} is no quantity",
        "write a number such as 0.1 or 500m",
    ),
    "tuple_type": _instead("a list", "start each element with a dash"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
}
