"""Go's durations in a formula: `duration("1h30m").Minutes()`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from scaler.core.expr.errors import Refusal

__all__ = ["DURATION_METHODS", "Duration", "parse"]

_UNITS = {"ns": 1, "us": 10**3, "\u00b5s": 10**3, "\u03bcs": 10**3, "ms": 10**6}
_UNITS |= {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile("([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Duration:
    """A whole number of nanoseconds, of 64 bits."""

    nanoseconds: int


def parse(text: str) -> Duration:
    """As Go's time.ParseDuration reads it. Raises Refusal."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in {"-", "+"} else text
    parts = _PART.findall(rest)
    if rest != "0" and (not rest or "".join(f"{each}{unit}" for each, unit in parts) != rest):
        raise Refusal(f"{text!r} is not a duration", mend="write it like 1h30m or 90s")
    total = sum((int(Fraction(_padded(each)) * _UNITS[unit]) for each, unit in parts), 0)
    if total > _LARGEST:
        raise Refusal(f"{text!r} is too long a duration", mend="a duration is at most 292 years")
    return Duration(-total if negative else total)


def _padded(digits: str) -> str:
    return f"0{digits}0" if "." in digits else digits


def _in(unit: int) -> Callable[[Duration], float]:
    def method(given: Duration) -> float:
        whole, rest = divmod(abs(given.nanoseconds), unit)
        found = whole + rest / unit
        return -found if given.nanoseconds < 0 else found

    return method


def _whole(unit: int) -> Callable[[Duration], int]:
    def method(given: Duration) -> int:
        found = abs(given.nanoseconds) // unit
        return -found if given.nanoseconds < 0 else found

    return method


DURATION_METHODS: Mapping[str, Callable[[Duration], float]] = {
    "Hours": _in(_UNITS["h"]),
    "Minutes": _in(_UNITS["m"]),
    "Seconds": _in(_UNITS["s"]),
    "Milliseconds": _whole(_UNITS["ms"]),
    "Microseconds": _whole(_UNITS["us"]),
    "Nanoseconds": _whole(1),
}
"""What is asked of a duration: a float of the longer units, a whole number of the shorter ones."""
