"""Runs a formula that the checker let through, on the values of the moment."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scaler.core.expr import functions, regexp, strings, values
from scaler.core.expr.checker import ENVIRONMENT
from scaler.core.expr.duration import DURATION_METHODS
from scaler.core.expr.errors import MAX_ELEMENTS, Budget, Refusal
from scaler.core.expr.nodes import (
    Array,
    Binary,
    Chain,
    Comparison,
    Conditional,
    Function,
    Let,
    Literal,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Predicate,
    Sequence,
    Slice,
    Unary,
)
from scaler.core.expr.predicates import Item, run
from scaler.core.expr.signatures import PREDICATES
from scaler.core.expr.values import is_array, kind, to_int

__all__ = ["evaluate"]

_LAZY = frozenset({"and", "&&", "or", "||", "??"})


class _Stopped(Exception):
    """A `?.` met nil: the way out of a chain, no error."""


def evaluate(root: Node, values: Mapping[str, float | None], missing: float | None = None) -> Any:
    """What a formula comes to; `missing` is what `$env` answers for a name it has not. Raises Refusal."""
    return _Evaluator(values, missing).visit(root)


class _Evaluator:
    def __init__(self, values: Mapping[str, float | None], missing: float | None) -> None:
        self._values = dict(values)
        self._missing = missing
        self._variables: dict[str, Any] = {}
        self._items: list[Item] = []
        self._budget = Budget()
        self._visits: dict[type[Node], Callable[[Any], Any]] = {
            Literal: lambda node: node.value,
            Name: self._name,
            Pointer: lambda node: self._items[-1].pointer(node.name),
            Unary: self._unary,
            Binary: self._binary,
            Comparison: self._comparison,
            Conditional: self._conditional,
            Chain: self._chain,
            Member: self._member,
            Method: self._method,
            Slice: self._slice,
            Function: self._function,
            Let: self._let,
            Sequence: lambda node: [self.visit(each) for each in node.items][-1],
            Array: self._array,
            Map: self._map,
        }

    def visit(self, node: Node) -> Any:
        """The value of a part. A refusal without a place gets this one."""
        try:
            self._budget.step()
            return self._visits[type(node)](node)
        except Refusal as refusal:
            if refusal.at is None:
                refusal.at = node.at
            raise

    def _name(self, node: Name) -> Any:
        if node.name in self._variables:
            return self._variables[node.name]
        return self._values if node.name == ENVIRONMENT else self._values[node.name]

    def _unary(self, node: Unary) -> Any:
        operand = self.visit(node.operand)
        if node.sign in {"!", "not"}:
            return not _boolean(operand, "what follows not")
        return values.negative(operand) if node.sign == "-" else operand

    def _binary(self, node: Binary) -> Any:
        chain = [node]
        while isinstance(chain[-1].left, Binary):
            chain.append(chain[-1].left)
        left = self.visit(chain[-1].left)
        for each in reversed(chain):
            self._budget.step()
            left = self._lazy(each, left) if each.sign in _LAZY else self._joined(each, left)
        return left

    def _lazy(self, node: Binary, left: Any) -> Any:
        if node.sign == "??":
            return self.visit(node.right) if left is None else left
        decided = node.sign in {"or", "||"}
        if _boolean(left, f"the left side of {node.sign}") == decided:
            return decided
        return _boolean(self.visit(node.right), f"the right side of {node.sign}")

    def _joined(self, node: Binary, left: Any) -> Any:
        right = self.visit(node.right)
        try:
            if node.sign == "..":
                return self._range(node, left, right)
            return _OPERATORS[node.sign](left, right, self._budget)
        except Refusal as refusal:
            if refusal.at is None:
                refusal.at = node.at
            raise

    def _range(self, node: Binary, left: Any, right: Any) -> range:
        first, last = to_int(left), to_int(right)
        size = max(last - first + 1, 0)
        # expr makes a range of literals while it compiles, where its budget does not count.
        literal = isinstance(node.left, Literal) and isinstance(node.right, Literal)
        if not (literal and size <= MAX_ELEMENTS + 1):
            self._budget.grow(size)
        return range(first, first + size)

    def _comparison(self, node: Comparison) -> bool:
        left = self.visit(node.operands[0])
        for sign, operand in zip(node.signs, node.operands[1:], strict=True):
            right = self.visit(operand)
            if not values.compared(sign, left, right):
                return False
            left = right
        return True

    def _conditional(self, node: Conditional) -> Any:
        test = self.visit(node.test)
        if not _boolean(test, "a condition"):
            return self.visit(node.no)
        return test if node.yes is None else self.visit(node.yes)

    def _chain(self, node: Chain) -> Any:
        try:
            return self.visit(node.body)
        except _Stopped:
            return None

    def _owner(self, node: Member | Method) -> Any:
        owner = self.visit(node.owner)
        if owner is None and node.optional:
            raise _Stopped
        return owner

    def _member(self, node: Member) -> Any:
        owner = self._owner(node)
        key = self.visit(node.key)
        if owner is self._values:
            return owner.get(key, self._missing) if isinstance(key, str) else _no_member(owner, key)
        if isinstance(owner, dict):
            return owner.get(key) if isinstance(key, str) else _no_member(owner, key)
        if not is_array(owner):
            return _no_member(owner, key)
        index = to_int(key)
        if not -len(owner) <= index < len(owner):
            raise Refusal(f"element {index} of an array of {len(owner)}", mend="check its len() first")
        return owner[index]

    def _method(self, node: Method) -> Any:
        return DURATION_METHODS[node.name](self._owner(node))

    def _slice(self, node: Slice) -> Any:
        owner = self.visit(node.owner)
        if not (is_array(owner) or isinstance(owner, str)):
            raise Refusal(f"{kind(owner)} has no parts", mend="slice an array or a string")
        length = len(owner.encode() if isinstance(owner, str) else owner)
        start = 0 if node.start is None else self._bound(node.start, length)
        stop = length if node.stop is None else self._bound(node.stop, length)
        start = min(start, stop)
        return strings.cut(owner, start, stop) if isinstance(owner, str) else owner[start:stop]

    def _bound(self, node: Node, length: int) -> int:
        bound = to_int(self.visit(node))
        return min(max(bound + length * (bound < 0), 0), length)

    def _function(self, node: Function) -> Any:
        given = (self.visit(each) for each in node.arguments if not isinstance(each, Predicate))
        if node.name in PREDICATES:
            return run(node.name, list(given), self._applied(node), self._budget)
        return functions.call(node.name, list(given), self._budget)

    def _applied(self, node: Function) -> Callable[[Item], Any] | None:
        """What the predicate makes of an element."""
        predicate = node.arguments[1] if len(node.arguments) > 1 else None
        if not isinstance(predicate, Predicate):
            return None
        body = predicate.body

        def applied(item: Item) -> Any:
            self._items.append(item)
            found = self.visit(body)
            self._items.pop()
            return found

        return applied

    def _let(self, node: Let) -> Any:
        self._variables[node.name] = self.visit(node.value)
        found = self.visit(node.body)
        del self._variables[node.name]
        return found

    def _array(self, node: Array) -> list[Any]:
        self._budget.grow(len(node.items))
        return [self.visit(each) for each in node.items]

    def _map(self, node: Map) -> dict[str, Any]:
        self._budget.grow(len(node.keys))
        found: dict[str, Any] = {}
        for key, value in self._pairs(node):
            # Of two values with one key expr keeps the first.
            found.setdefault(key, value)
        return found

    def _pairs(self, node: Map) -> Iterator[tuple[str, Any]]:
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            key, value = self.visit(key_node), self.visit(value_node)
            if not isinstance(key, str):
                raise Refusal(f"a key is {kind(key)}", key_node.at, "keys are strings")
            yield key, value


def _boolean(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise Refusal(f"{what} is {kind(value)}, not bool", mend="compare it with something")
    return value


def _no_member(owner: Any, key: Any) -> Any:
    mend = "use ?. or ?? where there may be nil" if owner is None else ""
    raise Refusal(f"{kind(owner)} has no member {strings.text(key, Budget())[:80]}", mend=mend)


def _contained(left: Any, right: Any, budget: Budget) -> bool:
    if right is None:
        return False
    if isinstance(right, dict):
        return isinstance(left, str) and left in right
    if not is_array(right):
        raise Refusal(f"'in' {kind(right)}", mend="ask an array or a map")
    return any(values.equal(each, left, budget) for each in right)


def _on_texts(sign: str, test: Callable[[str, str, Budget], bool]) -> Callable[[Any, Any, Budget], bool]:
    def operator(left: Any, right: Any, budget: Budget) -> bool:
        if left is None or right is None:
            return False
        if not (isinstance(left, str) and isinstance(right, str)):
            raise Refusal(f"{sign!r} between {kind(left)} and {kind(right)}", mend="use texts")
        return test(left, right, budget)

    return operator


_OPERATORS: Mapping[str, Callable[[Any, Any, Budget], Any]] = {
    "+": values.add,
    "-": lambda left, right, _: values.subtract(left, right),
    "*": lambda left, right, _: values.multiply(left, right),
    "/": lambda left, right, _: values.divide(left, right),
    "%": lambda left, right, _: values.modulo(left, right),
    "**": lambda left, right, _: values.power(left, right),
    "^": lambda left, right, _: values.power(left, right),
    "==": values.equal,
    "!=": lambda left, right, budget: not values.equal(left, right, budget),
    "in": _contained,
    "contains": _on_texts("contains", lambda text, part, _: part in text),
    "startsWith": _on_texts("startsWith", lambda text, part, _: text.startswith(part)),
    "endsWith": _on_texts("endsWith", lambda text, part, _: text.endswith(part)),
    "matches": _on_texts("matches", lambda text, part, budget: regexp.compiled(part).found_in(text, budget)),
}
