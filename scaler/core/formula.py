"""`scalingModifiers.formula`: one number made of the values of all named triggers, in expr's language.

This is the door to the formula language (`formula_*`): lexer, parser, checker and evaluator, all pure and all
bounded (`expr/errors`). It adds what KEDA does around expr (facts 3.7): the cast of the result to float,
the dry run with every trigger at -1, and what the result is for: a metric in thousandths.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from scaler.core.expr import checker, evaluator, parser, strings
from scaler.core.expr.checker import ENVIRONMENT
from scaler.core.expr.errors import MAX_LENGTH, FormulaError, Refusal
from scaler.core.expr.nodes import Literal, Member, Name, Node, walk
from scaler.core.expr.values import kind

__all__ = ["Formula", "FormulaError", "compile", "milli", "parse_target"]

_DRY = -1.0
_RESULT = "_kedaCompositeResult"
_NO_CAST = ("", "")
_CAST = ("float(", ")")
# KEDA asks for ?? anywhere in the text; then nil stays nil and means the fallback's replicas.
_CAST_UNLESS_NIL = (f"let {_RESULT} = (", f"); {_RESULT} == nil ? nil : float({_RESULT})")
_LARGEST = float(1 << 63)
_GUARD = "guard divisions, as in b > 0 ? a / b : 0"


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that passed its checks. Two of the same text are the same formula."""

    text: str
    """As the user wrote it."""
    names: frozenset[str] = field(compare=False)
    """The triggers it uses; all of them where it uses `$env` as a whole."""
    root: Node = field(compare=False, repr=False)
    cast: tuple[str, str] = field(compare=False, repr=False)
    """What KEDA puts before and behind the text; places in the tree count from its beginning."""

    def evaluate(self, values: Mapping[str, float | None]) -> float | None:
        """The composite value, not rounded; None stands for `fallback.replicas` times the target.

        A value is None for a trigger whose fallback is engaged with behavior `scalingModifiers`. Raises
        FormulaError for a trigger without a value, for what expr fails on, and, unlike KEDA, for a result
        that is no finite number or too large for a metric.
        """
        absent = sorted(self.names - values.keys())
        if absent:
            raise FormulaError(f"no value for {', '.join(absent)}", mend="give every trigger's value")
        try:
            found = _run(self, values)
        except Refusal as refusal:
            raise _placed(refusal, self.text, self.cast) from None
        if found is not None and not abs(found) * 1000 < _LARGEST:
            raise _not_a_metric(found)
        return found


def compile(formula: str, names: Collection[str]) -> Formula:  # noqa: A001 - what it does, as in `re.compile`
    """Check a formula over the named triggers (not cpu and memory ones).

    Raises FormulaError for an empty or oversized text, for what expr's parser and checker refuse, and for a
    formula that fails when every trigger is -1.
    """
    _bounded(formula)
    cast = _NO_CAST if formula.startswith("float(") else _CAST_UNLESS_NIL if "??" in formula else _CAST
    try:
        root = _parsed(formula, cast, names)
        _checked(root, names, formula, cast)
        made = Formula(formula, _used(root, names), root, cast)
        _tried(made, names)
    except Refusal as refusal:
        raise _placed(refusal, formula, cast) from None
    return made


def _bounded(formula: str) -> None:
    if formula.encode(errors="ignore").decode() != formula:
        raise FormulaError("the formula holds half a character", mend="write the whole character")
    if not formula.strip():
        raise FormulaError("the formula is empty", mend="write one, or take scalingModifiers out")
    if len(formula) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(formula):,} characters, more than {MAX_LENGTH:,}", mend="make it shorter"
        )


