"""What a kube-apiserver (1.36) refuses in a HorizontalPodAutoscaler, as causes of its `Invalid` answer.

For the embedded API server, and for `tidegate validate`, which shows them before anything is applied. Each
cause is (field, reason, message), where the message has the form `kubectl` users know: `Invalid value: 0:
must be positive`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scaler.core.hpa_shape import mistyped
from scalers._lib import quantity

__all__ = ["Cause", "validate"]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("Utilization", "Value", "AverageValue")
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_LONGEST_PERIOD, _LONGEST_WINDOW = 1800, 3600
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z", re.ASCII)
_QUANTITY_MEND = "must be a quantity, such as 5 or 500m"


class Cause(NamedTuple):
    """One reason for refusing: the field's path, Kubernetes' reason, and a message."""

    field: str
    reason: str
    message: str


def validate(hpa: Mapping[str, Any]) -> list[Cause]:
    """Everything an API server refuses in a *defaulted* HPA, in its order; [] when it would be stored.

    Wrong JSON types (which an API server cannot even decode) come alone, with the reason
    FieldValueTypeInvalid.
    """
    spec = hpa.get("spec")
    if not isinstance(spec, Mapping):
        return [_required("spec", "")]
    wrong = [
        Cause(path, "FieldValueTypeInvalid", f"Invalid value: {words}") for path, words in mistyped(spec)
    ]
    if wrong:
        return wrong
    return [
        *_bounds(spec),
        *_reference(spec.get("scaleTargetRef"), "spec.scaleTargetRef", grouped=True),
        *_metrics(spec.get("metrics") or []),
        *_behavior(spec.get("behavior")),
    ]


def _bounds(spec: Mapping[str, Any]) -> Iterator[Cause]:
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 1:
        yield _invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if high == 0:
        yield _required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        yield _invalid("spec.maxReplicas", high, "must be greater than 0")
    if low is not None and high < low:
        yield _invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")


def _reference(ref: Any, path: str, *, grouped: bool) -> Iterator[Cause]:
    """A reference to an object. `grouped`: with an API group (of which ReplicationController has none)."""
    ref = ref or {}
    for part in ("kind", "name"):
        if not ref.get(part):
            yield _required(f"{path}.{part}", "")
        else:
            yield from _segment(ref[part], f"{path}.{part}")
    version = ref.get("apiVersion") or ""
    if version.count("/") > 1:
        yield _invalid(f"{path}.apiVersion", version, "must have at most one '/'")
    elif grouped and not version.rpartition("/")[0] and ref.get("kind") != "ReplicationController":
        yield _invalid(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _metrics(metrics: Any) -> Iterator[Cause]:
    for index, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{index}]")


def _metric(metric: Mapping[str, Any], path: str) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield _required(f"{path}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        yield _unsupported(f"{path}.type", kind, _SOURCES)
    expected = _SOURCES.get(kind)
    present = [
        name for name in ("object", "external", "pods", "resource", "containerResource") if metric.get(name)
    ]
    for source in present[:1]:
        yield from _source(source, metric[source], f"{path}.{source}")
    if expected and expected not in present:
        yield _required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) > 1:
        for source in present:
            if source != expected:
                yield _forbidden(f"{path}.{source}", "must populate the given metric source only")


def _source(source: str, body: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """One metric source. Resources are named directly, all others by a metric's identifier."""
    target = body.get("target") or {}
    resource = source in {"resource", "containerResource"}
    if source == "object":
        yield from _reference(body.get("describedObject"), f"{path}.describedObject", grouped=False)
    if resource and not body.get("name"):
        yield _required(f"{path}.name", "must specify a resource name")
    if source == "containerResource":
        yield from _container(body.get("container") or "", f"{path}.container")
    if not resource:
        yield from _identifier(body.get("metric") or {}, f"{path}.metric")
    yield from _target(target, f"{path}.target")
    yield from _combination(
        source, {name for name, value in target.items() if value is not None}, f"{path}.target"
    )


