"""The field types that our Kubernetes kinds share, and the base of their models.

A model accepts exactly what Go's JSON decoding and the CRD's schema accept: no text for a number, no number
for text. Fields it does not know are kept aside (`unknown`), never refused: an object written for a newer
release still works.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["Count", "Int32", "Model", "Name", "Positive", "Quantity", "Window", "is_object_name", "listed"]

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)


_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z", re.ASCII)


def is_object_name(text: str) -> bool:
    """Is it a DNS subdomain, as most kinds ask of `metadata.name`?"""
    return len(text) <= 253 and _SUBDOMAIN.match(text) is not None


def _whole(value: Any) -> Any:
    """5.0 is the whole number 5 to an API server, which stores it so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _quantity(value: Any) -> Any:
    """A quantity may be written as a whole number; it is kept as text."""
    whole = _whole(value)
    return str(whole) if isinstance(whole, int) and not isinstance(whole, bool) else value


Int32 = Annotated[int, Field(ge=INT32_MIN, le=INT32_MAX), BeforeValidator(_whole)]
Count = Annotated[int, Field(ge=0, le=INT32_MAX), BeforeValidator(_whole)]
Positive = Annotated[int, Field(ge=1, le=INT32_MAX), BeforeValidator(_whole)]
Window = Annotated[int, Field(ge=0, le=3600), BeforeValidator(_whole)]
Name = Annotated[str, Field(min_length=1)]
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN), BeforeValidator(_quantity)]


def listed(*, at_least: int = 0, default: Any = ...) -> Any:
    """The field of a JSON array, kept as a tuple."""
    return Field(default, strict=False, min_length=at_least or None)


class Model(BaseModel):
    """A frozen part of a manifest. Attributes are snake_case, the manifest's fields camelCase.

    The text below an attribute is what `kubectl explain` shows for the field.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="allow", alias_generator=to_camel, use_attribute_docstrings=True
    )

    def unknown(self, path: str) -> Iterator[str]:
        """The paths of all fields, here and below, that no model knows."""
        if self.__pydantic_extra__:
            yield from (f"{path}.{name}" for name in self.__pydantic_extra__)
        for attribute, info in type(self).model_fields.items():
            value = getattr(self, attribute)
            if isinstance(value, Model):
                yield from value.unknown(f"{path}.{info.alias}")
            elif isinstance(value, tuple):
                for index, element in enumerate(value):
                    if isinstance(element, Model):
                        yield from element.unknown(f"{path}.{info.alias}[{index}]")
