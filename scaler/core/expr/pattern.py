"""The tree of a regular expression in a formula: the part of Go's syntax that people use.

The rest of it is refused by name. How a tree is searched for is in `expr/regexp`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from scaler.core.expr.errors import MAX_DEPTH, Refusal, unsupported

__all__ = ["Many", "One", "Repeated", "Test", "Tree", "parse", "wrong"]

_DIGITS, _SPACES = frozenset("0123456789"), frozenset(" \t\n\f\r")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") | _DIGITS
_CLASSES = {"d": _DIGITS, "s": _SPACES, "w": _WORD}
_BRACES = re.compile(r"\{(\d{1,5})(,(\d{1,5})?)?\}", re.ASCII)
_MAX_REPEAT = 1_000
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class One:
    """One character, or none at one end of the text."""

    test: Test | None
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """One of the rows (alternatives), each of pieces one after another."""

    rows: tuple[tuple["Tree", ...], ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A piece at least and at most (None: ever) so many times."""

    piece: "Tree"
    least: int
    most: int | None


Tree = One | Many | Repeated


def wrong(pattern: str, what: str) -> Refusal:
    """What is wrong with a pattern."""
    return Refusal(f"the pattern {pattern[:80]!r} has {what}", mend="mend the pattern")


def parse(pattern: str) -> Tree:
    """The tree of a pattern. Raises Refusal, without a place."""
    reader = _Reader(pattern)
    tree = reader.choice(0)
    if reader.at < len(pattern):
        raise wrong(pattern, "a ) without its (")
    return tree


class _Reader:
    """Reads a pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fold = False
        self.at = 0

    def _wrong(self, what: str) -> Refusal:
        return wrong(self._text, what)

    def _unsupported(self, what: str) -> Refusal:
        return unsupported(f"{what} in a pattern", None, "write the pattern without it")

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self.at)

    def _take(self, text: str) -> bool:
        found = self._peek(text)
        self.at += len(text) * found
        return found

    def _next(self) -> str:
        if self.at >= len(self._text):
            raise self._wrong("an unfinished end")
        self.at += 1
        return self._text[self.at - 1]

    def choice(self, depth: int) -> Tree:
        """Alternatives between bars."""
        if depth > MAX_DEPTH // 2:
            raise self._wrong("too many groups inside one another")
        rows = [self._row(depth)]
        while self._take("|"):
            rows.append(self._row(depth))
        return Many(tuple(rows))

    def _row(self, depth: int) -> tuple[Tree, ...]:
        pieces: list[Tree] = []
        if depth == 0 and self.at == 0 and self._take("(?i)"):
            self._fold = True
        while self.at < len(self._text) and not (self._peek("|") or self._peek(")")):
            piece = self._atom(depth)
            bounds = self._bounds()
            if bounds is not None:
                self._take("?")
                piece = Repeated(piece, *bounds)
                if self._bounds() is not None:
                    raise self._wrong("one repetition after another")
            pieces.append(piece)
        return tuple(pieces)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        found = _BRACES.match(self._text, self.at)
        if found is None:
            return None
        self.at = found.end()
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if max(least, most or 0) > _MAX_REPEAT or (most is not None and most < least):
            raise self._wrong(f"a repetition that is no range up to {_MAX_REPEAT:,}")
        return least, most

    def _atom(self, depth: int) -> Tree:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character in "*+?":
            raise self._wrong(f"nothing for {character} to repeat")
        if character in "^$":
            return One(None, character)
        if character == ".":
            return One(lambda other: other != "\n")
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        return self._literal(character)

    def _group(self, depth: int) -> Tree:
        if self._take("?") and not self._take(":"):
            raise self._unsupported("a group with (?")
        found = self.choice(depth + 1)
        if not self._take(")"):
            raise self._wrong("a ( that is not closed")
        return found

    def _literal(self, character: str) -> Tree:
        if self._fold:
            folded = character.casefold()
            return One(lambda other: other.casefold() == folded)
        return One(lambda other: other == character)

    def _escape(self) -> Tree:
        character = self._next()
        if character in "AzZ":
            if character == "Z":
                raise self._wrong(r"\Z, which Go has not")
            return One(None, "^" if character == "A" else "$")
        members = self._escaped(character)
        if isinstance(members, str):
            return self._literal(members)
        return One(members)

    def _escaped(self, character: str) -> str | Test:
        """What a backslash makes of a character: a character, or a class of them."""
        if character.lower() in _CLASSES:
            members, without = _CLASSES[character.lower()], character.isupper()
            return lambda other: (other in members) != without
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character.isalnum() or ord(character) > 127:
            raise self._unsupported(f"\\{character}")
        return character

    def _class(self) -> Tree:
        without = self._take("^")
        tests: list[Test] = []
        first = True
        while first or not self._peek("]"):
            first = False
            tests.append(self._member())
        self._take("]")
        return One(lambda other: any(test(other) for test in tests) != without)

    def _member(self) -> Test:
        if self._peek("[:"):
            raise self._unsupported("[: :]")
        low = self._bound()
        if not isinstance(low, str):
            return low
        high: str | Test = low
        if self._peek("-") and not self._peek("-]"):
            self._take("-")
            high = self._bound()
        if not isinstance(high, str) or high < low:
            raise self._wrong("a range of characters that is none")
        last, fold = high, self._fold
        if fold:
            return lambda other: any(low <= each <= last for each in (other.lower(), other.upper()))
        return lambda other: low <= other <= last

    def _bound(self) -> str | Test:
        character = self._next()
        return self._escaped(self._next()) if character == "\\" else character