def _parsed(formula: str, cast: tuple[str, str], names: Collection[str]) -> Node:
    """The tree of a formula in its cast."""
    try:
        return parser.parse(formula.join(cast), names)
    except Refusal as refusal:
        # What is wrong with the text alone is easier to understand.
        alone = _complaint(formula, names)
        if alone is not None:
            raise Refusal(alone.problem, (alone.at or 0) + len(cast[0]), alone.mend) from None
        if not refusal.mend:
            refusal.mend = "it is put into float( ): write one expression, and no // comment at its end"
        raise


def _complaint(formula: str, names: Collection[str]) -> Refusal | None:
    try:
        parser.parse(formula, names)
    except Refusal as refusal:
        return refusal
    return None


def _checked(root: Node, names: Collection[str], formula: str, cast: tuple[str, str]) -> None:
    try:
        found = checker.check(root, names)
    except Refusal as refusal:
        if 0 <= (refusal.at or 0) - len(cast[0]) < len(formula) or cast == _NO_CAST:
            raise
        refusal.mend = "make a number of it, as in a > b ? 1 : 0"
        refusal.problem = f"the result is no number: {refusal.problem}"
        raise
    if not (found.number or found.unknown):
        raise Refusal(f"the result is {found}, no number", 0, "make a number of it, as in a > b ? 1 : 0")


def _tried(made: Formula, names: Collection[str]) -> None:
    """The dry run. A result that is no metric passes it: -1 need not be a sensible value."""
    try:
        _run(made, dict.fromkeys(names, _DRY), 0.0)
    except Refusal as refusal:
        tried = "it is tried with every trigger at -1"
        refusal.mend = f"{refusal.mend}; {tried}" if refusal.mend else tried
        raise


def _run(formula: Formula, values: Mapping[str, float | None], missing: float | None = None) -> float | None:
    found = evaluator.evaluate(formula.root, values, missing)
    if found is None and formula.cast == _CAST_UNLESS_NIL:
        return None
    return _number(found)


def _number(found: Any) -> float:
    """expr's own cast of the result, behind KEDA's."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Refusal(f"the result is {kind(found)}, no number", 0, "convert it with float()")
    return float(found)


def _used(root: Node, names: Collection[str]) -> frozenset[str]:
    """The triggers that a formula reads."""
    known = frozenset(names)
    found: set[str] = set()
    by_name: set[int] = set()
    # A member comes before its owner, so `$env` is seen after what is asked of it.
    for node, _ in walk(root):
        if isinstance(node, Member) and isinstance(node.owner, Name) and isinstance(node.key, Literal):
            if node.owner.name == ENVIRONMENT and isinstance(node.key.value, str):
                found.add(node.key.value)
                by_name.add(id(node.owner))
        elif isinstance(node, Name):
            found |= known if node.name == ENVIRONMENT and id(node) not in by_name else {node.name}
    return known & found


def _not_a_metric(found: float) -> FormulaError:
    if math.isnan(found):
        return FormulaError("the result is not a number, as in 0 / 0", mend=_GUARD)
    if math.isinf(found):
        return FormulaError("the result is infinite, as in 1 / 0", mend=_GUARD)
    return FormulaError(f"the result {found:g} is too large for a metric", mend="make it smaller than 9.2e15")


def _placed(refusal: Refusal, formula: str, cast: tuple[str, str]) -> FormulaError:
    """A refusal with its place in the user's own text."""
    at = min(max((refusal.at or 0) - len(cast[0]), 0), len(formula))
    line = formula.count("\n", 0, at) + 1
    return FormulaError(refusal.problem, line, at - formula.rfind("\n", 0, at), refusal.mend)


def milli(value: float) -> int:
    """A composite value in thousandths, cut as KEDA cuts it."""
    return int(value * 1000)


def parse_target(text: str) -> float:
    """`scalingModifiers.target` (facts 3.7): a float above 0, or NaN, which KEDA lets pass. Raises ValueError."""
    try:
        target = strings.to_float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number; write a number above 0, such as 2.5") from None
    if target <= 0:
        raise ValueError(f"{text!r} is not above 0; write a number above 0, such as 2.5")
    return target
