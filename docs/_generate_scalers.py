"""The generated sections of docs/scalers/: a trigger type's keys and properties, and what SQS costs."""  # noqa: INP001

import typing
from collections.abc import Callable, Iterator
from functools import partial

from _generate_tables import table

from scalers import sdk
from scalers._lib.metadata import REQUIRED, Declared, declared_connection, declared_keys
from scalers._lib.parse import every_key
from scalers.aws_sqs import requests_a_month
from scalers.registry import Registry

__all__ = ["page", "sections"]

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", sdk.Seconds: "duration"}
_FROM = {
    sdk.METADATA: "metadata",
    sdk.ENV: "`…FromEnv`",
    sdk.AUTH: "authentication",
    sdk.OBJECT: "the object itself",
}
_YES = {True: "yes", False: "no"}


def page(trigger_type: str) -> str:
    """Where a trigger type is described, below docs/."""
    return f"scalers/{trigger_type}.md"


def sections() -> dict[str, Callable[[], str]]:
    """By name what makes a section; the last word of a name is the trigger type."""
    made: dict[str, Callable[[], str]] = {"cost aws-sqs-queue": _sqs_cost}
    for name in Registry().types:
        made[f"keys {name}"] = partial(_keys, name)
        made[f"properties {name}"] = partial(_properties, name)
    return made


def _keys(trigger_type: str) -> str:
    metadata = Registry().get(trigger_type).metadata
    connection = declared_connection(metadata)
    header = ("key", "type", "default", "may come from", "what it is")
    text = "What is read, and how it is judged:\n\n" + table(header, list(_rows(metadata)))
    if connection is not None and declared_keys(connection):
        text += "\nWhere, and as whom:\n\n" + table(header, list(_rows(connection)))
    return text


def _rows(owner: type[Declared]) -> Iterator[tuple[str, ...]]:
    for _, key in declared_keys(owner):
        notes = [f"**{key.role.value}**"] if key.role else []
        notes += ["secret"] if key.secret else []
        text = f"{key.help} ({', '.join(notes)})" if notes else key.help
        sources = ", ".join(_FROM[source] for source in key.order)
        yield " or ".join(f"`{name}`" for name in key.names), _kind(key), _default(key), sources, text


def _kind(key: sdk.Key) -> str:
    if key.choices:
        listed = typing.get_origin(key.type) is tuple
        joined = (", " if listed else " or ").join(f"`{choice}`" for choice in key.choices)
        return f"list of {joined}" if listed else joined
    if typing.get_origin(key.type) is tuple:
        element = typing.get_args(key.type)[0]
        if typing.get_origin(element) is tuple:
            return "`name=value` pairs"
        return "list" if element is str else f"list of {_PLAIN[element]}s"
    return _PLAIN[key.type]


def _default(key: sdk.Key) -> str:
    if key.default is REQUIRED or key.formula:
        return "required"
    if isinstance(key.default, bool):
        return str(key.default).lower()
    if isinstance(key.default, int | float):
        return f"`{key.default:g}`"
    return "" if key.default in {"", None, ()} else f"`{key.default}`"


def _properties(trigger_type: str) -> str:
    scaler = Registry().get(trigger_type)
    return table(("property", "value"), list(_facts(scaler)) if scaler.reads else _READ_BY_THE_HPA)


_READ_BY_THE_HPA = (
    ("who reads it", "the HPA controller itself, from `metrics.k8s.io`; Tidegate reads nothing"),
    ("can wake a workload from zero", "no; an object with nothing else is always active, and never at zero"),
)


def _facts(scaler: sdk.Scaler[typing.Any, typing.Any]) -> Iterator[tuple[str, str]]:
    fresh = f"{scaler.freshness:g} s" if scaler.freshness else "0 s: the present number costs nothing to have"
    yield "oldest value the HPA is served while the source answers", fresh
    own = any("timeout" in key.names for key in every_key(scaler.metadata))
    yield "deadline of one read", "as `timeout` says" if own else f"{scaler.timeout:g} s"
    yield "many triggers are read at once", _YES[isinstance(scaler, sdk.Batches)]
    yield "tells of changes (wake-ups)", _YES[isinstance(scaler, sdk.Wakes)]
    depends = type(scaler).tried_first is not sdk.Scaler.tried_first
    first = "depends on the keys, see below" if depends else _YES[scaler.connects_first]
    yield "alone in its object: must answer once before the HPA is made", first


def _sqs_cost() -> str:
    rows = []
    for interval, awake in ((30, 0.0), (30, 0.1), (30, 1.0), (10, 1.0), (60, 1.0), (300, 0.0)):
        ours, keda = requests_a_month(float(interval), awake=awake)
        rows.append((f"{interval} s", f"{awake:.0%} of the time", f"{ours:,}", f"{keda:,}"))
    return table(
        ("`pollingInterval`", "replicas are there", "calls in 30 days", "KEDA, for each trigger"), rows
    )
