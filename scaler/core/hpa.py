"""The HPA that belongs to a ScaledObject, and whether the one in the cluster still is it.

`desired` is facts 2.4: names, labels, owner, bounds, metrics. `difference` answers which fields need a write,
after the API server's own defaulting, so that reconciling an unchanged object writes nothing. That defaulting
and the API server's refusals stand in modules of their own and are offered here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaler.core import annotations, policies
from scaler.core.hpa_defaults import defaulted
from scaler.core.hpa_rules import Cause, validate
from scaler.core.hpa_shape import known
from scaler.core.model import ScaledObject
from scaler.core.outcome import COMPOSITE
from scalers._lib import quantity
from scalers.sdk import MetricSpec, ResourceSpec, Spec

__all__ = [
    "Cause",
    "TriggerMetrics",
    "defaulted",
    "desired",
    "difference",
    "external_name",
    "render",
    "trigger_of",
    "validate",
]

OWNER_LABEL = "scaledobject.keda.sh/name"
EXCLUDED_LABELS = "scaledobject.keda.sh/hpa-excluded-labels"
_COPIED = ("autoscaling.keda.sh/", "scaledobject.keda.sh/", "tidegate.dev/")
"""Annotations that an HPA has only as copies of its object's."""
_LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class TriggerMetrics:
    """The metrics of one trigger.

    `index` is its position in `spec.triggers`; an empty metric type is AverageValue (resource metrics have
    their own). A trigger whose metadata
    does not parse has the one metric `invalid`: it is answered with an error, and so keeps the HPA from
    scaling in on what the other triggers say.
    """

    index: int
    specs: tuple[Spec, ...]
    metric_type: str = ""


def external_name(index: int, spec: MetricSpec) -> str:
    """The metric's name in the HPA: `s<index>-<name>`."""
    return f"s{index}-{spec.name}"


def desired(so: ScaledObject, metrics: Sequence[TriggerMetrics], version: str) -> dict[str, Any]:
    """The HPA to have, not defaulted. Raises ValueError for a metric name used twice, or no metric at all."""
    target = so.target
    behavior = _behavior(so)
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "minReplicas": so.floor,
        "maxReplicas": so.maximum,
        "metrics": _metrics(so, metrics),
    }
    if behavior is not None:
        spec["behavior"] = behavior
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(so, version),
        "spec": spec,
    }


def render(so: ScaledObject, metrics: Sequence[TriggerMetrics], version: str) -> dict[str, Any]:
    """The HPA as `tidegate render` shows it: without the owner's uid where no API server gave one yet."""
    result = desired(so, metrics, version)
    if not so.uid:
        for reference in result["metadata"]["ownerReferences"]:
            del reference["uid"]
    return result


