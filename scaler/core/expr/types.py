"""The types that expr's checker gives to parts of a formula, and which go together.

`UNKNOWN` and `ANY` are both "not known before it runs". expr tells them apart (no type, and Go's `any`) and
so must we: to a choice between an int and an `ANY` it gives the type int, between an int and an `UNKNOWN`
none.
"""

from dataclasses import dataclass

__all__ = [
    "ANY",
    "ARRAY",
    "BOOL",
    "DURATION",
    "FLOAT",
    "INT",
    "MAP",
    "NIL",
    "STRING",
    "STRINGS",
    "UNKNOWN",
    "Type",
    "array_of",
    "assignable",
    "comparable",
    "compatible",
]


@dataclass(frozen=True, slots=True)
class Type:
    """`element` is what an array holds. `native` arrays are Go's typed slices, here only of strings."""

    kind: str
    element: "Type | None" = None
    native: bool = False

    def __str__(self) -> str:
        """As an error names it."""
        return "array of strings" if self.native else self.kind

    @property
    def unknown(self) -> bool:
        """May it be anything?"""
        return self.kind in {"unknown", "any"}

    @property
    def number(self) -> bool:
        """An int or a float."""
        return self.kind in {"int", "float"}

    @property
    def held(self) -> "Type":
        """What an array holds."""
        return self.element or ANY


UNKNOWN = Type("unknown")
ANY = Type("any")
NIL = Type("nil")
INT = Type("int")
FLOAT = Type("float")
BOOL = Type("bool")
STRING = Type("string")
DURATION = Type("duration")
MAP = Type("map")
ARRAY = Type("array")
STRINGS = Type("array", STRING, native=True)


def array_of(element: Type) -> Type:
    """An array of these."""
    return Type("array", element)


def assignable(value: Type, to: Type) -> bool:
    """Go's rule: the same type, or anything to `any`; nil to what has a nil."""
    if value == NIL:
        return to.kind in {"any", "array", "map"}
    if UNKNOWN in {value, to} or to == NIL:
        return False
    return to == ANY or (value.kind == to.kind and value.native == to.native)


def comparable(left: Type, right: Type) -> bool:
    """May `==` stand between them?"""
    return (
        left.unknown
        or right.unknown
        or NIL in {left, right}
        or (left.number and right.number)
        or left.kind == right.kind == "array"
        or assignable(left, right)
    )


def compatible(left: Type, right: Type, *kinds: str) -> bool:
    """Both of one of these kinds ("number" for ints and floats), or only known to one side, or to none."""
    sides = [each for each in (left, right) if not each.unknown]
    if len(sides) < 2:
        return all(_is(side, kinds) for side in sides)
    return any(_is(left, (kind,)) and _is(right, (kind,)) for kind in kinds)


def _is(side: Type, kinds: tuple[str, ...]) -> bool:
    return side.kind in kinds or (side.number and "number" in kinds)
