"""A CRD's structural schema at work: prune what it does not name, fill in defaults, find faults. Pure.

Messages are those of the validator inside a kube-apiserver. An unchanged part of an object is not checked again.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from scaler.local.cel import EvaluationError, compile_rule
from scaler.local.errors import Cause, invalid_value, not_supported, required, wrong_type
from scaler.local.store import clone

__all__ = ["default", "has_rules", "prune", "rules_of", "subschemas", "validate"]

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
RULES = "x-kubernetes-validations"
_TYPE_META = ("apiVersion", "kind", "metadata")
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_BLOCKING = {"FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany"}


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = False) -> list[str]:
    """Remove what the schema does not name, in place; the paths removed."""
    removed: list[str] = []
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        kept = _TYPE_META if root or schema.get("x-kubernetes-embedded-resource") else ()
        for name in list(value):
            at = f"{path}.{name}" if path else name
            if name in kept:
                continue
            if name in properties:
                removed += prune(value[name], properties[name], at)
            elif isinstance(extra, dict):
                removed += prune(value[name], extra, at)
            elif not extra and not schema.get(PRESERVE):
                del value[name]
                removed.append(at)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            removed += prune(item, schema["items"], f"{path}[{index}]")
    return removed


def default(value: Any, schema: Schema) -> None:
    """Fill in the schema's defaults, in place. A null where null is not allowed gives way to a default."""
    if isinstance(value, dict):
        for name, below in (schema.get("properties") or {}).items():
            if "default" in below and (
                name not in value or (value[name] is None and not below.get("nullable"))
            ):
                value[name] = clone(below["default"])
            if name in value:
                default(value[name], below)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for name, item in value.items():
                if name not in (schema.get("properties") or {}):
                    default(item, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            default(item, schema["items"])


def validate(obj: dict[str, Any], old: dict[str, Any] | None, schema: Schema) -> list[Cause]:
    """All faults of an object; what is the very same value in `old` is taken as good."""
    causes: list[Cause] = []
    for name, below in sorted((schema.get("properties") or {}).items()):
        if name in obj and name not in _TYPE_META and not (old is not None and obj[name] is old.get(name)):
            causes += _check(obj[name], below, name)
    causes += [required(name) for name in schema.get("required") or () if name not in obj]
    if not has_rules(schema):
        return causes
    if any(cause.reason in _BLOCKING for cause in causes):
        return [*causes, Cause("<nil>", "FieldValueInvalid", f"Invalid value: null: {_UNCHECKED}")]
    return [*causes, *_run_rules(obj, old, schema, "")]


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
    ):
        if isinstance(value, kind):
            return name
    return "object"


def _check(value: Any, schema: Schema, path: str) -> list[Cause]:
    if value is None and schema.get("nullable"):
        return []
    found, wanted = _type_of(value), str(schema.get("type") or "")
    if not _fits(value, found, schema):
        return [wrong_type(path, found, "integer,string" if schema.get(INT_OR_STRING) else wanted)]
    causes = list(_check_value(value, schema, path))
    if isinstance(value, dict):
        causes += _check_object(value, schema, path)
    elif isinstance(value, list):
        causes += _check_list(value, schema, path)
    return causes + list(_check_combined(value, schema, path))


def _fits(value: Any, found: str, schema: Schema) -> bool:
    """Whether the JSON type is the schema's; 3.0 is an integer, as for Go's decoder."""
    wanted = schema.get("type")
    if schema.get(INT_OR_STRING):
        return found in ("integer", "string")
    if not wanted or found == wanted or (wanted == "number" and found == "integer"):
        return True
    return wanted == "integer" and found == "number" and float(value).is_integer()


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


_LIMITS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", lambda value, limit: value >= limit, "greater than or equal to"),
    ("maximum", lambda value, limit: value <= limit, "less than or equal to"),
)
_RANGES = {"int32": 2**31, "int64": 2**63}


