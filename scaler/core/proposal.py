"""What one metric of an HPA asks for: a count made of the metrics API's answer, or why there is none.

Used by `desired`. The arithmetic is kube-controller-manager's (1.36) down to its integers: amounts are 64-bit
thousandths that wrap or saturate where they do there, ratios are floats, counts saturate at 32 bits. This is
what the recorded cases with huge and negative values show (`conformance/hpa.jsonl`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scalers._lib import quantity

__all__ = ["Answer", "Proposal", "Scale", "Tolerance", "Unknown", "propose", "replicas_for"]

_INT32_MAX, _INT32_MIN = (1 << 31) - 1, -(1 << 31)
_INT64_MAX = (1 << 63) - 1
_FAILED = {
    "ContainerResource": "FailedGetContainerResourceMetric",
    "External": "FailedGetExternalMetric",
    "Object": "FailedGetObjectMetric",
    "Pods": "FailedGetPodsMetric",
    "Resource": "FailedGetResourceMetric",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was read for one metric: the quantities returned, or None and the error why there are none."""

    values: tuple[str, ...] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The scale target: `replicas` of its spec, `observed` of its status, pods that are running and ready.

    `ready` is None where the selector finds no pod at all: then a Value metric outside its tolerance cannot be
    judged.
    """

    replicas: int
    observed: int
    ready: int | None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Relative deviations from a target within which nothing changes."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        """Is usage/target near enough to 1? Both ends belong to it: 11 for a target of 10 is near enough."""
        return (1.0 - self.down) <= ratio <= (1.0 + self.up)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The replicas one metric asks for, its name for people, and its entry in `status.currentMetrics`."""

    replicas: int
    name: str
    status: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No count can be had from a metric: the condition's reason, and why."""

    reason: str
    message: str


def propose(
    metric: Mapping[str, Any], answer: Answer, scale: Scale, tolerance: Tolerance
) -> Proposal | Unknown:
    """One entry of a defaulted `spec.metrics` and what was read for it."""
    kind = str(metric.get("type", ""))
    failed = _FAILED.get(kind, "InvalidMetricSourceType")
    if answer.values is None:
        return Unknown(failed, answer.error or "it was not read")
    if kind != "External":
        return Unknown(failed, f"metrics of type {kind or 'none'} are not served here")
    external = metric["external"]
    if not answer.values:
        return Unknown(
            failed, f"external metric {external['metric']['name']}: the metrics API returned no value"
        )
    try:
        usages = [_thousandths(value) for value in answer.values]
        return _external(external, usages, scale, tolerance)
    except ValueError as error:
        return Unknown(failed, f"external metric {external['metric']['name']}: {error}")


def _external(
    external: Mapping[str, Any], usages: list[int], scale: Scale, tolerance: Tolerance
) -> Proposal | Unknown:
    target, name = external["target"], external["metric"]["name"]
    if target.get("averageValue") is not None:
        replicas, usage = _per_replica(usages, _thousandths(target["averageValue"]), scale, tolerance)
        current = {"averageValue": quantity.from_milli(usage)}
    elif target.get("value") is not None:
        replicas, usage = _ratio(usages, _thousandths(target["value"]), scale, tolerance)
        current = {"value": quantity.from_milli(usage)}
    else:
        return Unknown(
            "FailedGetExternalMetric", f"external metric {name} has neither averageValue nor value"
        )
    status = {"type": "External", "external": {"metric": dict(external["metric"]), "current": current}}
    return Proposal(replicas, f"external metric {name}", status)


def _per_replica(usages: list[int], target: int, scale: Scale, tolerance: Tolerance) -> tuple[int, int]:
    """AverageValue: replicas of which each has the target at most, and the present average (thousandths).

    33 for a target of 10: 3 replicas have 11 each, near enough; 33.001 asks for ceil(3.3001) = 4.
    """
    usage = 0
    for part in usages:
        usage = _wrapped(usage + part)
        if usage < 0:  # Taken for an overflow, also where the value itself was negative.
            usage = _INT64_MAX
            break
    replicas = scale.observed
    if not replicas or not tolerance.holds(float(usage) / (float(target) * float(replicas))):
        replicas = replicas_for(usage, target)
    if float(usage) >= float(_INT64_MAX):
        return replicas, _INT64_MAX
    return replicas, math.ceil(float(usage) / float(scale.observed)) if scale.observed else 0


def _ratio(usages: list[int], target: int, scale: Scale, tolerance: Tolerance) -> tuple[int, int]:
    """Value: the ready replicas times usage/target; and the usage, in thousandths.

    20 for a target of 10 and 4 pods of which 2 are ready: 2 x 2 = 4, as many as there are. Raises ValueError
    where pods would have to be counted and there are none.
    """
    usage = 0
    for part in usages:
        usage = min(_wrapped(usage + part) if part <= 0 else usage + part, _INT64_MAX)
    ratio = float(usage) / float(target)
    if not scale.replicas:
        return _count(ratio), usage
    if tolerance.holds(ratio):
        return scale.replicas, usage
    if scale.ready is None:
        raise ValueError("the scale target has no pods yet")
    return _count(ratio * float(scale.ready)), usage


def replicas_for(usage: int, target: int) -> int:
    """How many replicas a usage needs when each should carry the target (same unit): 21 at 10 each is 3.

    The usage counts as a 64-bit integer, at most.
    """
    return _count(float(max(-_INT64_MAX, min(usage, _INT64_MAX))) / float(target))


def _count(replicas: float) -> int:
    return max(_INT32_MIN, min(math.ceil(replicas), _INT32_MAX))


def _thousandths(text: str) -> int:
    """A quantity in thousandths, as the controller's 64-bit integer.

    Out of range, the API machinery takes the low 64 bits of what is written with more than 18 digits, and
    saturates what is written with a suffix.
    """
    exact = quantity.milli(text)
    if sum(map(str.isdigit, str(text))) > 18:
        return _wrapped(exact)
    return max(-_INT64_MAX - 1, min(exact, _INT64_MAX))


def _wrapped(n: int) -> int:
    """The low 64 bits as a signed number."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)
