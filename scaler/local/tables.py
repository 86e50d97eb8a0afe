"""The forms other than the object itself: Table, and metadata alone. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from scaler.local.resources import Column, Object

__all__ = ["metadata_only", "table"]


def metadata_only(obj: Object) -> Object:
    """The object as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def table(
    columns: Sequence[Column],
    objects: Iterable[Object],
    now: float,
    *,
    include: str = "Metadata",
    metadata: dict[str, Any] | None = None,
    headed: bool = True,
) -> Object:
    """Objects as a Table. `include` is what rows carry: None, Metadata or Object; `now` in seconds since the epoch."""
    rows = []
    for obj in objects:
        row: dict[str, Any] = {"cells": [column.value(obj, now) for column in columns]}
        if include != "None":
            row["object"] = obj if include == "Object" else metadata_only(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [column.definition() for column in columns] if headed else None,
        "rows": rows,
    }
