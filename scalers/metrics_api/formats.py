"""The number at `valueLocation` in an answer, by its format. Pure, but takes its time over large answers.

JSON has GJSON paths; YAML and XML have names and indexes between dots; Prometheus' text has selectors.
Numbers may be texts that are Kubernetes quantities, such as "1500m" or "2Ki". (KEDA's XML never worked, and
its selectors took every operator for `=`.)
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from scalers._lib import exposition, gjson, quantity, selector
from scalers.metrics_api import xml_tree, yaml_tree
from scalers.sdk import InvalidMetadata, NoData

__all__ = ["FORMATS", "LIMITS", "number", "problem"]

_MEBIBYTE = 1 << 20
LIMITS = {"json": 4 * _MEBIBYTE, "xml": 4 * _MEBIBYTE, "yaml": _MEBIBYTE, "prometheus": 10 * _MEBIBYTE}
"""Bytes of an answer that are read: what takes at most about a tenth of a second."""
_PLAIN_NUMBER = re.compile(r"[-+]?(0x[0-9a-f_]+|0o?[0-7_]+|[0-9][0-9_]*)\Z", re.IGNORECASE | re.ASCII)
_NO_NUMBER = {
    **dict.fromkeys(("true", "false"), "a boolean"),
    **dict.fromkeys(("", "~", "null"), "null"),
    **dict.fromkeys((".nan", ".inf", "-.inf", "+.inf"), "no finite number"),
}


def number(form: str, content: bytes, location: str) -> float:
    """Raises NoData where the answer has no such number, InvalidMetadata for a location that cannot work."""
    try:
        return FORMATS[form](content, location)
    except UnicodeDecodeError:
        raise NoData("the answer is no text in UTF-8") from None


def problem(form: str, location: str) -> str | None:
    """What keeps a location from working whatever the answer is, or None."""
    try:
        if form == "json":
            gjson.compile_path(location)
        elif form == "prometheus":
            selector.parse(location)
    except ValueError as error:
        return str(error)
    return None


def _json(content: bytes, location: str) -> float:
    try:
        path = gjson.compile_path(location)
    except ValueError as error:
        raise InvalidMetadata(f"metadata.valueLocation: {error}") from None
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NoData(f"the answer is no JSON: {error}") from None
    found = path.get(document)
    if isinstance(found, str):
        return _quantity(found, location)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return _float(found, location)
    raise NoData(
        f"valueLocation {location!r} must point to a numeric value or a string parseable as a Quantity,"
        f" got {_kind(found)}"
    )


def _kind(found: Any) -> str:
    """GJSON's word for what is no number and no string."""
    if isinstance(found, bool):
        return str(found)
    return "JSON" if isinstance(found, dict | list) else "Null"


def _float(found: Any, location: str) -> float:
    try:
        return float(found)
    except OverflowError:
        raise NoData(f"valueLocation {location!r} points to a number without end") from None


def _yaml(content: bytes, location: str) -> float:
    text = content.decode()
    try:
        tree = yaml_tree.parse(text)
    except ValueError as error:
        raise NoData(f"the answer is no YAML that is read: {error}") from None
    for name in location.split("."):
        match tree:
            case yaml_tree.Mapping():
                tree = tree.get(name)
            case yaml_tree.Sequence():
                index = int(name[:10]) if name.isascii() and name.isdigit() else len(tree.items)
                tree = tree.items[index] if index < len(tree.items) else None
            case _:
                tree = None
        if tree is None:
            raise NoData(f"key {name!r} not found in path {location!r}")
    if not isinstance(tree, yaml_tree.Scalar):
        raise NoData(f"path {location!r} does not lead to a value")
    return _scalar(tree, location)


def _scalar(scalar: yaml_tree.Scalar, location: str) -> float:
    if scalar.plain and (kind := _NO_NUMBER.get(scalar.text.lower())) is not None:
        raise NoData(f"valueLocation {location!r} points to {kind}")
    if scalar.plain and _PLAIN_NUMBER.match(scalar.text):
        digits = scalar.text.replace("_", "").lower().replace("0o", "0")
        bare = digits.lstrip("+-")
        base = (
            16
            if bare.startswith("0x")
            else 8
            if bare.startswith("0") and bare != "0" and bare.isdigit()
            else 10
        )
        try:
            return _float(int(digits, base), location)
        except ValueError:  # 089 is no octal number; thousands of digits are none at all.
            raise NoData(f"valueLocation {location!r} points to no number") from None
    return _quantity(scalar.text, location)


def _xml(content: bytes, location: str) -> float:
    try:
        root = xml_tree.parse(content)
    except ValueError as error:
        raise NoData(f"the answer is no XML that is read: {error}") from None
    names = location.split(".")
    # A path may begin with the root's name, or below it.
    ways = [names[1:], names] if names[0] == root.tag.rpartition("}")[2] else [names]
    for way in ways:
        text = xml_tree.text(root, way)
        if text is not None:
            return _quantity(text.strip(), location)
    raise NoData(f"path {location!r} does not lead to a value")


def _prometheus(content: bytes, location: str) -> float:
    try:
        chosen = selector.parse(location)
    except ValueError as error:
        raise InvalidMetadata(f"metadata.valueLocation: {error}") from None
    text = content.decode()
    try:
        return exposition.find(text, chosen)
    except ValueError as error:
        raise NoData(str(error)) from None


def _quantity(text: str, location: str) -> float:
    try:
        return float(quantity.parse(text))
    except (ValueError, OverflowError):
        raise NoData(
            f"valueLocation {location!r} points to a string that is not parseable as a Quantity"
        ) from None


FORMATS: dict[str, Callable[[bytes, str], float]] = {
    "prometheus": _prometheus,
    "json": _json,
    "xml": _xml,
    "yaml": _yaml,
}
