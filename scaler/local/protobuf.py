"""Kubernetes' protobuf bodies, as far as kubectl sends them where there is no file to apply: reviews, token requests. Pure.

A body is four magic bytes and an envelope that names apiVersion and kind of the message inside. Only the fields that
are read here are listed; unknown ones are skipped, as protobuf wants it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["read"]

_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TEXT, _TEXTS, _INTEGER = "text", "texts", "integer"

Fields = Mapping[int, tuple[str, "str | Fields"]]

_META: Fields = {1: ("name", _TEXT), 3: ("namespace", _TEXT)}
_ABOUT: Fields = {
    1: ("namespace", _TEXT),
    2: ("verb", _TEXT),
    3: ("group", _TEXT),
    4: ("version", _TEXT),
    5: ("resource", _TEXT),
    6: ("subresource", _TEXT),
    7: ("name", _TEXT),
}
_OWN: Fields = {
    1: ("resourceAttributes", _ABOUT),
    2: ("nonResourceAttributes", {1: ("path", _TEXT), 2: ("verb", _TEXT)}),
}
_OF_ANY: Fields = {**_OWN, 3: ("user", _TEXT), 4: ("groups", _TEXTS)}
_SPECS: Mapping[str, Fields] = {
    "SelfSubjectAccessReview": _OWN,
    "SubjectAccessReview": _OF_ANY,
    "LocalSubjectAccessReview": _OF_ANY,
    "SelfSubjectRulesReview": {1: ("namespace", _TEXT)},
    "SelfSubjectReview": {},
    "TokenReview": {1: ("token", _TEXT), 2: ("audiences", _TEXTS)},
    "TokenRequest": {1: ("audiences", _TEXTS), 4: ("expirationSeconds", _INTEGER)},
}


def read(data: bytes) -> dict[str, Any] | None:
    """The object in a body; None for a kind that is not read here. Raises ValueError for what is no such body."""
    if not data.startswith(_MAGIC):
        raise ValueError("it does not begin with k8s\\0")
    envelope = dict(_fields(data[len(_MAGIC) :]))
    kind = _message(_bytes(envelope.get(1, b"")), {1: ("apiVersion", _TEXT), 2: ("kind", _TEXT)})
    spec = _SPECS.get(kind.get("kind", ""))
    if spec is None:
        return None
    return kind | _message(_bytes(envelope.get(2, b"")), {1: ("metadata", _META), 2: ("spec", spec)})


def _message(data: bytes, known: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in known:
            continue
        name, kind = known[number]
        if kind == _INTEGER:
            found[name] = value
        elif kind == _TEXT:
            if text := _bytes(value).decode():
                found[name] = text
        elif kind == _TEXTS:
            found.setdefault(name, []).append(_bytes(value).decode())
        elif isinstance(kind, Mapping):
            found[name] = _message(_bytes(value), kind)
    return found


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where bytes should")  # noqa: TRY004 - it is the body that is wrong
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number and value."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} is not used by Kubernetes")
        if at + length > len(data):
            raise ValueError("it ends in the middle of a field")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("it ends in the middle of a number")
