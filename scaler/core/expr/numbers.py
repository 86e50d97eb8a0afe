"""What expr's functions of numbers do: rounding, conversions, extremes, averages, bits."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scaler.core.expr import strings
from scaler.core.expr.duration import Duration
from scaler.core.expr.errors import MAX_DEPTH, Budget, Refusal
from scaler.core.expr.values import is_array, is_number, kind, less, real, to_int, wrapped

__all__ = ["NUMBER_FUNCTIONS"]


def _abs(_: Budget, value: Any) -> Any:
    if not is_number(value):
        raise Refusal(f"abs cannot take {kind(value)}")
    return wrapped(abs(value)) if isinstance(value, int) else abs(value)


def _rounded(how: Callable[[float], float]) -> Callable[[Budget, Any], float]:
    def function(_: Budget, value: Any) -> float:
        given = real(value)
        # From 2**52 on every float is whole, and an infinite one is no int.
        return how(given) if abs(given) < 1 << 52 else given

    return function


def _half_away(value: float) -> float:
    whole = math.trunc(value)
    return math.copysign(abs(whole) + (abs(value - whole) >= 0.5), value)


def _int(_: Budget, value: Any) -> int:
    if isinstance(value, Duration):
        return value.nanoseconds
    if not isinstance(value, str):
        return to_int(value)
    try:
        return strings.to_integer(value)
    except ValueError:
        raise Refusal(f"int({value[:80]!r}): the text is no int", mend="write digits only") from None


def _float(_: Budget, value: Any) -> float:
    if not isinstance(value, str):
        if value is None:
            raise Refusal(
                "the result is nil, which is no number",
                mend="nil stands for a trigger whose fallback is engaged, or for nothing found: "
                "give another value with ??",
            )
        return real(value)
    try:
        return strings.to_float(value)
    except ValueError:
        raise Refusal(f"float({value[:80]!r}): the text is no number", mend="write it like 2.5") from None


def _numbers(name: str, given: Any, budget: Budget, depth: int = 0) -> Iterator[Any]:
    """The numbers among the arguments and in arrays among them."""
    if depth > MAX_DEPTH:
        raise Refusal(f"arrays lie too deep inside one another for {name}", mend="flatten them")
    for each in given:
        budget.step()
        if is_array(each):
            yield from _numbers(name, each, budget, depth + 1)
        elif is_number(each):
            yield each
        else:
            raise Refusal(f"{name} cannot take {kind(each)}", mend="give it numbers only")


def _extreme(name: str, better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def function(budget: Budget, *given: Any) -> Any:
        if len(given) == 1 and not (is_array(given[0]) or is_number(given[0])):
            return given[0]
        best: Any = None
        for each in _numbers(name, given, budget):
            if best is None or better(best, each):
                best = each
        return best

    return function


def _mean(budget: Budget, *given: Any) -> float:
    numbers = [float(each) for each in _numbers("mean", given, budget)]
    # One after another as in Go; sum() would add more exactly in newer Pythons.
    total = 0.0
    for each in numbers:
        total += each
    return total / len(numbers) if numbers else 0.0


def _median(budget: Budget, *given: Any) -> float:
    numbers = [float(each) for each in _numbers("median", given, budget)]
    # sort.Float64s puts NaN first.
    numbers.sort(key=lambda each: (not math.isnan(each), each))
    middle = len(numbers) // 2
    if len(numbers) % 2:
        return numbers[middle]
    return (numbers[middle - 1] + numbers[middle]) / 2 if numbers else 0.0


def _shift(sign: str, count: Any) -> int:
    if to_int(count) < 0:
        raise Refusal(f"{sign} by {count}", mend="shift by 0 or more")
    # Beyond its 64 bits an int holds nothing.
    return min(to_int(count), 64)


def _bits(operator: Callable[[int, int], int]) -> Callable[[Budget, Any, Any], int]:
    def function(_: Budget, left: Any, right: Any) -> int:
        return wrapped(operator(_whole(left), _whole(right)))

    return function


def _whole(value: Any) -> int:
    if not is_number(value) or isinstance(value, float):
        raise Refusal(f"a function on bits cannot take {kind(value)}", mend="convert with int()")
    return int(value)


NUMBER_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": _abs,
    "ceil": _rounded(math.ceil),
    "floor": _rounded(math.floor),
    "round": _rounded(_half_away),
    "int": _int,
    "float": _float,
    "max": _extreme("max", less),
    "min": _extreme("min", lambda best, each: less(each, best)),
    "mean": _mean,
    "median": _median,
    "bitand": _bits(lambda left, right: left & right),
    "bitor": _bits(lambda left, right: left | right),
    "bitxor": _bits(lambda left, right: left ^ right),
    "bitnand": _bits(lambda left, right: left & ~right),
    "bitshl": _bits(lambda left, right: left << _shift("bitshl", right)),
    "bitshr": _bits(lambda left, right: left >> _shift("bitshr", right)),
    "bitushr": _bits(lambda left, right: left % (1 << 64) >> _shift("bitushr", right)),
    "bitnot": lambda _, value: ~_whole(value),
}
"""What these functions do; each takes the budget and its arguments."""
