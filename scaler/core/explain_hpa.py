"""The HPA's part in words: what its status says it did, and which of its limits kept it from more.

From `max(minReplicaCount, 1)` upwards the HPA decides, and tells why only in conditions. The words here name the field
that has to be changed for it to decide otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaler.core.annotations import PAUSED_SCALE_IN, PAUSED_SCALE_OUT
from scaler.core.conditions import Condition, conditions
from scaler.core.policy import Pause

__all__ = ["HpaMetric", "HpaView", "HpaWord", "rescaled", "verdict", "view"]

_DOWN_WINDOW = 300
_SETTLED = frozenset({"AbleToScale", "ScalingActive", "ScalingLimited"})


@dataclass(frozen=True, slots=True)
class HpaMetric:
    """What an HPA knows of one metric: quantities as it writes them, empty where it has none."""

    name: str
    current: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HpaView:
    """What is kept of an HPA's status and limits. `scaled` is its lastScaleTime as written."""

    name: str
    minimum: int
    maximum: int
    current: int | None = None
    desired: int | None = None
    scaled: str = ""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    metrics: tuple[HpaMetric, ...] = ()
    behavior: Mapping[str, Any] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "name": self.name,
            "minReplicas": self.minimum,
            "maxReplicas": self.maximum,
            "currentReplicas": self.current,
            "desiredReplicas": self.desired,
            "lastScaleTime": self.scaled or None,
            "conditions": [condition.written() for condition in self.conditions.values()],
            "metrics": [{"name": m.name, "current": m.current, "target": m.target} for m in self.metrics],
            "behavior": dict(self.behavior),
        }


@dataclass(frozen=True, slots=True)
class HpaWord:
    """The HPA's reason (a condition's) and what it means here. `trouble`: it cannot do its work at all."""

    word: str
    text: str
    trouble: bool = False

    def __str__(self) -> str:
        """`word: text`."""
        return f"{self.word}: {self.text}"


def view(hpa: Mapping[str, Any]) -> HpaView:
    """What is kept of an HPA's JSON. A status that was not written yet is empty."""
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    found = {kind: c for kind, c in conditions(status).items() if kind in _SETTLED}
    return HpaView(
        name=str(hpa.get("metadata", {}).get("name", "")),
        minimum=int(spec.get("minReplicas") or 1),
        maximum=int(spec.get("maxReplicas") or 0),
        current=_int(status.get("currentReplicas")),
        desired=_int(status.get("desiredReplicas")),
        scaled=str(status.get("lastScaleTime") or ""),
        conditions=found,
        metrics=tuple(_metrics(spec.get("metrics") or (), status.get("currentMetrics") or ())),
        behavior=spec.get("behavior") or {},
    )


def verdict(hpa: HpaView, pause: Pause, asked: int | None = None) -> HpaWord | None:
    """Why the HPA leaves the replicas where they are; None before it has looked. `asked` is what the triggers ask for."""
    active, limited = hpa.conditions.get("ScalingActive"), hpa.conditions.get("ScalingLimited")
    failed = _failed(hpa)
    if failed is not None or active is None:
        return failed
    able = hpa.conditions["AbleToScale"].reason if "AbleToScale" in hpa.conditions else ""
    if able in _STABILIZED:
        direction, other = _STABILIZED[able]
        return HpaWord(able, _window(hpa, direction, other))
    if limited is not None and limited.status == "True":
        return HpaWord(limited.reason, _limit(hpa, limited, pause, asked))
    if able == "SucceededRescale":
        return HpaWord(able, f"the HPA set it to {hpa.desired}")
    return HpaWord(
        limited.reason if limited is not None else active.reason, "that is what its metrics ask for"
    )


def _failed(hpa: HpaView) -> HpaWord | None:
    """What keeps it from computing or from writing a count; or that it waits at zero."""
    able, active = hpa.conditions.get("AbleToScale"), hpa.conditions.get("ScalingActive")
    if able is not None and able.status == "False":
        return HpaWord(able.reason, able.message.strip(), trouble=True)
    if active is None or active.status != "False":
        return None
    if active.reason == "ScalingDisabled":
        return HpaWord(active.reason, "at 0 replicas the HPA waits")
    return HpaWord(active.reason, active.message.strip(), trouble=True)