def difference(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of the fields of `live` that differ from `wanted`; () when nothing needs a write.

    Labels, annotations and owners that others added are left alone (facts 2.5, but annotations too). What only an object
    can have said, such as a pause, goes when the object says nothing any more.
    """
    found: list[str] = []
    mine, theirs = wanted.get("metadata", {}), live.get("metadata", {})
    for field in ("labels", "annotations"):
        have = theirs.get(field) or {}
        found += [f"metadata.{field}.{k}" for k, v in (mine.get(field) or {}).items() if have.get(k) != v]
    if not mine.get("annotations"):
        left = sorted(name for name in theirs.get("annotations") or {} if name.startswith(_COPIED))
        found += [f"metadata.annotations.{name}" for name in left]
    if _owners_differ(theirs.get("ownerReferences") or [], mine.get("ownerReferences") or []):
        found.append("metadata.ownerReferences")
    live_spec = known(defaulted(live).get("spec"))
    wanted_spec = known(defaulted(wanted).get("spec"))
    found += _differences(live_spec, wanted_spec, "spec")
    return tuple(found)


def _metadata(so: ScaledObject, version: str) -> dict[str, Any]:
    excluded = set(so.annotations.get(EXCLUDED_LABELS, "").split(","))
    own = {
        "app.kubernetes.io/name": _label(so.hpa_name),
        "app.kubernetes.io/version": version,
        "app.kubernetes.io/part-of": so.name,
        "app.kubernetes.io/managed-by": "keda-operator",
    }
    # By our own label the HPA is watched, so that one stays.
    copied = {name: value for name, value in so.labels.items() if name not in excluded}
    copied[OWNER_LABEL] = so.name
    metadata: dict[str, Any] = {
        "name": so.hpa_name,
        "namespace": so.namespace,
        "labels": own | copied,
        "ownerReferences": [
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "name": so.name,
                "uid": so.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if so.annotations:
        metadata["annotations"] = dict(so.annotations)
    return metadata


def _behavior(so: ScaledObject) -> dict[str, Any] | None:
    """The behavior as written, with the directions that a pause disables (facts 2.4)."""
    pause = annotations.pause(so.annotations)
    paused = {"scaleDown": pause.scale_in, "scaleUp": pause.scale_out}
    behavior = so.behavior
    for direction in (name for name, disabled in paused.items() if disabled):
        written = (behavior or {}).get(direction) or {}
        behavior = {**(behavior or {}), direction: {**written, "selectPolicy": "Disabled"}}
    return behavior


def _label(text: str) -> str:
    """The text as a label's value: at most 63 characters, ending in a letter or digit."""
    text = text[:_LONGEST_LABEL]
    while text and not (text[-1].isascii() and text[-1].isalnum()):
        text = text[:-1]
    return text


def trigger_of(metrics: Sequence[TriggerMetrics], place: int) -> int:
    """The index of the trigger that metric number `place` of the HPA made from `metrics` belongs to."""
    return _ordered(metrics)[place][0].index


def _ordered(metrics: Sequence[TriggerMetrics]) -> list[tuple[TriggerMetrics, Spec]]:
    """Every metric in the order of the HPA: by type, then as in the manifest."""
    return sorted(
        ((trigger, spec) for trigger in metrics for spec in trigger.specs), key=lambda m: _type(m[1])
    )


def _type(spec: Spec) -> str:
    if isinstance(spec, MetricSpec):
        return "External"
    return "ContainerResource" if spec.container else "Resource"


def _metrics(so: ScaledObject, metrics: Sequence[TriggerMetrics]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    names: set[str] = set()
    modifiers = policies.modifiers_of(so)
    for trigger, spec in _ordered(metrics):
        if isinstance(spec, ResourceSpec):
            found.append(_resource(spec))
            continue
        name = external_name(trigger.index, spec)
        if name in names:
            raise ValueError(f"metric {name} is defined twice in ScaledObject {so.key}")
        names.add(name)
        if modifiers is None:
            target = _target(name, spec)
            found.append(_external(so, name, target, trigger.metric_type or "AverageValue"))
    if not found and not names:
        raise ValueError(f"no trigger of ScaledObject {so.key} has a metric")
    if modifiers is not None:
        # One metric stands for all external ones; what the HPA reads itself stays beside it.
        target = quantity.from_milli(modifiers.target)
        found.append(_external(so, COMPOSITE, target, modifiers.metric_type))
    return found


def _resource(spec: ResourceSpec) -> dict[str, Any]:
    """What the HPA reads itself; of such metrics there may be several of one name."""
    field = "averageUtilization" if spec.target_type == "Utilization" else "averageValue"
    source = {"name": spec.name, "target": {"type": spec.target_type, field: spec.target}}
    if spec.container:
        return {"type": "ContainerResource", "containerResource": source | {"container": spec.container}}
    return {"type": "Resource", "resource": source}


def _target(name: str, spec: MetricSpec) -> str:
    try:
        return quantity.from_number(spec.target)
    except ValueError as error:
        raise ValueError(f"metric {name}: its target {error}") from error


def _external(so: ScaledObject, name: str, target: str, metric_type: str) -> dict[str, Any]:
    field = "averageValue" if metric_type == "AverageValue" else "value"
    return {
        "type": "External",
        "external": {
            "metric": {"name": name, "selector": {"matchLabels": {OWNER_LABEL: so.name}}},
            "target": {"type": metric_type, field: target},
        },
    }


def _owners_differ(have: Sequence[Mapping[str, Any]], want: Sequence[Mapping[str, Any]]) -> bool:
    """Is one of ours missing, or is there another controller beside it?"""
    others = [reference for reference in have if reference not in want]
    return any(reference not in have for reference in want) or any(
        other.get("controller") for other in others
    )


def _differences(have: Any, want: Any, path: str) -> Iterator[str]:
    if isinstance(have, Mapping) and isinstance(want, Mapping):
        for name in sorted({*have, *want}):
            yield from _differences(have.get(name), want.get(name), f"{path}.{name}")
    elif isinstance(have, list) and isinstance(want, list) and len(have) == len(want):
        for index, (left, right) in enumerate(zip(have, want, strict=True)):
            yield from _differences(left, right, f"{path}[{index}]")
    elif have != want:
        yield path
