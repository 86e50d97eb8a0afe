"""Unknown fields of built-in kinds, for clients that ask for strict validation (`kubectl apply` does). Pure.

The schemas are the Python client's models. A field they do not know is a mistake in the manifest; a value's type is left
to the kind's own rules.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["unknown_fields"]

Schema = dict[str, Any]


def unknown_fields(
    value: Any, schema: Schema, definitions: dict[str, Schema], path: str = ""
) -> Iterator[str]:
    """Paths of the fields that the schema does not have."""
    schema = _resolved(schema, definitions)
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        for name, below in value.items():
            at = f"{path}.{name}" if path else name
            if name in properties:
                yield from unknown_fields(below, properties[name], definitions, at)
            elif isinstance(extra, dict):
                yield from unknown_fields(below, extra, definitions, at)
            elif properties and extra is False:
                yield at
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema["items"], definitions, f"{path}[{index}]")


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Behind references and `or null`."""
    while True:
        options = [option for option in schema.get("anyOf") or () if option != {"type": "null"}]
        if len(options) == 1:
            schema = options[0]
        elif "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        else:
            return schema