def _check_value(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if "enum" in schema and value not in schema["enum"]:
        yield not_supported(path, _shown(value), [_shown(item) for item in schema["enum"]])
    if isinstance(value, int | float) and not isinstance(value, bool):
        for word, good, text in _LIMITS:
            exclusive = schema.get(f"exclusive{word.capitalize()}")
            if word in schema and not (
                good(value, schema[word]) and not (exclusive and value == schema[word])
            ):
                text_here = text.removesuffix(" or equal to") if exclusive else text
                yield invalid_value(
                    path, _shown(value), f"{path} in body should be {text_here} {schema[word]}"
                )
        if schema.get("multipleOf") and value % schema["multipleOf"]:
            yield invalid_value(
                path, _shown(value), f"{path} in body should be a multiple of {schema['multipleOf']}"
            )
        bound = _RANGES.get(schema.get("format", ""))
        if bound and not -bound <= value < bound:
            yield invalid_value(
                path, _shown(value), f"{path} in body must be of type {schema['format']}: {_shown(value)}"
            )
    if isinstance(value, str):
        yield from _check_text(value, schema, path)


def _check_text(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minLength", 0):
        why = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid_value(path, _shown(value), why)
    if len(value) > schema.get("maxLength", len(value)):
        yield Cause(path, "FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes")
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield invalid_value(path, _shown(value), f"{path} in body should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not _is_moment(value):
        yield invalid_value(path, _shown(value), f"{path} in body must be of type date-time: {_shown(value)}")


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _check_object(value: dict[str, Any], schema: Schema, path: str) -> list[Cause]:
    causes = [
        required(f"{path}.{name}") for name in sorted(schema.get("required") or ()) if name not in value
    ]
    if len(value) > schema.get("maxProperties", len(value)):
        limit = schema["maxProperties"]
        causes.append(
            Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {limit} items")
        )
    if len(value) < schema.get("minProperties", 0):
        why = f"{path} in body should have at least {schema['minProperties']} properties"
        causes.append(invalid_value(path, str(len(value)), why))
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in sorted(value):
        below = properties.get(name, extra)
        if isinstance(below, dict):
            causes += _check(value[name], below, f"{path}.{name}")
    return causes


def _check_list(value: list[Any], schema: Schema, path: str) -> list[Cause]:
    causes = []
    if len(value) > schema.get("maxItems", len(value)):
        limit = schema["maxItems"]
        causes.append(
            Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {limit} items")
        )
    if len(value) < schema.get("minItems", 0):
        why = f"{path} in body should have at least {schema['minItems']} items"
        causes.append(invalid_value(path, str(len(value)), why))
    if isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            causes += _check(item, schema["items"], f"{path}[{index}]")
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    if kind in ("set", "map"):
        seen: list[Any] = []
        for index, item in enumerate(value):
            own = (
                {key: item.get(key) for key in keys if key in item}
                if kind == "map" and isinstance(item, dict)
                else item
            )
            if own in seen:
                causes.append(
                    Cause(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {_shown(own)}")
                )
            seen.append(own)
    return causes


def _check_combined(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for below in schema.get("allOf") or ():
        yield from _check(value, below, path)
    shown = '""' if isinstance(value, dict | list) else _shown(value)
    passing = [
        sum(not _check(value, below, path) for below in schema.get(word) or ()) for word in ("anyOf", "oneOf")
    ]
    if schema.get("anyOf") and not passing[0]:
        yield invalid_value(path, shown, f"{path} in body must validate at least one schema (anyOf)")
    if schema.get("oneOf") and passing[1] != 1:
        yield invalid_value(path, shown, f"{path} in body must validate one and only one schema (oneOf)")
    if isinstance(schema.get("not"), dict) and not _check(value, schema["not"], path):
        yield invalid_value(path, shown, f"{path} in body must not validate the schema (not)")


def subschemas(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """A schema and all below it, with their paths."""
    yield path, schema
    for name, below in (schema.get("properties") or {}).items():
        yield from subschemas(below, f"{path}.properties[{name}]")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from subschemas(schema[word], f"{path}.{word}")


def rules_of(schema: Schema) -> list[dict[str, Any]]:
    """The validation rules of this level."""
    return schema.get(RULES) or []


def has_rules(schema: Schema) -> bool:
    """Whether there is any rule at any level."""
    return any(rules_of(below) for _, below in subschemas(schema))


def _run_rules(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if value is None or (old is not None and value is old):
        return
    for rule in rules_of(schema):
        try:
            if compile_rule(rule["rule"])(value) is True:
                continue
            words = rule.get("message") or f"failed rule: {rule['rule']}"
        except EvaluationError as error:
            words = f"rule evaluation error: {error}"
        yield Cause(path, rule.get("reason") or "FieldValueInvalid", f"Invalid value: {words}")
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, item in value.items():
            below = properties.get(name, extra)
            if isinstance(below, dict):
                before = old.get(name) if isinstance(old, dict) else None
                yield from _run_rules(item, before, below, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from _run_rules(item, None, schema["items"], f"{path}[{index}]")