def _container(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield _required(path, "must specify a container")
    elif not _LABEL.match(name):
        yield _invalid(
            path, name, "must be at most 63 lower case letters, digits and dashes, no dash at an end"
        )


def _identifier(metric: Mapping[str, Any], path: str) -> Iterator[Cause]:
    name = metric.get("name") or ""
    if not name:
        yield _required(f"{path}.name", "must specify a metric name")
    else:
        yield from _segment(name, f"{path}.name")


def _target(target: Mapping[str, Any], path: str) -> Iterator[Cause]:
    kind = target.get("type") or ""
    if not kind:
        yield _required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield _invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        if target.get(name) is not None:
            yield from _positive(target[name], f"{path}.{name}")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield _invalid(f"{path}.averageUtilization", share, "must be greater than 0")


def _combination(source: str, given: set[str], path: str) -> Iterator[Cause]:
    """Which numbers of a target must be there, and which exclude each other."""
    if source == "pods":
        if "averageValue" not in given:
            yield _required(f"{path}.averageValue", "must specify a positive target averageValue")
    elif source in {"resource", "containerResource"}:
        if not given & {"averageUtilization", "averageValue"}:
            words = "must set either a target raw value or a target utilization"
            yield _required(f"{path}.averageUtilization", words)
        elif given >= {"averageUtilization", "averageValue"}:
            words = "may not set both a target raw value and a target utilization"
            yield _forbidden(f"{path}.averageValue", words)
    elif not given & {"value", "averageValue"}:
        yield _required(
            f"{path}.averageValue", "must set either a target value for metric or a per-pod target"
        )
    elif source == "external" and given >= {"value", "averageValue"}:
        yield _forbidden(f"{path}.value", "may not set both a target value for metric and a per-pod target")


def _behavior(behavior: Any) -> Iterator[Cause]:
    for way in ("scaleUp", "scaleDown"):
        rules = (behavior or {}).get(way)
        if rules is not None:
            yield from _rules(rules, f"spec.behavior.{way}")


def _rules(rules: Mapping[str, Any], path: str) -> Iterator[Cause]:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None:
        yield from _between(window, 0, _LONGEST_WINDOW, f"{path}.stabilizationWindowSeconds")
    if select is not None and select not in _SELECT:
        yield _unsupported(f"{path}.selectPolicy", select, _SELECT)
    if not rules.get("policies"):
        yield _required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or []):
        where = f"{path}.policies[{index}]"
        if policy.get("type") not in _POLICIES:
            yield _unsupported(f"{where}.type", policy.get("type") or "", _POLICIES)
        yield from _between(policy.get("value") or 0, 1, None, f"{where}.value")
        yield from _between(policy.get("periodSeconds") or 0, 1, _LONGEST_PERIOD, f"{where}.periodSeconds")
    if rules.get("tolerance") is not None:
        yield from _positive(rules["tolerance"], f"{path}.tolerance", zero=True)


def _between(value: Any, low: int, high: int | None, path: str) -> Iterator[Cause]:
    if value < low:
        yield _invalid(path, value, f"must be greater than or equal to {low}")
    elif high is not None and value > high:
        yield _invalid(path, value, f"must be less than or equal to {high}")


def _positive(value: Any, path: str, *, zero: bool = False) -> Iterator[Cause]:
    try:
        number = quantity.parse(value)
    except (ValueError, TypeError):
        yield _invalid(path, value, _QUANTITY_MEND)
        return
    if number < 0 or (number == 0 and not zero):
        yield _invalid(path, value, "must be positive" if not zero else "must be greater or equal to 0")


def _segment(name: str, path: str) -> Iterator[Cause]:
    """What stands in a URL as one segment."""
    if name in {".", ".."}:
        yield _invalid(path, name, f"may not be '{name}'")
    for sign in ("/", "%"):
        if sign in name:
            yield _invalid(path, name, f"may not contain '{sign}'")


def _required(field: str, words: str) -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {words}" if words else "Required value")


def _invalid(field: str, value: object, words: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {json.dumps(value, default=str)}: {words}")


def _unsupported(field: str, value: object, known: Any) -> Cause:
    words = ", ".join(f'"{name}"' for name in sorted(known))
    return Cause(
        field, "FieldValueNotSupported", f"Unsupported value: {json.dumps(value)}: supported values: {words}"
    )


def _forbidden(field: str, words: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {words}")
