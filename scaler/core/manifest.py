"""From a raw manifest to a ScaledObject, or to the list of everything that is wrong with it.

`parse` applies the rules of the CRD's schema (facts 1.3): what a Kubernetes API server would refuse to store.
What the controller itself refuses is in `rules`, and offered here too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaler.core.fields import Model, is_object_name
from scaler.core.model import DEFAULT_MAXIMUM, ScaledObject, ScaledObjectSpec, moment
from scaler.core.problems import kind_of, validated
from scaler.core.rules import refusals, refused
from scalers._lib.problem import Problem

__all__ = [
    "Manifest",
    "metadata_of",
    "parse",
    "refusals",
    "refused",
    "unknown_fields",
]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `parse` found. `scaled_object` is None exactly when there are problems."""

    scaled_object: ScaledObject | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def parse(obj: Mapping[str, Any]) -> Manifest:
    """Read a ScaledObject. Never raises for what a user wrote; reports every problem, with its full path."""
    meta, problems = metadata_of(obj)
    spec, found = _spec(obj.get("spec"))
    problems += found
    if problems or spec is None:
        return Manifest(None, tuple(problems), ())
    status = obj.get("status")
    scaled_object = ScaledObject(
        namespace=meta.get("namespace") or "default",
        name=meta.get("name") or meta.get("generateName") or "",
        spec=spec,
        uid=str(meta.get("uid") or ""),
        resource_version=str(meta.get("resourceVersion") or ""),
        generation=meta.get("generation") or 0,
        created=moment(meta.get("creationTimestamp")),
        deleted=meta.get("deletionTimestamp") is not None,
        finalizers=tuple(_listed(meta.get("finalizers"))),
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        status=status if isinstance(status, Mapping) else {},
    )
    return Manifest(scaled_object, (), unknown_fields(spec))


def metadata_of(obj: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Problem]]:
    """`metadata` of any object of ours, and what is wrong with it."""
    meta = obj.get("metadata")
    if meta is None:
        return {}, [Problem("metadata", "is required", "give at least metadata.name")]
    if not isinstance(meta, Mapping):
        return {}, [Problem("metadata", f"is {kind_of(meta)}, not a mapping", "give metadata.name below it")]
    problems = list(_names(meta))
    for field in ("labels", "annotations"):
        problems += _texts(meta.get(field), f"metadata.{field}")
    return meta, problems


def unknown_fields(spec: Model) -> tuple[Problem, ...]:
    """A warning for every field of `spec` that no model knows."""
    paths = spec.unknown("spec")
    return tuple(Problem(path, "is no known field and is ignored", "check its spelling") for path in paths)


def _listed(value: Any) -> list[str]:
    """What the API server keeps itself and a file has no say in; anything else than a list is not there."""
    return value if isinstance(value, list) else []


def _names(meta: Mapping[str, Any]) -> Iterator[Problem]:
    if not (meta.get("name") or meta.get("generateName")):
        yield Problem("metadata.name", "is required", "name the object")
    for field in ("name", "generateName", "namespace"):
        value = meta.get(field)
        if value is not None and not isinstance(value, str):
            yield Problem(f"metadata.{field}", f"is {kind_of(value)}, not text", "put quotes around it")
        elif field == "name" and value and not is_object_name(value):
            mend = (
                "use at most 253 lower case letters, digits, dashes and dots, a letter or digit at both ends"
            )
            yield Problem("metadata.name", f"{value!r} is no name for an object", mend)


def _texts(mapping: object, path: str) -> Iterator[Problem]:
    if mapping is None:
        return
    if not isinstance(mapping, Mapping):
        yield Problem(
            path, f"is {kind_of(mapping)}, not a mapping of text to text", 'write `key: "value"` lines'
        )
        return
    for name, value in mapping.items():
        if not isinstance(value, str):
            yield Problem(f"{path}.{name}", f"is {kind_of(value)}, not text", "put quotes around it")


def _spec(raw: object) -> tuple[ScaledObjectSpec | None, list[Problem]]:
    if raw is None:
        return None, [
            Problem("spec", "is required", "give at least spec.scaleTargetRef.name and spec.triggers")
        ]
    if not isinstance(raw, Mapping):
        return None, [
            Problem("spec", f"is {kind_of(raw)}, not a mapping", "give scaleTargetRef and triggers below it")
        ]
    spec, problems = validated(ScaledObjectSpec, raw, "spec")
    problems += _bounds(raw)
    return spec, problems


def _bounds(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """The CRD's one rule over two fields."""
    low, high = spec.get("minReplicaCount"), spec.get("maxReplicaCount")
    limit = DEFAULT_MAXIMUM if high is None else high
    if isinstance(low, int | float) and isinstance(limit, int | float) and low > limit:
        default = " (its default)" if high is None else ""
        mend = "lower it, or raise spec.maxReplicaCount"
        yield Problem("spec.minReplicaCount", f"{low} is above maxReplicaCount {limit}{default}", mend)
