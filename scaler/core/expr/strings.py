"""Texts in a running formula: how Go reads a number, writes a value, and cuts a text.

Positions count bytes of UTF-8, as in Go, while `len` counts characters, as in expr.
"""

import base64
import binascii
import math
import re
from typing import Any

import msgspec

from scaler.core.expr.duration import Duration
from scaler.core.expr.errors import MAX_DEPTH, Budget, Refusal
from scaler.core.expr.values import is_array, wrapped

__all__ = ["cut", "from_json", "packed", "split", "text", "to_float", "to_integer", "unpacked"]

_FLOAT = re.compile(r"[+-]?(\d+(_?\d+)*\.?(\d+(_?\d+)*)?|\.\d+(_?\d+)*)([eE][+-]?\d+(_?\d+)*)?\Z", re.ASCII)
_HEX = re.compile(r"[+-]?0[xX](?=_?[0-9a-fA-F.])[0-9a-fA-F_]*\.?[0-9a-fA-F]*[pP][+-]?\d+\Z", re.ASCII)
_SPECIAL = re.compile(r"[+-]?(inf|infinity)\Z|nan\Z", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)


def to_float(given: str) -> float:
    """Go's strconv.ParseFloat, which knows Inf, NaN, hexadecimal and `1_000`. Raises ValueError."""
    if _SPECIAL.match(given):
        return float(given)
    if _HEX.match(given):
        try:
            return float.fromhex(given.replace("_", ""))
        except OverflowError:
            raise ValueError(given) from None
    found = float(given.replace("_", "")) if _FLOAT.match(given) else math.inf
    if math.isinf(found):
        raise ValueError(given)
    return found


def to_integer(given: str) -> int:
    """Go's strconv.Atoi. Raises ValueError."""
    if not _INTEGER.match(given) or len(given) > 40 or wrapped(int(given)) != int(given):
        raise ValueError(given)
    return int(given)


def text(value: Any, budget: Budget, depth: int = 0) -> str:
    """A value as Go's `%v` writes it."""
    budget.step()
    if depth > MAX_DEPTH:
        raise Refusal("arrays lie too deep inside one another to be written", mend="flatten them")
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _float(value)
    if is_array(value):
        return _sized("[" + " ".join(text(each, budget, depth + 1) for each in value) + "]", budget)
    if isinstance(value, dict):
        parts = (f"{key}:{text(value[key], budget, depth + 1)}" for key in sorted(value))
        return _sized("map[" + " ".join(parts) + "]", budget)
    if isinstance(value, Duration):
        raise Refusal("a duration cannot be written here", mend="ask it for its Seconds()")
    return str(value)


def _sized(given: str, budget: Budget) -> str:
    budget.grow(len(given))
    return given


def _float(value: float) -> str:
    """The shortest digits that read back as the same float, with an exponent below -4 and from 21 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value!r}e0".partition("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    shift = int(exponent.partition("e")[0]) + len(whole)
    written = (whole + fraction).lstrip("0")
    shift -= len(whole + fraction) - len(written)
    written = written.rstrip("0")
    if not written:
        return f"{sign}0"
    if not -4 <= shift - 1 < 21:
        point = f".{written[1:]}" if written[1:] else ""
        return f"{sign}{written[0]}{point}e{shift - 1:+03d}"
    if shift <= 0:
        return f"{sign}0.{'0' * -shift}{written}"
    written = written.ljust(shift, "0")
    return f"{sign}{written[:shift]}" + (f".{written[shift:]}" if written[shift:] else "")


def cut(given: str, start: int, stop: int) -> str:
    """The bytes from one position up to another. Raises Refusal inside a character."""
    try:
        return given.encode()[start:stop].decode()
    except UnicodeDecodeError:
        raise Refusal("a slice cuts a character in two", mend="positions count bytes") from None


def split(given: str, separator: str, most: int = -1, *, keep: bool = False) -> list[str]:
    """Go's strings.SplitN and SplitAfterN; `most` below 0 is no limit, an empty separator stands everywhere."""
    if most == 0:
        return []
    if separator:
        parts = given.split(separator, most - 1 if most > 0 else -1)
    else:
        parts = list(given)
        if 0 < most < len(parts):
            parts = [*parts[: most - 1], "".join(parts[most - 1 :])]
    return [*(each + separator for each in parts[:-1]), *parts[-1:]] if keep else parts


def from_json(given: str) -> Any:
    """Decoded JSON, every number a float."""
    try:
        return _as_floats(msgspec.json.decode(given))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(f"fromJSON: {error}", mend="give it valid JSON") from None


def _as_floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_as_floats(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_floats(each) for key, each in value.items()}
    return value


def unpacked(given: str) -> str:
    """Base64 with its padding. Raises Refusal."""
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("fromBase64: this is no text in Base64", mend="give it standard Base64") from None


def packed(given: str) -> str:
    """A text in Base64."""
    return base64.b64encode(given.encode()).decode()
