"""The terms of a formula: literals, names, calls, arrays, maps, and what stands behind a term (`.x`, `[0]`).

The half of the parser that operators do not concern; `expr/parser` is the other.
"""

from abc import ABC, abstractmethod

from scaler.core.expr.cursor import Cursor, number
from scaler.core.expr.errors import Refusal, unsupported
from scaler.core.expr.lexer import Token
from scaler.core.expr.nodes import (
    Array,
    Chain,
    Function,
    Literal,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Predicate,
    Slice,
    Unary,
)
from scaler.core.expr.signatures import FUNCTIONS, PREDICATES, UNSUPPORTED

__all__ = ["Terms"]

_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_CONSTANTS = {"true": True, "false": False, "nil": None}


class Terms(Cursor, ABC):
    """Reads terms; expressions inside them are read by whoever inherits."""

    def __init__(self, tokens: list[Token], names: frozenset[str]) -> None:
        super().__init__(tokens)
        self._names = names
        self._predicates = 0

    @abstractmethod
    def expression(self, rank: int = 0) -> Node:
        """One expression of operators that bind at least as tightly as `rank`."""

    @abstractmethod
    def sequence(self) -> Node:
        """Expressions between semicolons."""

    def primary(self) -> Node:
        """A value with what is directly before and behind it."""
        token = self.current
        if token.kind == "operator" and token.value in _UNARY:
            self.next()
            operand = self.expression(_UNARY[token.value])
            return self._postfix(Unary(self.count(token.at), token.value, operand))
        if self.take("bracket", "("):
            node = self.sequence()
            self.expect("bracket", ")")
            return self._postfix(node)
        if self._predicates and self.at("operator", "#", "."):
            named = self.take("operator", "#") and self.current.kind == "name"
            return self._postfix(Pointer(self.count(token.at), self.next().value if named else ""))
        if self.take("operator", "::"):
            return self._postfix(self.call(self.expect("name"), (), hidden=False))
        return self._secondary()

    def _secondary(self) -> Node:
        token = self.current
        if token.kind == "name" and token.value in _CONSTANTS:
            self.next()
            # In expr nothing follows these directly, not even a point.
            return Literal(self.count(token.at), _CONSTANTS[token.value])
        if token.kind == "name":
            self.next()
            if self.at("bracket", "("):
                return self._postfix(self.call(token, ()))
            return self._postfix(Name(self.count(token.at), token.value))
        if token.kind == "number":
            self.next()
            return Literal(self.count(token.at), number(token))
        return self._postfix(self._text_or_collection())

    def _text_or_collection(self) -> Node:
        token = self.current
        if token.kind == "text":
            self.next()
            return Literal(self.count(token.at), token.value)
        if self.at("bracket", "["):
            return self._array()
        if self.at("bracket", "{"):
            return self._map()
        raise Refusal(f"{token} where a value belongs", token.at)

    def call(self, name: Token, first: tuple[Node, ...], *, hidden: bool = True) -> Node:
        """A call, `first` is what was piped into it."""
        hidden = hidden and name.value in self._names
        if name.value in PREDICATES and not hidden:
            return Function(self.count(name.at), name.value, self._predicate_arguments(name, first))
        if name.value in UNSUPPORTED and not hidden:
            raise unsupported(f"the function {name.value}", name.at, UNSUPPORTED[name.value])
        if name.value not in FUNCTIONS or hidden:
            known = ", ".join(sorted((*FUNCTIONS, *PREDICATES)))
            trouble = "is a trigger, which cannot be called" if hidden else "is an unknown function"
            raise Refusal(f"{name.value} {trouble}", name.at, f"the functions are {known}")
        return Function(self.count(name.at), name.value, first + self._arguments())

    def _arguments(self) -> tuple[Node, ...]:
        self.expect("bracket", "(")
        return self._items(")")

    def _items(self, closing: str) -> tuple[Node, ...]:
        """Values between commas, one of which may end the list, up to a bracket."""
        found: list[Node] = []
        while not self.at("bracket", closing):
            if found:
                self._comma(closing)
                if self.at("bracket", closing):
                    break
            found.append(self.expression())
        self.expect("bracket", closing)
        return tuple(found)

    def _comma(self, closing: str) -> None:
        if not self.take("operator", ","):
            raise Refusal(f"{self.current} where ',' or {closing!r} belongs", self.current.at)

    def _predicate_arguments(self, name: Token, first: tuple[Node, ...]) -> tuple[Node, ...]:
        """A collection, a predicate and perhaps one value more; what was piped is the collection."""
        least, most = PREDICATES[name.value]
        self.expect("bracket", "(")
        found = list(first)
        while len(found) < most and not self.at("bracket", ")"):
            if len(found) > len(first):
                self._comma(")")
            found.append(self._predicate() if len(found) == 1 else self.expression())
        if len(found) < least:
            raise Refusal(f"{name.value} has too few arguments", name.at, f"it takes {least}")
        self.take("operator", ",")
        self.expect("bracket", ")")
        return tuple(found)

    def _predicate(self) -> Node:
        token = self.current
        braces = self.take("bracket", "{")
        self._predicates += 1
        body = self.sequence() if braces else self.expression()
        if not braces and self.at("operator", ";"):
            raise Refusal("';' in a predicate without braces", self.current.at, "put the predicate in { }")
        self._predicates -= 1
        if braces:
            self.expect("bracket", "}")
        return Predicate(self.count(token.at), body)

    def _array(self) -> Node:
        token = self.expect("bracket", "[")
        return Array(self.count(token.at), self._items("]"))

    def _map(self) -> Node:
        token = self.expect("bracket", "{")
        keys: list[Node] = []
        values: list[Node] = []
        while not self.at("bracket", "}"):
            if keys:
                self._comma("}")
                if self.at("bracket", "}"):
                    break
            keys.append(self._key())
            self.expect("operator", ":")
            values.append(self.expression())
            self.count(token.at)
        self.expect("bracket", "}")
        return Map(self.count(token.at), tuple(keys), tuple(values))

    def _key(self) -> Node:
        if self.current.kind in {"name", "number", "text"}:
            token = self.next()
            return Literal(self.count(token.at), token.value)
        if self.at("bracket", "("):
            return self.expression()
        raise Refusal(
            f"{self.current} where a key belongs",
            self.current.at,
            "a key is a name, a number, a text or an expression in parentheses",
        )

    def _postfix(self, node: Node) -> Node:
        """Members, methods, indexes and slices."""
        while True:
            token = self.current
            if self.at("operator", ".", "?."):
                self.next()
                optional = token.value == "?."
                if optional and self.take("bracket", "["):
                    node = self._index(node, token.at, optional=True)
                else:
                    node = self._member(node, optional=optional)
            elif self.take("bracket", "["):
                node = self._index(node, token.at, optional=False)
            else:
                return node

    def _member(self, node: Node, *, optional: bool) -> Node:
        token = self.next()
        if token.kind != "name" and not (token.kind == "operator" and token.value.isidentifier()):
            raise Refusal(f"{token} where a member's name belongs", token.at)
        chained = isinstance(node, Chain)
        owner = node.body if isinstance(node, Chain) else node
        at = self.count(token.at)
        if self.at("bracket", "("):
            made: Node = Method(at, owner, token.value, self._arguments(), optional)
        else:
            made = Member(at, owner, Literal(self.count(token.at), token.value), optional)
        return Chain(self.count(token.at), made) if chained or optional else made

    def _index(self, node: Node, at: int, *, optional: bool) -> Node:
        start = None if self.at("operator", ":") else self.expression()
        if start is None or self.at("operator", ":"):
            self.expect("operator", ":")
            stop = None if self.at("bracket", "]") else self.expression()
            self.expect("bracket", "]")
            return Slice(self.count(at), node, start, stop)
        self.expect("bracket", "]")
        made = Member(self.count(at), node, start, optional)
        return Chain(self.count(at), made) if optional else made
