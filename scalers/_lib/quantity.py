"""Kubernetes quantities: the numbers in HPAs, metrics and resource requests, such as `2500m`, `1Ki`, `12e6`.

Exact: a quantity is a Fraction and never passes through a float. The rules are the API machinery's own: three
families of suffix, at most nine decimal places (the rest is rounded away from zero), one canonical spelling
per value and family. Comparing a spelling of ours with a stored one before making both canonical is how a
controller comes to update the same HPA for ever.
"""

import math
import re
from fractions import Fraction

__all__ = ["canonical", "from_milli", "from_number", "milli", "parse"]

_SHAPE = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[+-]?\d*)\Z", re.ASCII)
_EXPONENT = re.compile(r"[eE][+-]?\d+\Z", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}
_NANO = 10**9
_BINARY_MOST = (1 << 63) - 1
_EXPONENT_MOST = 999
"""Beyond this many powers of ten no quantity means anything, and a hostile one would only cost memory."""

_SI, _SCIENTIFIC, _POWERS_OF_TWO = "DecimalSI", "DecimalExponent", "BinarySI"


def parse(text: str | float) -> Fraction:
    """The exact value. Numbers are taken as JSON would spell them. Raises ValueError with a sentence."""
    return _read(text)[0]


def milli(text: str | float) -> int:
    """The value in thousandths, rounded away from zero (Quantity.MilliValue, without its overflow)."""
    return _away_from_zero(parse(text) * 1000)


def from_milli(n: int) -> str:
    """The canonical decimal text of `n` thousandths: 2500 is `2500m`, 3000 is `3`, 1000000 is `1k`."""
    return _decimal(Fraction(n, 1000), _SI)


def canonical(text: str | float) -> str:
    """As an API server writes it back: `2.500` is `2500m`, `1024Mi` is `1Gi`, `1e3` stays `1e3`.

    Raises ValueError with a sentence.
    """
    value, family = _read(text)
    if value == 0:
        return "0"
    if family == _POWERS_OF_TWO:
        if abs(value) >= 1024 and value.denominator == 1:
            return _binary(value.numerator)
        family = _SI
    return _decimal(value, family)


def from_number(x: int | float) -> str:  # noqa: PYI041 - says that both are meant, and treated differently
    """A scaler's number as a quantity, by KEDA's rule: whole numbers as they are, floats to three decimals.

    Raises ValueError for NaN and infinity: these are no numbers to scale on.
    """
    if isinstance(x, int):
        return _decimal(Fraction(x), _SI)
    if not math.isfinite(x):
        raise ValueError(f"{x} is no usable number")
    return canonical(f"{x:.3f}")


def _read(text: str | float) -> tuple[Fraction, str]:
    """Value and family of suffix."""
    spelled = (text if isinstance(text, str) else repr(text)).strip()
    found = _SHAPE.match(spelled)
    if isinstance(text, bool) or found is None or not (found[2] or found[3]):
        raise ValueError(
            f"{spelled!r} is no quantity: write a number and an optional suffix, like 5, 2500m, 1Ki or 1e3"
        )
    sign, whole, decimals, suffix = found[1], found[2], found[3] or "", found[4]
    family, factor = _factor(suffix, spelled)
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals)) * factor
    value = Fraction(_away_from_zero(value * _NANO), _NANO)
    if family == _POWERS_OF_TWO:
        value = min(value, Fraction(_BINARY_MOST))
    return (-value if sign == "-" else value), family


def _factor(suffix: str, spelled: str) -> tuple[str, Fraction]:
    """Family of the suffix, and what it multiplies by."""
    if _EXPONENT.match(suffix):
        exponent = int(suffix[1:])
        if abs(exponent) > _EXPONENT_MOST:
            raise ValueError(f"{spelled!r} has an exponent beyond {_EXPONENT_MOST}")
        return _SCIENTIFIC, Fraction(10) ** exponent
    if suffix in _BINARY:
        return _POWERS_OF_TWO, Fraction(1 << _BINARY[suffix])
    if suffix in _DECIMAL:
        return _SI, Fraction(10) ** _DECIMAL[suffix]
    raise ValueError(
        f"{spelled!r} has the unknown suffix {suffix!r}: use n u m k M G T P E, Ki Mi Gi Ti Pi Ei or e3"
    )


def _decimal(value: Fraction, family: str) -> str:
    """Mantissa without fraction, and the largest exponent that is a multiple of three."""
    if value == 0:
        return "0"
    # 2.5 -> 2500000000 nano -> 25 and 10^-1 -> 2500 and 10^-3.
    mantissa, exponent = _away_from_zero(value * _NANO), -9
    while mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    mantissa, exponent = mantissa * 10 ** (exponent % 3), exponent - exponent % 3
    if family == _SCIENTIFIC:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    # Suffixes end at E. The API machinery drops a power it has no letter for; we keep it: 10^21 is 1000E.
    above = max(exponent - 18, 0)
    return f"{mantissa * 10**above}{_DECIMAL_SUFFIX[exponent - above]}"


def _binary(value: int) -> str:
    """Mantissa and the largest power of 1024 that divides it."""
    exponent = 0
    while value % 1024 == 0 and exponent < 60:
        value, exponent = value // 1024, exponent + 10
    return f"{value}{_BINARY_SUFFIX[exponent]}"


def _away_from_zero(value: Fraction) -> int:
    return math.ceil(value) if value >= 0 else math.floor(value)
