"""A parser's place among the words of a formula: what is next, taking it, and counting what is made of it."""

import math

from scaler.core.expr.errors import MAX_DEPTH, MAX_NODES, Refusal
from scaler.core.expr.lexer import Kind, Token

__all__ = ["Cursor", "number"]

_BASES = {"0x": 16, "0o": 8, "0b": 2}
_LARGEST = (1 << 63) - 1


class Cursor:
    """The words left to read."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._nodes = 0
        self._depth = 0

    @property
    def current(self) -> Token:
        """The present word."""
        return self._tokens[self._position]

    @property
    def following(self) -> Token:
        """The word after it; the end has itself after it."""
        return self._tokens[min(self._position + 1, len(self._tokens) - 1)]

    def next(self) -> Token:
        """Take the present word."""
        token = self.current
        if token.kind != "end":
            self._position += 1
        return token

    def at(self, kind: Kind, *values: str) -> bool:
        """Is the present word one of these?"""
        return self.current.kind == kind and self.current.value in values

    def take(self, kind: Kind, value: str) -> bool:
        """Take the present word if it is this one."""
        found = self.at(kind, value)
        if found:
            self.next()
        return found

    def expect(self, kind: Kind, value: str = "") -> Token:
        """Take a word that must be here. Raises Refusal."""
        token = self.current
        if token.kind != kind or (value and token.value != value):
            wanted = {"end": "an operator or the end", "name": "a name"}.get(kind, repr(value))
            raise Refusal(f"{token} where {wanted} belongs", token.at)
        return self.next()

    def count(self, at: int) -> int:
        """One more node, which stands at `at`. Raises Refusal above MAX_NODES."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Refusal(f"the formula has more than {MAX_NODES:,} parts", at, "make it shorter")
        return at

    def enter(self) -> None:
        """One expression deeper. Raises Refusal above MAX_DEPTH."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refusal(
                f"more than {MAX_DEPTH} expressions lie inside one another",
                self.current.at,
                "name a part of it with let, or make it flatter",
            )

    def leave(self) -> None:
        """Out of an expression."""
        self._depth -= 1


def number(token: Token) -> int | float:
    """What a number is worth: an integer of 64 bits, or a float with a point or an exponent. Raises Refusal."""
    text = token.value.replace("_", "")
    base = _BASES.get(text[:2].lower(), 10)
    try:
        if base == 10 and ("." in text or "e" in text.lower()):
            value: int | float = float(text)
        else:
            value = int(text[2:] if base != 10 else text, base)
    except ValueError:
        raise Refusal(f"{token} is not a number", token.at) from None
    if value > _LARGEST if isinstance(value, int) else math.isinf(value):
        raise Refusal(f"{token} is too large a number", token.at)
    return value