def rescaled(hpa: HpaView, pause: Pause) -> str:
    """Why the HPA set the replicas that it did: what its metrics were, and the limit that kept it from more."""
    parts = [f"{m.name} is {m.current}, target {m.target}" for m in hpa.metrics if m.current]
    limited = hpa.conditions.get("ScalingLimited")
    if limited is not None and limited.status == "True":
        parts.append(f"{limited.reason}, {_limit(hpa, limited, pause, None)}")
    return "; ".join(parts)


_STABILIZED = {"ScaleDownStabilized": ("scaleDown", "more"), "ScaleUpStabilized": ("scaleUp", "fewer")}


def _window(hpa: HpaView, direction: str, other: str) -> str:
    rules = hpa.behavior.get(direction) or {}
    seconds = rules.get("stabilizationWindowSeconds")
    if seconds is None:
        seconds = _DOWN_WINDOW if direction == "scaleDown" else 0
    return (
        f"{other} were asked for within the last {seconds} s, "
        f"which counts (behavior.{direction}.stabilizationWindowSeconds)"
    )


def _limit(hpa: HpaView, limited: Condition, pause: Pause, asked: int | None) -> str:
    wish = f", {asked} are asked for" if asked is not None else ""
    if limited.reason == "TooManyReplicas":
        return f"maxReplicaCount {hpa.maximum} is reached{wish}"
    if limited.reason == "TooFewReplicas":
        return f"it does not go below {hpa.minimum} (minReplicaCount, at least 1)"
    if limited.reason == "ScaleUpLimit":
        paused = PAUSED_SCALE_OUT if pause.scale_out else ""
        return _rates(hpa, "scaleUp", "scale-out", paused) + wish
    if limited.reason == "ScaleDownLimit":
        return _rates(hpa, "scaleDown", "scale-in", PAUSED_SCALE_IN if pause.scale_in else "")
    return limited.message


def _rates(hpa: HpaView, direction: str, way: str, paused: str) -> str:
    if paused:
        return f"{way} is paused by annotation {paused}"
    rules = hpa.behavior.get(direction) or {}
    if rules.get("selectPolicy") == "Disabled":
        return f"{way} is switched off (behavior.{direction}.selectPolicy: Disabled)"
    policies = rules.get("policies") or _DEFAULTS[direction]
    which = "the least" if rules.get("selectPolicy") == "Min" else "the most"
    choice = f", {which} of these" if len(policies) > 1 else ""
    return f"not faster than {' or '.join(map(_policy, policies))}{choice} (behavior.{direction}.policies)"


_DEFAULTS: dict[str, list[dict[str, Any]]] = {
    "scaleUp": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
    "scaleDown": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def _policy(policy: Mapping[str, Any]) -> str:
    unit = " %" if policy.get("type") == "Percent" else " pods" if policy.get("value") != 1 else " pod"
    return f"{policy.get('value')}{unit} in {policy.get('periodSeconds')} s"


def _metrics(wanted: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> Iterator[HpaMetric]:
    """The metrics of the spec with what the status says of each: entries go by their place, where there are as many."""
    same = len(wanted) == len(known)
    for index, metric in enumerate(wanted):
        source = _source(metric)
        current = _source(known[index]).get("current") if same else None
        name = source.get("metric", {}).get("name") or source.get("name") or metric.get("type", "")
        yield HpaMetric(str(name), _amount(current or {}), _amount(source.get("target") or {}))


def _source(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = str(metric.get("type") or "")
    found = metric.get(kind[:1].lower() + kind[1:]) if kind else None
    return found if isinstance(found, Mapping) else {}


def _amount(of: Mapping[str, Any]) -> str:
    if of.get("averageValue") is not None:
        return f"{of['averageValue']} a replica"
    if of.get("averageUtilization") is not None:
        return f"{of['averageUtilization']} %"
    return str(of.get("value") if of.get("value") is not None else "")


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
