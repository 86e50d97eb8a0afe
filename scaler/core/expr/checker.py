"""The types of a formula's parts, found before it runs, by the rules of expr's checker.

It refuses what can never be right: an unknown name, a number plus a text, a condition that is no boolean.
What it lets through may still fail on the values of the moment.
"""

from collections.abc import Callable, Collection
from typing import Any

from scaler.core.expr.duration import DURATION_METHODS
from scaler.core.expr.errors import Refusal, unsupported
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
from scaler.core.expr.operations import operation
from scaler.core.expr.signatures import FUNCTIONS, PREDICATES
from scaler.core.expr.types import (
    ARRAY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MAP,
    NIL,
    STRING,
    UNKNOWN,
    Type,
    array_of,
    assignable,
    compatible,
)

__all__ = ["ENVIRONMENT", "check"]

ENVIRONMENT = "$env"
"""The name under which all triggers lie together, for names that are no identifiers."""
_LITERALS: dict[type, Type] = {bool: BOOL, int: INT, float: FLOAT, str: STRING, type(None): NIL}
_CONDITIONS = frozenset({"all", "none", "any", "one", "filter", "count"})
_CONDITIONS |= {"find", "findIndex", "findLast", "findLastIndex"}
_BOOLEANS = frozenset({"all", "none", "any", "one"})
_INDEXES = frozenset({"count", "findIndex", "findLastIndex"})


def check(root: Node, names: Collection[str]) -> Type:
    """The type of a formula over triggers of these names. Raises Refusal."""
    return _Checker(frozenset(names)).visit(root)


