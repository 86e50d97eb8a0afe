"""What expr's binary operators make of the types of their sides, for the checker."""

from scaler.core.expr import regexp
from scaler.core.expr.errors import Refusal
from scaler.core.expr.nodes import Binary, Literal
from scaler.core.expr.types import (
    BOOL,
    FLOAT,
    INT,
    NIL,
    STRING,
    UNKNOWN,
    Type,
    array_of,
    assignable,
    comparable,
    compatible,
)

__all__ = ["operation"]

_SIGNS: dict[str, tuple[tuple[str, ...], Type | None]] = {
    "+": (("number", "string", "duration"), None),
    "-": (("number", "duration"), None),
    "*": (("number", "duration"), None),
    "/": (("number",), FLOAT),
    "**": (("number",), FLOAT),
    "^": (("number",), FLOAT),
    "%": (("int",), INT),
    "..": (("int",), array_of(INT)),
    **dict.fromkeys(("and", "&&", "or", "||"), (("bool",), BOOL)),
    **dict.fromkeys(("matches", "contains", "startsWith", "endsWith"), (("string",), BOOL)),
}


def operation(node: Binary, left: Type, right: Type) -> Type | None:
    """The type of what an operator makes, None where it has no meaning between these."""
    if node.sign in {"==", "!="}:
        return BOOL if comparable(left, right) else None
    if node.sign == "??":
        return _otherwise(left, right)
    if node.sign == "in":
        return _membership(node, left, right)
    if node.sign == "matches" and isinstance(node.right, Literal) and isinstance(node.right.value, str):
        regexp.compiled(node.right.value, node.right.at)
    kinds, result = _SIGNS[node.sign]
    if not compatible(left, right, *kinds):
        return None
    return result or _joined(left, right)


def _joined(left: Type, right: Type) -> Type:
    """Of two that fit: the wider."""
    if left.unknown or right.unknown:
        return UNKNOWN
    return FLOAT if FLOAT in {left, right} else left


def _otherwise(left: Type, right: Type) -> Type:
    if NIL in {left, right}:
        return right if left == NIL else left
    return left if assignable(right, left) else UNKNOWN


def _membership(node: Binary, left: Type, right: Type) -> Type | None:
    if right.kind == "map" and not (left.unknown or left == STRING):
        raise Refusal(f"{left} is never a key of a map", node.at, "keys are strings")
    if right.kind == "array" and not comparable(left, right.held):
        raise Refusal(f"{left} is never in an array of {right.held}", node.at, "compare like with like")
    if right.unknown or right.kind in {"map", "array"} or (left.unknown and right.kind == "string"):
        return BOOL
    return None
