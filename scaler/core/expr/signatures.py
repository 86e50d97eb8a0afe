"""What expr's functions take and give, for the checker. What they do is in `expr/functions`.

The laxness is expr's: `max` gives the type of its first argument, and whatever follows an array goes unchecked.
"""

from collections.abc import Callable, Mapping

from scaler.core.expr.errors import Refusal
from scaler.core.expr.types import (
    ANY,
    ARRAY,
    DURATION,
    FLOAT,
    INT,
    NIL,
    STRING,
    STRINGS,
    UNKNOWN,
    Type,
    assignable,
)

__all__ = ["FUNCTIONS", "PREDICATES", "UNSUPPORTED", "Types"]

Types = tuple[Type, ...]
_Signature = Callable[[str, Types], Type]

PREDICATES: Mapping[str, tuple[int, int]] = {
    "all": (2, 2),
    "none": (2, 2),
    "any": (2, 2),
    "one": (2, 2),
    "filter": (2, 2),
    "map": (2, 2),
    "count": (1, 2),
    "sum": (1, 2),
    "find": (2, 2),
    "findIndex": (2, 2),
    "findLast": (2, 2),
    "findLastIndex": (2, 2),
    "sortBy": (2, 3),
    "reduce": (2, 3),
}
"""Functions that work with a predicate: their least and most arguments."""

UNSUPPORTED: Mapping[str, str] = {
    "now": "use a cron trigger for what depends on the time",
    "date": "use a cron trigger for what depends on the time",
    "timezone": "use a cron trigger for what depends on the time",
    "groupBy": "use filter and count",
    "toPairs": "use keys and values",
    "fromPairs": "write a map { }",
    "toJSON": "write the formula without it",
}
"""Functions of expr that are refused, each with what to use instead."""


def _wrong(name: str, given: Type) -> Refusal:
    return Refusal(f"{name} cannot take {_article(given)}")


def _article(given: Type) -> str:
    if given.unknown or given == NIL:
        return "nil" if given == NIL else "such a value"
    return f"an {given}" if str(given)[0] in "ai" else f"a {given}"


def _counted(name: str, given: Types, *counts: int) -> None:
    if len(given) not in counts:
        wanted = " or ".join(str(each) for each in counts)
        raise Refusal(f"{name} takes {wanted} argument{'s' * (counts != (1,))}, not {len(given)}")


def _overloaded(result: Type, *overloads: Types) -> _Signature:
    def signature(name: str, given: Types) -> Type:
        _counted(name, given, *sorted({len(each) for each in overloads}))
        fitting = [each for each in overloads if len(each) == len(given)]
        for number, value in enumerate(given):
            fitting = [each for each in fitting if value.unknown or assignable(value, each[number])]
            if not fitting:
                raise _wrong(name, value)
        return result

    return signature


def _one(kinds: str, result: Type | None) -> _Signature:
    """One argument of these kinds, or of a kind not known; without a result it is that argument's."""

    def signature(name: str, given: Types) -> Type:
        _counted(name, given, 1)
        only = given[0]
        if not only.unknown and only.kind not in kinds.split():
            raise _wrong(name, only)
        return result or (ANY if only.unknown else _forgotten(only))

    return signature


def _forgotten(given: Type) -> Type:
    """What expr remembers of an argument that a function hands on: not what its array holds."""
    return ARRAY if given.kind == "array" and not given.native else given


def _aggregate(name: str, given: Types) -> Type:
    if not given:
        raise Refusal(f"{name} takes at least 1 argument, not 0")
    for each in given:
        if each.unknown or each.kind == "array":
            return ANY
        if not each.number and each != DURATION:
            raise _wrong(name, each)
    return given[0]


def _end(name: str, given: Types) -> Type:
    _counted(name, given, 1)
    if given[0].unknown:
        return ANY
    if given[0].kind != "array":
        raise _wrong(name, given[0])
    return STRING if given[0].native else ANY


