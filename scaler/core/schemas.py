"""From a pydantic model to a structural schema as a CustomResourceDefinition wants it.

Pydantic writes JSON Schema with references, titles, nulls for what may be absent, and every default. A
structural schema has none of these: references are put in place, a null alternative goes, and only a default
that a user could read back (a word from a list) stays.
"""

from collections.abc import Mapping
from typing import Any

from scaler.core.fields import INT32_MAX, INT32_MIN, QUANTITY_PATTERN, Model

__all__ = ["structural"]

_KEPT = (
    "description",
    "type",
    "pattern",
    "minLength",
    "minItems",
    "minimum",
    "maximum",
    "enum",
    "required",
    "format",
)
_IMPLIED = {"minimum": INT32_MIN, "maximum": INT32_MAX}
"""Limits that format int32 says already."""


def structural(model: type[Model]) -> dict[str, Any]:
    """The schema of a model, complete in itself. Its objects preserve unknown fields."""
    schema = model.model_json_schema(by_alias=True)
    return _node(schema, schema.get("$defs", {}))


def _node(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema = _in_place(schema, definitions)
    node = _value(schema)
    if "items" in schema:
        node["items"] = _node(schema["items"], definitions)
    if "properties" in schema:
        node["properties"] = {name: _node(inner, definitions) for name, inner in schema["properties"].items()}
        node["x-kubernetes-preserve-unknown-fields"] = True
    elif node.get("type") == "object":
        node["additionalProperties"] = _node(schema["additionalProperties"], definitions)
    return node


def _value(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What the node says of its own value, not of what is inside it."""
    node = {name: schema[name] for name in _KEPT if name in schema and schema[name] != _IMPLIED.get(name)}
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if "const" in schema:
        node["enum"] = [schema["const"]]
    if "enum" in node and schema.get("default"):
        node["default"] = schema["default"]
    if node.get("type") == "integer":
        node["format"] = "int32"
    if node.get("pattern") == QUANTITY_PATTERN:
        del node["type"]
        node |= {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    # Lists of its own, or YAML would write anchors.
    return {name: list(value) if isinstance(value, list) else value for name, value in node.items()}


def _in_place(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its reference, or its one alternative but null, merged in; its own words win."""
    result = dict(schema)
    while True:
        if "anyOf" in result:
            (inner,) = (choice for choice in result.pop("anyOf") if choice.get("type") != "null")
        elif "$ref" in result:
            inner = definitions[result.pop("$ref").removeprefix("#/$defs/")]
        else:
            return result
        result = {**inner, **result}
