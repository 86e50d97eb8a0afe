"""The part of CEL that a CRD's validation rules may use here. Pure.

Supported: `self` and its fields, `has(self.a.b)`, `size(x)`, integer, float, text and boolean literals, lists of them,
`in`, `! - + - * == != < <= > >= && ||`, `c ? a : b` and parentheses. That covers KEDA's rule. Anything else does not compile,
and a CRD that uses it is refused: a rule that is not understood must not be taken as kept.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = ["EvaluationError", "compile_rule"]

Expression = Callable[[Any], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.\d+|\d+)|(?P<text>"(?:[^"\\]|\\["\\])*"|'(?:[^'\\]|\\['\\])*')"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<sign>\|\||&&|==|!=|<=|>=|[-+*!<>?:().,\[\]]))"""
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "in"),
    ("+", "-"),
    ("*",),
)
_DEEPEST = 100


class EvaluationError(Exception):
    """A rule met a value it cannot handle: a missing field, or two types that do not compare."""


@lru_cache(maxsize=256)
def compile_rule(text: str) -> Expression:
    """A function from `self` to the rule's value. Raises ValueError saying what is not supported."""
    parser = _Parser(text)
    expression = parser.ternary()
    if parser.next:
        raise ValueError(f"unexpected {parser.next!r}")
    return expression


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found or not found.lastgroup:
                raise ValueError(f"unexpected character {text[at:].lstrip()[:1]!r}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ValueError("the rule ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self._take()[1] != sign:
            raise ValueError(f"{sign!r} expected")

    def ternary(self) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("nested too deeply")
        condition = self._binary(0)
        if self.next == "?":
            self._take()
            yes = self.ternary()
            self._expect(":")
            no = self.ternary()
            test = condition
            condition = lambda me: yes(me) if _boolean(test(me)) else no(me)  # noqa: E731 - closures are the output
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.next in _LEVELS[level]:
            operator = self._take()[1]
            left = _combine(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        if self.next in ("!", "-"):
            sign = self._take()[1]
            inner = self._unary()
            return (lambda me: not _boolean(inner(me))) if sign == "!" else (lambda me: -_number(inner(me)))
        return self._primary()

    def _primary(self) -> Expression:
        kind, token = self._take()
        if kind == "number":
            number = float(token) if "." in token else int(token)
            return lambda _: number
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", token[1:-1])
            return lambda _: text
        if token == "(":  # noqa: S105 - a parenthesis
            inner = self.ternary()
            self._expect(")")
            return inner
        if token == "[":  # noqa: S105 - a bracket
            return self._list()
        if kind == "name":
            return self._name(token)
        raise ValueError(f"unexpected {token!r}")

    def _list(self) -> Expression:
        items: list[Expression] = []
        while self.next != "]":
            items.append(self.ternary())
            if self.next != "]":
                self._expect(",")
        self._take()
        return lambda me: [item(me) for item in items]

    def _name(self, token: str) -> Expression:
        if token in ("true", "false"):
            return lambda _: token == "true"  # noqa: S105 - a word of the language
        if token == "self":  # noqa: S105 - a word of the language
            path = self._path()
            return lambda me: _read(me, path)
        if token == "has":  # noqa: S105 - a word of the language
            self._expect("(")
            if self._take()[1] != "self":
                raise ValueError("has() takes a field of self")
            path = self._path()
            self._expect(")")
            if not path:
                raise ValueError("has() takes a field of self")
            return lambda me: _has(me, path)
        if token == "size":  # noqa: S105 - a word of the language
            self._expect("(")
            inner = self.ternary()
            self._expect(")")
            return lambda me: _size(inner(me))
        raise ValueError(f"{token!r} is not supported")

    def _path(self) -> tuple[str, ...]:
        path: list[str] = []
        while self.next == ".":
            self._take()
            kind, token = self._take()
            if kind != "name" or self.next == "(":
                raise ValueError(f"the method {token!r} is not supported")
            path.append(token)
        if self.next == "[":
            raise ValueError("indexing is not supported")
        return tuple(path)


def _combine(operator: str, left: Expression, right: Expression) -> Expression:
    if operator == "||":
        return lambda me: _boolean(left(me)) or _boolean(right(me))
    if operator == "&&":
        return lambda me: _boolean(left(me)) and _boolean(right(me))
    return lambda me: _calculate(operator, left(me), right(me))


def _calculate(operator: str, one: Any, other: Any) -> Any:
    if operator == "in":
        if not isinstance(other, list | dict):
            raise EvaluationError("no such overload: in")
        return one in other
    if operator in ("==", "!="):
        same = one == other and isinstance(one, bool) == isinstance(other, bool)
        return same if operator == "==" else not same
    both_text = isinstance(one, str) and isinstance(other, str)
    if both_text and operator == "+":
        return one + other
    if not both_text or operator in "-*":
        one, other = _number(one), _number(other)
    return {
        "<": lambda: one < other,
        "<=": lambda: one <= other,
        ">": lambda: one > other,
        ">=": lambda: one >= other,
        "+": lambda: one + other,
        "-": lambda: one - other,
        "*": lambda: one * other,
    }[operator]()


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError("no such overload: a boolean is needed")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError("no such overload: a number is needed")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise EvaluationError("no such overload: size")
    return len(value)


def _read(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            raise EvaluationError(f"no such key: {step}")
        value = value[step]
    return value


def _has(value: Any, path: tuple[str, ...]) -> bool:
    parent = _read(value, path[:-1])
    return isinstance(parent, dict) and path[-1] in parent
