"""The tree of a formula: what the parser makes, the checker judges and the evaluator runs.

Every node knows the character of the text at which it stands, for the errors about it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from scaler.core.expr.errors import MAX_DEPTH, Refusal

__all__ = [
    "Array",
    "Binary",
    "Chain",
    "Comparison",
    "Conditional",
    "Function",
    "Let",
    "Literal",
    "Map",
    "Member",
    "Method",
    "Name",
    "Node",
    "Pointer",
    "Predicate",
    "Sequence",
    "Slice",
    "Unary",
    "measure",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a formula; `at` is the index of a character."""

    at: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A number, a text, true, false or nil."""

    value: int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A trigger, a `let` variable or `$env`."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer(Node):
    """`#` (name is empty), `#index` or `#acc` in a predicate."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-`, `+`, `!` or `not`."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Two operands. Long sums lean to the left, so walkers follow `left` in a loop, not by recursion."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`a < b <= c`: each operand with the next; one sign fewer than operands."""

    signs: tuple[str, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`test ? yes : no`, also written as if and else; `yes` is None for the test's own value (`?:`)."""

    test: Node
    yes: Node | None
    no: Node


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """Where `?.` stops: nil instead of what follows it."""

    body: Node


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`owner.key` or `owner[key]`; `optional` with `?.`."""

    owner: Node
    key: Node
    optional: bool


@dataclass(frozen=True, slots=True)
class Method(Node):
    """`owner.name(arguments)`."""

    owner: Node
    name: str
    arguments: tuple[Node, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """`owner[start:stop]`."""

    owner: Node
    start: Node | None
    stop: Node | None


@dataclass(frozen=True, slots=True)
class Function(Node):
    """A call of one of expr's functions."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Predicate(Node):
    """What `filter` and its like do with each element."""

    body: Node


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let name = value; body`."""

    name: str
    value: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """Expressions between semicolons; the last one counts."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`[items]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map(Node):
    """`{key: value}`."""

    keys: tuple[Node, ...]
    values: tuple[Node, ...]


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node and how deep it lies; the left side of a binary node lies as deep as the node."""
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        left = node.left if isinstance(node, Binary) else None
        stack.extend((child, depth if child is left else depth + 1) for child in _children(node))


def _children(node: Node) -> Iterator[Node]:
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (each for each in value if isinstance(each, Node))


def measure(root: Node) -> None:
    """Raises Refusal for a tree too deep to be evaluated by recursion."""
    for node, depth in walk(root):
        if depth > MAX_DEPTH:
            raise Refusal(
                f"more than {MAX_DEPTH} expressions lie inside one another",
                node.at,
                "name a part of it with let, or make it flatter",
            )
