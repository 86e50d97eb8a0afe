"""PromQL's vector selectors, `name{label="value",other!="value"}`, and which samples they select.

Regular expressions (`=~`, `!~`) are anchored as in PromQL. Of their syntax there is what selectors are written
with: plain text, `.`, `.*`, `.+`, alternatives and groups, since only that is sure to be matched in time
(see glob). More is refused by name, not ignored.
"""

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scalers._lib.glob import Token, Wild, compile_tokens

__all__ = ["Selector", "parse"]

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*", re.ASCII)
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*""",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_MOST_ALTERNATIVES = 256
_DEEPEST = 20

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Selector:
    """The metric's name, and the tests on its labels. A label that is not there is an empty one."""

    name: str
    tests: tuple[tuple[str, Test], ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Does a sample of the metric with these labels pass every test?"""
        return all(test(labels.get(label, "")) for label, test in self.tests)


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Selector:
    """Raises ValueError with a sentence about the selector."""
    head = _NAME.match(text)
    name, rest = (head[1] or "", text[head.end() :]) if head else ("", text)
    tests: list[tuple[str, Test]] = []
    if rest:
        if not rest.startswith("{") or not rest.rstrip().endswith("}"):
            raise ValueError(f'{text!r} is no selector: write it like name{{label="value"}}')
        for label, operator, value in _matchers(rest.rstrip()[1:-1]):
            if label == "__name__" and operator == "=" and not name:
                name = value
            else:
                tests.append((label, _test(operator, value)))
    if not name:
        raise ValueError(f"{text!r} names no metric")
    return Selector(name, tuple(tests))


def _matchers(text: str) -> list[tuple[str, str, str]]:
    found, at = [], 0
    while text[at:].strip():
        matcher = _MATCHER.match(text, at)
        if matcher is None:
            raise ValueError(f'expected label="value" in a selector and found {text[at:].strip()[:60]!r}')
        found.append((matcher[1], matcher[2], _unquoted(matcher[3])))
        at = matcher.end()
        if text[at : at + 1] not in {",", ""}:
            raise ValueError(f"expected a comma in a selector and found {text[at:][:60]!r}")
        at += 1
    return found


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    return _ESCAPE.sub(
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPES.get(m[1], m[1]), text[1:-1]
    )


def _test(operator: str, value: str) -> Test:
    if operator == "=":
        return lambda label: label == value
    if operator == "!=":
        return lambda label: label != value
    patterns = [compile_tokens(tokens) for tokens in _Expression(value).alternatives()]
    if operator == "=~":
        return lambda label: any(pattern.match(label) for pattern in patterns)
    return lambda label: not any(pattern.match(label) for pattern in patterns)


class _Expression:
    """A regular expression, read from left to right into the sequences of tokens that it stands for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def alternatives(self) -> list[tuple[Token, ...]]:
        """Raises ValueError for what is not supported."""
        found = self._either(0)
        if self._at < len(self._text):
            raise self._unsupported("an unopened )")
        return found

    def _either(self, depth: int) -> list[tuple[Token, ...]]:
        if depth > _DEEPEST:
            raise self._unsupported("that many groups in groups")
        found = self._sequence(depth)
        while self._next() == "|":
            self._at += 1
            found += self._sequence(depth)
        return self._bounded(found)

    def _sequence(self, depth: int) -> list[tuple[Token, ...]]:
        found: list[tuple[Token, ...]] = [()]
        while (character := self._next()) not in {"", "|", ")"}:
            self._at += 1
            part = self._group(depth) if character == "(" else [self._atom(character)]
            found = self._bounded([one + other for one, other in itertools.product(found, part)])
        return found

    def _group(self, depth: int) -> list[tuple[Token, ...]]:
        if self._text.startswith("?:", self._at):
            self._at += 2
        found = self._either(depth + 1)
        if self._next() != ")":
            raise self._unsupported("an unclosed (")
        self._at += 1
        if self._next() in {"*", "+", "?", "{"}:
            raise self._unsupported(f"{self._next()} after a group")
        return found

    def _atom(self, character: str) -> tuple[Token, ...]:
        if character == ".":
            return self._dots()
        if character == "\\":
            character, self._at = self._next(), self._at + 1
            if not character or character.isalnum():
                raise self._unsupported(f"\\{character}")
        elif character in "[]{}*+?":
            raise self._unsupported(character)
        elif character in "^$":
            at_end = self._at == 1 if character == "^" else self._at == len(self._text)
            if not at_end:
                raise self._unsupported(f"{character} in the middle")
            return ()
        if self._next() in {"*", "+", "?", "{"}:
            raise self._unsupported(f"{self._next()} after anything but a dot")
        return (character,)

    def _dots(self) -> tuple[Token, ...]:
        follows = self._next()
        if follows in {"*", "+"}:
            self._at += 1
            if self._next() == "?":  # Not greedy: to a match of the whole text it is all the same.
                self._at += 1
            return (Wild.RUN,) if follows == "*" else (Wild.ANY, Wild.RUN)
        if follows in {"?", "{"}:
            raise self._unsupported(f".{follows}")
        return (Wild.ANY,)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _bounded(self, found: list[tuple[Token, ...]]) -> list[tuple[Token, ...]]:
        if len(found) > _MOST_ALTERNATIVES:
            raise self._unsupported(f"more than {_MOST_ALTERNATIVES} alternatives")
        return found

    def _unsupported(self, what: str) -> ValueError:
        return ValueError(
            f"the regular expression {self._text[:100]!r} has {what}, which is not supported here;"
            " plain text, . .* .+ | and groups are"
        )