class _Checker:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._variables: dict[str, Type] = {}
        self._pointers: list[dict[str, Type]] = []
        self._visits: dict[type[Node], Callable[[Any], Type]] = {
            Literal: self._literal,
            Name: self._name,
            Pointer: self._pointer,
            Unary: self._unary,
            Binary: self._binary,
            Comparison: self._comparison,
            Conditional: self._conditional,
            Chain: lambda node: self.visit(node.body),
            Member: self._member,
            Method: self._method,
            Slice: self._slice,
            Function: self._function,
            Predicate: lambda node: self.visit(node.body),
            Let: self._let,
            Sequence: lambda node: [self.visit(each) for each in node.items][-1],
            Array: self._array,
            Map: self._map,
        }

    def visit(self, node: Node) -> Type:
        """The type of a part."""
        return self._visits[type(node)](node)

    def _literal(self, node: Literal) -> Type:
        return _LITERALS[type(node.value)]

    def _name(self, node: Name) -> Type:
        if node.name in self._variables:
            return self._variables[node.name]
        if node.name == ENVIRONMENT:
            return UNKNOWN
        return self._trigger(node.name, node.at)

    def _trigger(self, name: str, at: int) -> Type:
        if name in self._names:
            return FLOAT
        if name in FUNCTIONS or name in PREDICATES:
            raise Refusal(f"{name} is a function and stands here without arguments", at, "call it")
        known = ", ".join(sorted(self._names)) or "there are none: give the triggers names"
        raise Refusal(f"unknown name {name}", at, f"the named triggers are: {known}")

    def _pointer(self, node: Pointer) -> Type:
        if not self._pointers:
            raise Refusal("'#' outside of a predicate", node.at, "use it in filter, map and their like")
        if node.name not in self._pointers[-1]:
            raise Refusal(f"#{node.name} means nothing here", node.at, "use #")
        return self._pointers[-1][node.name]

    def _unary(self, node: Unary) -> Type:
        operand = self.visit(node.operand)
        if node.sign in {"!", "not"}:
            if operand == BOOL or operand.unknown:
                return BOOL
        elif operand.number or operand.unknown:
            return operand if operand.number else UNKNOWN
        raise Refusal(
            f"{node.sign!r} before {operand}", node.at, "it takes a number" if node.sign in "+-" else ""
        )

    def _binary(self, node: Binary) -> Type:
        chain = [node]
        while isinstance(chain[-1].left, Binary):
            chain.append(chain[-1].left)
        left = self.visit(chain[-1].left)
        for each in reversed(chain):
            left = self._joined(each, left, self.visit(each.right))
        return left

    def _joined(self, node: Binary, left: Type, right: Type) -> Type:
        found = operation(node, left, right)
        if found is None:
            mend = "convert one side with int(), float() or string()"
            if node.sign == "%" and FLOAT in {left, right}:
                mend = "triggers are floats and % takes ints: convert with int()"
            raise Refusal(f"{node.sign!r} between {left} and {right}", node.at, mend)
        return found

    def _comparison(self, node: Comparison) -> Type:
        types = [self.visit(each) for each in node.operands]
        for sign, left, right in zip(node.signs, types, types[1:], strict=False):
            if not compatible(left, right, "number", "string", "duration"):
                raise Refusal(f"{sign!r} between {left} and {right}", node.at, "compare like with like")
        return BOOL

    def _conditional(self, node: Conditional) -> Type:
        test = self.visit(node.test)
        if test != BOOL and not test.unknown:
            raise Refusal(f"a condition is {test}, not bool", node.test.at, "compare it with something")
        yes = test if node.yes is None else self.visit(node.yes)
        no = self.visit(node.no)
        if NIL in {yes, no}:
            return no if yes == NIL else yes
        if not assignable(yes, no):
            return UNKNOWN
        if yes.kind == no.kind == "array" and yes.held != no.held:
            return ARRAY
        return yes

    def _member(self, node: Member) -> Type:
        if isinstance(node.owner, Name) and node.owner.name == ENVIRONMENT:
            if isinstance(node.key, Literal) and isinstance(node.key.value, str):
                missing = node.optional and node.key.value not in self._names
                return UNKNOWN if missing else self._trigger(node.key.value, node.key.at)
            self.visit(node.key)
            return UNKNOWN
        owner, key = self.visit(node.owner), self.visit(node.key)
        if owner.unknown:
            return UNKNOWN
        if owner.kind == "map":
            if key != STRING and not key.unknown:
                raise Refusal(f"a map has no key of type {key}", node.key.at, "keys are strings")
            return owner.held
        if owner.kind == "array":
            if key != INT and not key.unknown:
                raise Refusal(f"an array has no element {key}", node.key.at, "count from 0 with an int")
            return owner.held
        named = isinstance(node.key, Literal) and isinstance(node.key.value, str)
        what = f"member {node.key.value}" if named and isinstance(node.key, Literal) else "elements"
        raise Refusal(f"{owner} has no {what}", node.at)

    def _method(self, node: Method) -> Type:
        owner = self.visit(node.owner)
        given = tuple(self.visit(each) for each in node.arguments)
        if owner == DURATION and node.name in DURATION_METHODS:
            if given:
                raise Refusal(f"{node.name} takes no arguments", node.at)
            return FLOAT if node.name in {"Hours", "Minutes", "Seconds"} else INT
        if owner.unknown or owner == DURATION:
            raise unsupported(f"the method {node.name}", node.at)
        raise Refusal(f"{owner} has no method {node.name}", node.at)

    def _slice(self, node: Slice) -> Type:
        owner = self.visit(node.owner)
        if owner.unknown:
            return UNKNOWN
        if owner.kind not in {"string", "array"}:
            raise Refusal(f"{owner} has no parts", node.at, "slice an array or a string")
        for bound in (node.start, node.stop):
            found = INT if bound is None else self.visit(bound)
            if found != INT and not found.unknown:
                raise Refusal(f"a slice's bound is {found}", node.at, "use an int")
        return owner

    def _let(self, node: Let) -> Type:
        taken = node.name in self._variables or node.name in self._names
        if taken or node.name in FUNCTIONS or node.name in PREDICATES:
            raise Refusal(f"{node.name} has a meaning already", node.at, "choose another name")
        self._variables[node.name] = self.visit(node.value)
        found = self.visit(node.body)
        del self._variables[node.name]
        return found

    def _array(self, node: Array) -> Type:
        types = [self.visit(each) for each in node.items]
        if len({each.kind.replace("unknown", "nil") for each in types}) > 1:
            return ARRAY
        return array_of(types[-1] if types else UNKNOWN)

    def _map(self, node: Map) -> Type:
        for each in (*node.keys, *node.values):
            self.visit(each)
        return MAP

    def _function(self, node: Function) -> Type:
        if node.name in PREDICATES:
            return self._with_predicate(node)
        given = tuple(self.visit(each) for each in node.arguments)
        try:
            return FUNCTIONS[node.name](node.name, given)
        except Refusal as refusal:
            refusal.at = node.at
            raise

    def _with_predicate(self, node: Function) -> Type:
        collection = self.visit(node.arguments[0])
        if collection.kind != "array" and not collection.unknown:
            raise Refusal(f"{node.name} takes an array, not {collection}", node.arguments[0].at, "use [ ]")
        held = collection.held if collection.kind == "array" else UNKNOWN
        if len(node.arguments) == 1:
            return INT if node.name == "count" else held
        pointers = {"": held}
        if node.name in {"map", "reduce"}:
            pointers["index"] = INT
        if node.name == "reduce":
            pointers["acc"] = UNKNOWN
        found = self._predicate(node, pointers)
        for extra in node.arguments[2:]:
            self.visit(extra)
        results = {"filter": array_of(held), "map": array_of(found), "sortBy": collection}
        results |= dict.fromkeys(_BOOLEANS, BOOL) | dict.fromkeys(_INDEXES, INT)
        results |= {"sum": found, "reduce": found, "find": held, "findLast": held}
        if collection.unknown and node.name in {"filter", "find", "findLast"}:
            return ARRAY if node.name == "filter" else UNKNOWN
        return results[node.name]

    def _predicate(self, node: Function, pointers: dict[str, Type]) -> Type:
        predicate = node.arguments[1]
        self._pointers.append(pointers)
        found = self.visit(predicate)
        self._pointers.pop()
        if found == NIL:
            raise Refusal(f"the predicate of {node.name} is nil", predicate.at)
        if node.name in _CONDITIONS and found != BOOL and not found.unknown:
            raise Refusal(f"the predicate of {node.name} is {found}, not bool", predicate.at, "compare #")
        return found
