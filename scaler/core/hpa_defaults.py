"""What a kube-apiserver (1.36) makes of a HorizontalPodAutoscaler before it stores it.

The embedded API server uses it to store HPAs, and the reconciler to compare: an HPA compared before this
defaulting would be written again on every reconcile. Behaviour recorded in `conformance/hpa.jsonl`
(`behavior_defaulted`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from scalers._lib import quantity

__all__ = ["defaulted"]

_RULES: dict[str, dict[str, Any]] = {
    "scaleUp": {
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
        "selectPolicy": "Max",
        "stabilizationWindowSeconds": 0,
    },
    # No window downwards: it is a setting of the controller (300 s unless told otherwise).
    "scaleDown": {
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        "selectPolicy": "Max",
    },
}
_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_SOURCES = ("containerResource", "external", "object", "pods", "resource")


def defaulted(hpa: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the defaults of autoscaling/v2 filled in and every quantity in its canonical spelling.

    Never raises: what is no quantity, or no list where one belongs, is left for `validate` to report.
    """
    result = dict(hpa)
    spec = _mapping(hpa.get("spec"))
    if spec is not None:
        result["spec"] = _spec(spec)
    status = _mapping(hpa.get("status"))
    if status is not None and status.get("currentMetrics"):
        current = _each(status["currentMetrics"], lambda metric: _metric(metric, "current"))
        result["status"] = {**status, "currentMetrics": current}
    return result


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    result = {"minReplicas": 1, **_present(spec)}
    result["metrics"] = _each(spec.get("metrics") or [_CPU], lambda metric: _metric(metric, "target"))
    behavior = _mapping(spec.get("behavior"))
    if behavior is not None:
        filled = {way: _rules(behavior.get(way), default) for way, default in _RULES.items()}
        result["behavior"] = {**behavior, **filled}
    return result


def _rules(rules: Any, default: Mapping[str, Any]) -> Any:
    if rules is None:
        rules = {}
    if not isinstance(rules, Mapping):
        return rules
    result = {**default, **_present(rules)}
    if "tolerance" in result:
        result["tolerance"] = _canonical(result["tolerance"])
    return result


def _metric(metric: Any, part: str) -> Any:
    """A metric of `spec` (part `target`) or of `status` (part `current`), its quantities made canonical."""
    if not isinstance(metric, Mapping):
        return metric
    result = dict(metric)
    for source in _SOURCES:
        body = _mapping(metric.get(source))
        numbers = _mapping(body.get(part)) if body is not None else None
        if body is None or numbers is None:
            continue
        spelled = {
            name: _canonical(value) if name in {"value", "averageValue"} else value
            for name, value in _present(numbers).items()
        }
        result[source] = {**body, part: spelled}
    return result


def _canonical(value: Any) -> Any:
    try:
        return quantity.canonical(value)
    except (ValueError, TypeError):
        return value


def _present(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, which mean absent."""
    return {name: value for name, value in mapping.items() if value is not None}


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _each(values: Any, change: Callable[[Any], Any]) -> Any:
    return [change(value) for value in values] if isinstance(values, list | tuple) else values
