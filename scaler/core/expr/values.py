"""The values of a running formula and expr's arithmetic on them.

Go's rules: an int has 64 bits and wraps around, a float divided by zero is infinite, an int is a float as soon
as it meets one. Values are int, float, bool, str, None, Duration, list or range (an array) and dict (a map).
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from scaler.core.expr.duration import Duration
from scaler.core.expr.errors import MAX_DEPTH, Budget, Refusal

__all__ = [
    "Array",
    "add",
    "compared",
    "divide",
    "equal",
    "is_array",
    "is_number",
    "kind",
    "less",
    "modulo",
    "multiply",
    "negative",
    "power",
    "real",
    "subtract",
    "to_int",
    "wrapped",
]

Array = list[Any] | range
_BITS = 64
_ORDERS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_SMALLEST = -(1 << 63)


def kind(value: object) -> str:
    """The name of a value's type, as in the checker."""
    if value is None:
        return "nil"
    if is_array(value):
        return "array"
    names: dict[type, str] = {bool: "bool", str: "string", dict: "map", Duration: "duration"}
    return names.get(type(value), type(value).__name__)


def is_number(value: object) -> bool:
    """An int or a float; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_array(value: object) -> bool:
    """A list, or a range that has not been written out."""
    return isinstance(value, list | range)


def wrapped(value: int) -> int:
    """An int in its 64 bits."""
    return (value - _SMALLEST) % (1 << _BITS) + _SMALLEST


def to_int(value: Any) -> int:
    """A number as int: floats are cut; what does not fit becomes the smallest int, as on amd64."""
    if not is_number(value):
        raise Refusal(f"{kind(value)} is no int")
    if isinstance(value, float):
        fits = math.isfinite(value) and _SMALLEST <= value < -_SMALLEST
        return int(value) if fits else _SMALLEST
    return int(value)


def real(value: Any) -> float:
    """A number as float."""
    if not is_number(value):
        raise Refusal(f"{kind(value)} is no number")
    return float(value)


def _wrong(sign: str, left: object, right: object) -> Refusal:
    mend = ""
    if left is None or right is None:
        mend = "nil stands for a trigger whose fallback is engaged, or for nothing found: give another value with ??"
    return Refusal(f"{sign!r} between {kind(left)} and {kind(right)}", mend=mend)


def _arithmetic(sign: str, ints: Callable[[int, int], int], floats: Callable[[float, float], float]) -> Any:
    def calculate(left: Any, right: Any) -> Any:
        if is_number(left) and is_number(right):
            if isinstance(left, int) and isinstance(right, int):
                return wrapped(ints(left, right))
            return floats(float(left), float(right))
        if isinstance(left, Duration) and isinstance(right, Duration):
            return Duration(wrapped(ints(left.nanoseconds, right.nanoseconds)))
        raise _wrong(sign, left, right)

    return calculate


_sum = _arithmetic("+", lambda left, right: left + right, lambda left, right: left + right)
subtract = _arithmetic("-", lambda left, right: left - right, lambda left, right: left - right)
multiply = _arithmetic("*", lambda left, right: left * right, lambda left, right: left * right)


def add(left: Any, right: Any, budget: Budget) -> Any:
    """A sum, or two texts as one."""
    if isinstance(left, str) and isinstance(right, str):
        budget.grow(len(left) + len(right))
        return left + right
    return _sum(left, right)


def divide(left: Any, right: Any) -> float:
    """Always a float; by zero it is infinite, or NaN for 0 / 0."""
    if not (is_number(left) and is_number(right)):
        raise _wrong("/", left, right)
    above, below = float(left), float(right)
    if below:
        return above / below
    if above == 0 or math.isnan(above):
        return math.nan
    return math.copysign(math.inf, above) * math.copysign(1.0, below)


def modulo(left: Any, right: Any) -> int:
    """The rest of a division of ints, with the sign of the first. Raises Refusal for zero."""
    if not all(is_number(each) and isinstance(each, int) for each in (left, right)):
        raise _wrong("%", left, right)
    if right == 0:
        raise Refusal("an int divided by zero has no rest", mend="make sure that what follows % is not 0")
    rest: int = abs(left) % abs(right)
    return -rest if left < 0 else rest


def power(left: Any, right: Any) -> float:
    """Go's math.Pow, which is never an error."""
    if not (is_number(left) and is_number(right)):
        raise _wrong("**", left, right)
    base, exponent = float(left), float(right)
    odd = math.isfinite(exponent) and math.fmod(exponent, 2.0) in {1.0, -1.0}
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        # Zero to a negative power is infinite, a root of a negative number is none.
        return (math.copysign(math.inf, base) if odd else math.inf) if base == 0 else math.nan


def negative(value: Any) -> Any:
    """`-value`."""
    if not is_number(value):
        raise Refusal(f"'-' before {kind(value)}")
    return wrapped(-value) if isinstance(value, int) else -value


def compared(sign: str, left: Any, right: Any) -> bool:
    """`<`, `>`, `<=` or `>=` among numbers, texts or durations. Raises Refusal for anything else."""
    if is_number(left) and is_number(right):
        if not (isinstance(left, int) and isinstance(right, int)):
            left, right = float(left), float(right)
    elif isinstance(left, Duration) and isinstance(right, Duration):
        left, right = left.nanoseconds, right.nanoseconds
    elif not (isinstance(left, str) and isinstance(right, str)):
        raise _wrong(sign, left, right)
    # Texts: Go compares the bytes of UTF-8, whose order is that of the characters.
    return bool(_ORDERS[sign](left, right))


def less(left: Any, right: Any) -> bool:
    """`left < right`."""
    return compared("<", left, right)


def equal(left: Any, right: Any, budget: Budget, depth: int = 0) -> bool:
    """`==`: numbers by value, arrays by what they hold; maps by the same kinds of values, as Go compares them."""
    budget.step()
    if depth > MAX_DEPTH:
        raise Refusal("arrays lie too deep inside one another to be compared", mend="flatten them")
    if is_number(left) and is_number(right):
        return compared("<=", left, right) and compared(">=", left, right)
    if is_array(left) and is_array(right):
        return len(left) == len(right) and all(
            equal(one, other, budget, depth + 1) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            kind(value) == kind(right[key]) and equal(value, right[key], budget, depth + 1)
            for key, value in left.items()
        )
    return kind(left) == kind(right) and bool(left == right)
