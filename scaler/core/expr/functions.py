"""What expr's functions of texts, arrays and maps do, and the table of all functions without a predicate.

What they take is in `expr/signatures`.
"""

from collections.abc import Callable, Mapping
from functools import cmp_to_key
from typing import Any

from scaler.core.expr import duration, strings
from scaler.core.expr.duration import Duration
from scaler.core.expr.errors import MAX_DEPTH, Budget, Refusal
from scaler.core.expr.numbers import NUMBER_FUNCTIONS
from scaler.core.expr.values import equal, is_array, kind, less, to_int

__all__ = ["call", "ordered"]


def call(name: str, given: list[Any], budget: Budget) -> Any:
    """The result of a function. Raises Refusal, without a place."""
    return _FUNCTIONS[name](budget, *given)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(f"{kind(value)} where a text belongs")
    return value


def _array(value: Any) -> Any:
    if not is_array(value):
        raise Refusal(f"{kind(value)} where an array belongs")
    return value


def _map(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(f"{kind(value)} where a map belongs")
    return value


def _len(_: Budget, value: Any) -> int:
    if not (is_array(value) or isinstance(value, str | dict)):
        raise Refusal(f"{kind(value)} has no length")
    return len(value)


def _type(_: Budget, value: Any) -> str:
    return "time.Duration" if isinstance(value, Duration) else kind(value)


def ordered(given: list[Any], order: Any, budget: Budget, keys: list[Any] | None = None) -> list[Any]:
    """Sorted by their keys (themselves without). `order` is asc or desc."""
    if order not in ("asc", "desc"):
        raise Refusal(f"{order!r} is no order", mend='write "asc" or "desc"')
    budget.grow(len(given))

    def compared(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
        budget.step()
        return less(other[0], one[0]) - less(one[0], other[0])

    pairs = list(zip(given if keys is None else keys, given, strict=True))
    pairs.sort(key=cmp_to_key(compared), reverse=order == "desc")
    return [value for _, value in pairs]


def _sort(budget: Budget, given: Any, order: Any = "asc") -> list[Any]:
    return ordered(list(_array(given)), order, budget)


def _trim(_: Budget, given: Any, characters: Any = None) -> str:
    return _text(given).strip(None if characters is None else _text(characters))


def _split(*, keep: bool) -> Callable[..., list[str]]:
    def function(budget: Budget, given: Any, separator: Any, most: Any = -1) -> list[str]:
        budget.grow(len(_text(given)))
        return strings.split(_text(given), _text(separator), to_int(most), keep=keep)

    return function


def _replace(budget: Budget, given: Any, old: Any, new: Any, most: Any = -1) -> str:
    text, times = _text(given), to_int(most)
    found = text.count(_text(old)) if times < 0 else min(times, text.count(_text(old)))
    budget.grow(len(text) + found * len(_text(new)))
    return text.replace(_text(old), _text(new), times)


def _repeat(budget: Budget, given: Any, times: Any) -> str:
    count = to_int(times)
    if count < 0:
        raise Refusal(f"repeat {count} times", mend="repeat 0 times or more")
    budget.grow(max(len(_text(given).encode()) * count, count))
    return _text(given) * count


def _join(budget: Budget, given: Any, glue: Any = "") -> str:
    parts = [_text(each) for each in _array(given)]
    budget.grow(sum(len(each) for each in parts) + len(parts) * len(_text(glue)))
    return _text(glue).join(parts)


def _index(find: Callable[[bytes, bytes], int]) -> Callable[[Budget, Any, Any], int]:
    return lambda _, given, part: find(_text(given).encode(), _text(part).encode())


def _at_end(which: int) -> Callable[[Budget, Any], Any]:
    def function(_: Budget, given: Any) -> Any:
        return given[which] if is_array(given) and len(given) else None

    return function


def _get(_: Budget, given: Any, key: Any) -> Any:
    """What is there, nil for what is not."""
    if given is None:
        return None
    if isinstance(given, dict):
        return given.get(key) if isinstance(key, str) else None
    index = to_int(key)
    index += len(_array(given)) * (index < 0)
    return given[index] if 0 <= index < len(given) else None


def _take(_: Budget, given: Any, count: Any) -> Any:
    if to_int(count) < 0:
        raise Refusal(f"take {count} elements", mend="take 0 or more")
    return _array(given)[: to_int(count)]


def _keys(budget: Budget, given: Any) -> list[Any]:
    budget.grow(len(_map(given)))
    return list(_map(given))


def _values(budget: Budget, given: Any) -> list[Any]:
    budget.grow(len(_map(given)))
    return list(_map(given).values())


def _reverse(budget: Budget, given: Any) -> Any:
    budget.grow(len(_array(given)))
    return given[::-1]


def _uniq(budget: Budget, given: Any) -> list[Any]:
    found: list[Any] = []
    for each in _array(given):
        if not any(equal(each, other, budget) for other in found):
            found.append(each)
    return found


def _concat(budget: Budget, *given: Any) -> list[Any]:
    found: list[Any] = []
    for each in given:
        budget.grow(len(_array(each)))
        found.extend(each)
    return found


def _flatten(budget: Budget, given: Any, depth: int = 0) -> list[Any]:
    if depth > MAX_DEPTH:
        raise Refusal("arrays lie too deep inside one another for flatten", mend="flatten them earlier")
    found: list[Any] = []
    for each in _array(given):
        budget.step()
        if is_array(each):
            found.extend(_flatten(budget, each, depth + 1))
        else:
            found.append(each)
    budget.grow(len(found))
    return found


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **NUMBER_FUNCTIONS,
    "len": _len,
    "type": _type,
    "string": lambda budget, value: strings.text(value, budget),
    "trim": _trim,
    "trimPrefix": lambda _, given, part=" ": _text(given).removeprefix(_text(part)),
    "trimSuffix": lambda _, given, part=" ": _text(given).removesuffix(_text(part)),
    "upper": lambda _, given: _text(given).upper(),
    "lower": lambda _, given: _text(given).lower(),
    "split": _split(keep=False),
    "splitAfter": _split(keep=True),
    "replace": _replace,
    "repeat": _repeat,
    "join": _join,
    "indexOf": _index(bytes.find),
    "lastIndexOf": _index(bytes.rfind),
    "hasPrefix": lambda _, given, part: _text(given).startswith(_text(part)),
    "hasSuffix": lambda _, given, part: _text(given).endswith(_text(part)),
    "fromJSON": lambda _, given: strings.from_json(_text(given)),
    "toBase64": lambda _, given: strings.packed(_text(given)),
    "fromBase64": lambda _, given: strings.unpacked(_text(given)),
    "duration": lambda _, given: duration.parse(_text(given)),
    "first": _at_end(0),
    "last": _at_end(-1),
    "get": _get,
    "take": _take,
    "keys": _keys,
    "values": _values,
    "reverse": _reverse,
    "uniq": _uniq,
    "concat": _concat,
    "flatten": _flatten,
    "sort": _sort,
}
