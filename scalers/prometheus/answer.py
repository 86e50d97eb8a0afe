"""What an answer of Prometheus' query API means: one number, or why there is none. Pure.

KEDA's rules, except where it takes what is not known for a number: a range vector, a null, an empty answer
of which the server itself says that it is incomplete.
"""

import math
from typing import Any, NoReturn

import msgspec

from scalers.sdk import InvalidMetadata, NoData, Unavailable

__all__ = ["number", "refused"]


class _Data(msgspec.Struct):
    resultType: Any = None  # noqa: N815 - Prometheus' name
    result: msgspec.Raw = msgspec.Raw(b"null")
    """Still unread: what holds a million series is not to be built in order to be refused."""


class _Document(msgspec.Struct):
    """Loosely typed: what is odd in a part that is not needed must not keep the number from being read."""

    status: Any = None
    data: _Data | None = None
    error: Any = None
    errorType: Any = None  # noqa: N815 - Prometheus' name
    warnings: Any = None
    isPartial: Any = None  # noqa: N815 - VictoriaMetrics' name


_DECODER = msgspec.json.Decoder(_Document)
_SERIES = msgspec.json.Decoder(list[msgspec.Raw] | None)
_RANGE = "the query answers a range vector, which is no number; write rate(...) or *_over_time(...) around it"


def number(body: bytes, where: str, *, ignore_null: bool) -> float:
    """The number in the body of a 200. Raises NoData, or Unavailable for what Prometheus would not answer.

    `ignore_null` (ignoreNullValues): an empty answer, NaN and infinities are 0.
    """
    document = _decoded(body)
    if document is None or document.data is None or document.status == "error":
        said = f": {str(document.error)[:200]}" if document is not None and document.error else ""
        raise Unavailable(f"{where} does not answer as Prometheus does{said}")
    kind = document.data.resultType
    if kind == "matrix":
        raise NoData(_RANGE)
    if kind == "string":
        raise NoData("the query answers a string, which is no number")
    try:
        if kind == "scalar":
            return _value(msgspec.json.decode(document.data.result), ignore_null=ignore_null)
        series = _SERIES.decode(document.data.result)
        if not series:
            return _nothing(document, ignore_null=ignore_null)
        if len(series) == 1:
            return _value(_sample(msgspec.json.decode(series[0])), ignore_null=ignore_null)
    except (msgspec.DecodeError, RecursionError):
        raise Unavailable(f"{where} does not answer as Prometheus does") from None
    raise NoData(
        f"the query returned multiple elements ({len(series)} series) and only one can be the metric;"
        " aggregate them, as in sum(...)"
    )


def refused(status: int, body: bytes, text: str) -> InvalidMetadata | Unavailable:
    """The error of a status that is no success. `text` is what may be shown of it."""
    document = _decoded(body)
    if status == 400 and document is not None and document.errorType == "bad_data":
        return InvalidMetadata(f"metadata.query is not accepted: {text}")
    return Unavailable(text)


def _decoded(body: bytes) -> _Document | None:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _nothing(document: _Document, *, ignore_null: bool) -> float:
    if document.warnings or document.isPartial:
        said = document.warnings if isinstance(document.warnings, list) else ["the answer is partial"]
        raise NoData(
            f"the result is empty, and the server says that it may be incomplete: {str(said[0])[:200]}"
        )
    if not ignore_null:
        raise NoData("prometheus metrics 'prometheus' target may be lost, the result is empty")
    return 0.0


def _sample(series: Any) -> Any:
    if not isinstance(series, dict):
        _odd()
    if "histogram" in series:
        raise NoData("the query answers a native histogram; write histogram_quantile(...) or such around it")
    if "values" in series:
        raise NoData(_RANGE)
    return series.get("value") or []


def _value(sample: Any, *, ignore_null: bool) -> float:
    """The number of [time, "number"]."""
    if not isinstance(sample, list):
        _odd()
    if not sample:
        if ignore_null:
            return 0.0
        raise NoData("prometheus metrics 'prometheus' target may be lost, the value list is empty")
    if len(sample) < 2:
        raise NoData("the query didn't return enough values: a time without a value")
    text = sample[1]
    if text is None:
        raise NoData("the query answers null")
    try:
        value = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else _odd()
    except ValueError:
        _odd()
    if not math.isfinite(value):
        if ignore_null:
            return 0.0
        raise NoData(f"the query answers {text}, which is no usable number")
    return value


def _odd() -> NoReturn:
    raise NoData("the query answers a value of an unknown form")