def _take(name: str, given: Types) -> Type:
    _counted(name, given, 2)
    if not given[0].unknown and given[0].kind != "array":
        raise _wrong(name, given[0])
    if not given[1].unknown and given[1].kind not in {"int", "duration"}:
        raise _wrong(name, given[1])
    return ANY if given[0].unknown else _forgotten(given[0])


def _concat(name: str, given: Types) -> Type:
    if not given:
        raise Refusal(f"{name} takes at least 1 argument, not 0")
    for each in given:
        if not each.unknown and each.kind != "array":
            raise _wrong(name, each)
    return ARRAY


def _get(name: str, given: Types) -> Type:
    _counted(name, given, 2)
    owner, key = given
    if owner.unknown:
        return UNKNOWN
    wanted = {"array": INT, "map": STRING}.get(owner.kind)
    if wanted is None:
        raise _wrong(name, owner)
    if not key.unknown and key != wanted:
        raise _wrong(name, key)
    return owner.held


_NUMBERS = "int float duration"
_TEXT, _TEXTS = (STRING,), (STRING, STRING)

FUNCTIONS: Mapping[str, _Signature] = {
    "len": _one("array map string", INT),
    "type": _overloaded(STRING, (ANY,)),
    "abs": _one(_NUMBERS, None),
    "ceil": _one(_NUMBERS, FLOAT),
    "floor": _one(_NUMBERS, FLOAT),
    "round": _one(_NUMBERS, FLOAT),
    "int": _one(f"{_NUMBERS} string", INT),
    "float": _one(f"{_NUMBERS} string", FLOAT),
    "string": _overloaded(STRING, (ANY,)),
    "trim": _overloaded(STRING, _TEXT, _TEXTS),
    "trimPrefix": _overloaded(STRING, _TEXT, _TEXTS),
    "trimSuffix": _overloaded(STRING, _TEXT, _TEXTS),
    "upper": _overloaded(STRING, _TEXT),
    "lower": _overloaded(STRING, _TEXT),
    "split": _overloaded(STRINGS, _TEXTS, (*_TEXTS, INT)),
    "splitAfter": _overloaded(STRINGS, _TEXTS, (*_TEXTS, INT)),
    "replace": _overloaded(STRING, (*_TEXTS, STRING), (*_TEXTS, STRING, INT)),
    "repeat": _overloaded(STRING, (STRING, INT)),
    "join": _overloaded(STRING, (STRINGS,), (ARRAY,), (STRINGS, STRING), (ARRAY, STRING)),
    "indexOf": _overloaded(INT, _TEXTS),
    "lastIndexOf": _overloaded(INT, _TEXTS),
    "hasPrefix": _overloaded(Type("bool"), _TEXTS),
    "hasSuffix": _overloaded(Type("bool"), _TEXTS),
    "max": _aggregate,
    "min": _aggregate,
    "mean": _aggregate,
    "median": _aggregate,
    "fromJSON": _overloaded(ANY, _TEXT),
    "toBase64": _overloaded(STRING, _TEXT),
    "fromBase64": _overloaded(STRING, _TEXT),
    "duration": _overloaded(DURATION, _TEXT),
    "first": _end,
    "last": _end,
    "get": _get,
    "take": _take,
    "keys": _one("map", ARRAY),
    "values": _one("map", ARRAY),
    "reverse": _one("array", ARRAY),
    "uniq": _one("array", ARRAY),
    "concat": _concat,
    "flatten": _one("array", ARRAY),
    "sort": _overloaded(ARRAY, (ARRAY,), (STRINGS,), (ARRAY, STRING), (STRINGS, STRING)),
    "bitand": _overloaded(INT, (INT, INT)),
    "bitor": _overloaded(INT, (INT, INT)),
    "bitxor": _overloaded(INT, (INT, INT)),
    "bitnand": _overloaded(INT, (INT, INT)),
    "bitshl": _overloaded(INT, (INT, INT)),
    "bitshr": _overloaded(INT, (INT, INT)),
    "bitushr": _overloaded(INT, (INT, INT)),
    "bitnot": _overloaded(INT, (INT,)),
}
"""Functions without a predicate: from their name and the types of the arguments to the type of the result."""
