"""Text to value, by the rules of the Go code that users' manifests were written for (KEDA's typed config).

Every function takes trimmed text and raises ValueError with words that complete the sentence "the value ...".
"""

import re

__all__ = ["parse_bool", "parse_float", "parse_int", "parse_list", "parse_map", "parse_seconds"]

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INT = re.compile(r"-?(0|[1-9]\d*)\Z", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
# Go accepts both characters that look like a Greek mu: U+00B5 and U+03BC.
_DURATION = re.compile("(\\d+\\.?\\d*|\\.\\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_INT64 = 1 << 63
_LONGEST = _INT64 * 1e-9


def parse_bool(text: str) -> bool:
    """Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False, nothing else."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("is no boolean: write true or false")


def parse_int(text: str) -> int:
    """A JSON integer that fits 64 bits: no leading zeros, no exponent, no fraction."""
    if not _INT.match(text):
        raise ValueError("is no whole number: write digits only, such as 5")
    # Python refuses to convert thousands of digits: the length comes first.
    if len(text) > 20 or not -_INT64 <= int(text) < _INT64:
        raise ValueError("does not fit a 64-bit whole number")
    return int(text)


def parse_float(text: str) -> float:
    """A JSON number: no NaN, no Inf, no leading plus or point."""
    if not _FLOAT.match(text):
        raise ValueError("is no number: write it like 5 or 2.5")
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("is too large a number")
    return value


def parse_seconds(text: str) -> float:
    """A Go duration (`30s`, `1m30s`) or a bare whole number of *milliseconds* (KEDA's rule), in seconds."""
    if text.startswith("-"):
        raise ValueError("is a negative duration")
    if text.isascii() and text.isdigit():
        return parse_int(text.lstrip("0") or "0") / 1000
    rest, total = text.removeprefix("+"), 0.0
    if rest == "0":
        return total
    while part := _DURATION.match(rest):
        total += float(part[1]) * _UNITS[part[2]]
        rest = rest[part.end() :]
        if total >= _LONGEST:
            raise ValueError("is too long a duration")
        if not rest:
            return total
    raise ValueError("is no duration: write it like 30s or 1m30s, or a whole number of milliseconds")


def parse_list(text: str, separator: str = ",") -> tuple[str, ...]:
    """Elements between separators, each trimmed."""
    return tuple(part.strip() for part in text.split(separator))


def parse_map(text: str, separator: str = ",") -> tuple[tuple[str, str], ...]:
    """`k=v` pairs between separators; exactly one `=` in each (KEDA's rule)."""
    pairs = []
    for part in parse_list(text, separator):
        name, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise ValueError("is no list of name=value pairs (exactly one = in each)")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)
