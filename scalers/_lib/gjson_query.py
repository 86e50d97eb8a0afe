"""The condition in a GJSON query, `#(path operator value)`: which elements of an array fit."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from scalers._lib.glob import wildcard

__all__ = ["Query", "closing", "parse"]

_SIGNS = ("==", "!=", "<=", ">=", "!%", "=", "<", ">", "%")
_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPENING, _CLOSING = "([{", ")]}"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_YES = frozenset({"1", "t", "true"})
_NO = frozenset({"0", "f", "false"})

Get = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Does an element fit? `missing` is what `get` answers for what is not there."""

    get: Get | None
    sign: str
    value: str
    missing: Any

    def __call__(self, element: Any) -> bool:
        found = self.get(element) if self.get is not None else element
        value = self.value
        if value.startswith("~"):
            verdict = _as_boolean(found, value[1:], self.missing)
            if verdict is None:
                return False
            found, value = verdict, "true"
        if found is self.missing or not self.sign:
            return found is not self.missing
        return _fits(self.sign, found, value)


def closing(text: str, at: int) -> int:
    """Where the bracket at `at` is closed: the index after its partner. Raises ValueError."""
    open_brackets: list[str] = []
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif character == '"':
            at = _end_of_string(text, at)
        elif character in _OPENING:
            open_brackets.append(_CLOSING[_OPENING.index(character)])
        elif character in _CLOSING and open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return at + 1
        at += 1
    raise ValueError(f"a bracket in {text[:60]!r} is not closed")


def parse(text: str, compile_path: Callable[[str], Get], missing: Any) -> Query:
    """The condition between the brackets. Raises ValueError."""
    path, sign, value = _split(text.strip())
    if not path and not sign:
        raise ValueError('a query says nothing: write it like #(name=="x")')
    if value.startswith('"'):
        try:
            value = str(msgspec.json.decode(value, type=str))
        except msgspec.DecodeError:
            raise ValueError(f"the text {value[:40]} in a query is not quoted properly") from None
    elif sign and not value:
        raise ValueError(f"a query has nothing after {sign}")
    return Query(compile_path(path) if path else None, sign, value, missing)


def _split(text: str) -> tuple[str, str, str]:
    """Path, operator and value: at the first operator outside of brackets."""
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "#" and text[at + 1 : at + 2] in {"(", "["}:
            at = closing(text, at + 1) - 1
        else:
            sign = next((one for one in _SIGNS if text.startswith(one, at)), "")
            if sign:
                return text[:at].strip(), "==" if sign == "=" else sign, text[at + len(sign) :].strip()
        at += 1
    return text, "", ""


def _end_of_string(text: str, at: int) -> int:
    """The index of the quote that ends the string that begins at `at`."""
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at


def _as_boolean(found: Any, kind: str, missing: Any) -> bool | None:
    """What ~true, ~false, ~null and ~* make of a value; None for any other word."""
    match kind:
        case "*":
            return found is not missing
        case "null":
            return found is missing or found is None
        case "true":
            return _means(found, _YES, number=lambda n: n != 0)
        case "false":
            return found is missing or found is None or _means(found, _NO, number=lambda n: n == 0)
        case _:
            return None


def _means(found: Any, words: frozenset[str], number: Callable[[float], bool]) -> bool:
    if isinstance(found, str):
        return found.lower() in words
    return isinstance(found, int | float) and number(found)


def _fits(sign: str, found: Any, value: str) -> bool:
    """Null, objects and arrays never do.

    GJSON takes a text that is no number for 0; here no number equals it.
    """
    if isinstance(found, bool):
        return _booleans(sign, found, value)
    if isinstance(found, str):
        return _strings(sign, found, value)
    if not isinstance(found, int | float):
        return False
    return _compared(sign, found, float(value)) if _NUMBER.match(value) else sign == "!="


def _booleans(sign: str, found: bool, value: str) -> bool:  # noqa: FBT001 - it is compared
    other = {"true": True, "false": False}.get(value)
    if other is None:
        return sign == "!="
    return _compared(sign, found, other)


def _strings(sign: str, found: str, value: str) -> bool:
    if sign in {"%", "!%"}:
        return (wildcard(value).match(found) is not None) is (sign == "%")
    return _compared(sign, found, value)


def _compared(sign: str, one: Any, other: Any) -> bool:
    compare = _COMPARE.get(sign)
    return compare is not None and bool(compare(one, other))
