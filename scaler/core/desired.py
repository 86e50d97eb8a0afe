"""The HPA controller's arithmetic (kube-controller-manager 1.36), pure: what it would decide in one sync.

Two callers: the embedded cluster's HPA controller (`evaluate`, sync after sync, carrying `State`), and the
first write of an object that opted in to `tidegate.dev/activation: desired` (`first_write`). One sync runs:

    metrics → one proposal each → the highest → stabilisation windows → rates and min/max → the scale

Metrics that failed never scale in: the others may only scale out. `rates` and `proposal` hold the two halves
of the arithmetic. Time is monotonic seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaler.core import rates
from scaler.core.hpa_sync import Condition, Event, Result, State, unwritten
from scaler.core.limits import Recommendation, limit, remember, stabilise
from scaler.core.outcome import Outcome
from scaler.core.policy import Policy
from scaler.core.proposal import Answer, Scale, Tolerance, Unknown, propose, replicas_for
from scaler.core.rates import Behavior, Change, Rate, Rules
from scalers._lib import quantity

__all__ = [
    "Answer",
    "Condition",
    "Event",
    "Rate",
    "Recommendation",
    "Result",
    "Rules",
    "Scale",
    "State",
    "evaluate",
    "first_write",
    "needs_metrics",
    "scale_up",
    "unwritten",
]


def evaluate(
    spec: Mapping[str, Any], *, scale: Scale, answers: Sequence[Answer], state: State, now: float
) -> Result:
    """One sync of a defaulted and valid HPA spec.

    `answers` go with `spec["metrics"]`, in order. Unless `needs_metrics` they are ignored and may be empty.
    """
    if state.recommendations is None:
        state = replace(state, recommendations=(Recommendation(now, scale.replicas),))
    minimum, maximum = _bounds(spec)
    behavior = rates.behavior(spec.get("behavior"))
    if scale.replicas == 0 and minimum != 0:
        disabled = Condition("ScalingActive", "False", "ScalingDisabled", "the scale target has 0 replicas")
        return _result(state, desired=0, conditions=(_GOT_SCALE, disabled))
    if scale.replicas > maximum:
        return _rescaled(
            _result(state), behavior, scale.replicas, maximum, f"more than maxReplicas {maximum}", now
        )
    if scale.replicas < minimum:
        return _rescaled(
            _result(state), behavior, scale.replicas, minimum, f"less than minReplicas {minimum}", now
        )
    return _from_metrics(spec, behavior, scale, answers, state, now)


def needs_metrics(spec: Mapping[str, Any], replicas: int) -> bool:
    """Does a sync read metrics at all? Not at 0 replicas, nor outside minReplicas to maxReplicas."""
    minimum, maximum = _bounds(spec)
    return minimum <= replicas <= maximum


def scale_up(behavior: Mapping[str, Any] | None) -> Rules | None:
    """`Policy.scale_up` from a ScaledObject's `behavior`: None where that says nothing of scaling up."""
    written = (behavior or {}).get("scaleUp")
    return None if written is None else rates.rules(written, rates.UP)


def first_write(policy: Policy, outcomes: Sequence[Outcome]) -> int:
    """The count that the backlog needs, for the first write of `activation: desired`.

    The highest ceil(value / target) of the external AverageValue metrics whose value is known; Value metrics,
    cpu, memory, unknowns and targets that no HPA takes (0 and below) give no count. A `behavior.scaleUp`
    limits it as if the present count were the floor: its rates cap it, `Disabled` or a window leave the
    floor. Never below the floor, nor above the maximum. 23 jobs at 5 a replica, maximum 10: 5.
    """
    needed = policy.floor
    for outcome in outcomes:
        if outcome.metric_type == "AverageValue" and outcome.value is not None and outcome.target > 0:
            usage = quantity.milli(quantity.from_number(outcome.value))
            needed = max(needed, replicas_for(usage, outcome.target))
    allowed = policy.maximum
    if policy.scale_up is not None:
        held = policy.scale_up.window > 0
        allowed = policy.floor if held else rates.most(policy.scale_up, policy.floor, (), 0.0)
    return min(needed, allowed, policy.maximum)


_GOT_SCALE = Condition("AbleToScale", "True", "SucceededGetScale", "the scale target's replicas were read")
_ABLE = {
    "ReadyForNewScale": "nothing holds the recommended count back",
    "ScaleUpStabilized": "a lower count was recommended within the window, the lowest one counts",
    "ScaleDownStabilized": "a higher count was recommended within the window, the highest one counts",
}
_LIMITED = {
    "DesiredWithinRange": "the count is within minReplicas, maxReplicas and the rates",
    "TooFewReplicas": "fewer than minReplicas were asked for",
    "TooManyReplicas": "more than maxReplicas were asked for",
    "ScaleUpLimit": "scaling up faster than the rates allow was asked for",
    "ScaleDownLimit": "scaling down faster than the rates allow was asked for",
}


def _bounds(spec: Mapping[str, Any]) -> tuple[int, int]:
    minimum = spec.get("minReplicas")
    return 1 if minimum is None else int(minimum), int(spec["maxReplicas"])


def _result(
    state: State,
    *,
    desired: int | None = None,
    conditions: tuple[Condition, ...] = (_GOT_SCALE,),
    metrics: tuple[dict[str, Any], ...] = (),
    events: tuple[Event, ...] = (),
) -> Result:
    return Result(
        write=None,
        desired=desired,
        conditions=conditions,
        current_metrics=metrics,
        events=events,
        state=state,
        before=state,
    )


def _rescaled(
    result: Result, behavior: Behavior | None, replicas: int, to: int, why: str, now: float
) -> Result:
    """The same result with a write: what the status says of it, and the change that rates look back at."""
    done = Condition("AbleToScale", "True", "SucceededRescale", f"the scale was set to {to}")
    changes = result.state.changes
    if behavior is not None:  # Without rates nobody looks back.
        longest = max(behavior.up.longest, behavior.down.longest)
        changes = (*(c for c in changes if c.at > now - longest), Change(now, to - replicas))
    return replace(
        result,
        write=to,
        desired=to,
        conditions=(done, *result.conditions[1:]),
        events=(*result.events, Event("Normal", "SuccessfulRescale", f"New size: {to}; reason: {why}")),
        state=replace(result.state, changes=changes),
    )


def _from_metrics(
    spec: Mapping[str, Any],
    behavior: Behavior | None,
    scale: Scale,
    answers: Sequence[Answer],
    state: State,
    now: float,
) -> Result:
    tolerance = Tolerance() if behavior is None else Tolerance(behavior.down.tolerance, behavior.up.tolerance)
    pairs = zip(spec["metrics"], answers, strict=True)
    proposals = [propose(metric, answer, scale, tolerance) for metric, answer in pairs]
    unknown = [p for p in proposals if isinstance(p, Unknown)]
    known = [p for p in proposals if not isinstance(p, Unknown)]
    metrics = tuple({"type": ""} if isinstance(p, Unknown) else p.status for p in proposals)
    events = tuple(Event("Warning", p.reason, p.message) for p in unknown)
    best = max(known, key=lambda p: p.replicas, default=None)
    if best is None or (unknown and best.replicas < scale.replicas):
        return _failed(state, unknown, len(proposals), metrics, events)

    wanted = max(best.replicas, 0)
    recent = state.recommendations or ()
    stable, able = stabilise(behavior, recent, scale.replicas, wanted, now)
    to, limited = limit(behavior, _bounds(spec), scale.replicas, stable, state.changes, now)
    conditions = (
        Condition("AbleToScale", "True", able, _ABLE[able]),
        Condition("ScalingActive", "True", "ValidMetricFound", f"a count was computed from {best.name}"),
        Condition("ScalingLimited", "False" if to == stable else "True", limited, _LIMITED[limited]),
    )
    state = replace(state, recommendations=remember(behavior, recent, wanted, now))
    result = _result(state, desired=scale.replicas, conditions=conditions, metrics=metrics, events=events)
    if to == scale.replicas:
        return result
    why = f"{best.name} above target" if wanted > scale.replicas else "all metrics below target"
    return _rescaled(result, behavior, scale.replicas, to, why, now)


def _failed(
    state: State,
    unknown: Sequence[Unknown],
    total: int,
    metrics: tuple[dict[str, Any], ...],
    events: tuple[Event, ...],
) -> Result:
    """No count: none of the metrics is known, or those that are would scale in."""
    reason = unknown[0].reason if unknown else "InvalidMetricSourceType"
    first = unknown[0].message if unknown else "the HPA has no metric"
    message = f"{len(unknown)} of {total} metrics are unknown; the first: {first}"
    active = Condition("ScalingActive", "False", reason, f"no replica count could be computed: {message}")
    event = Event("Warning", "FailedComputeMetricsReplicas", message)
    return _result(state, conditions=(_GOT_SCALE, active), metrics=metrics, events=(*events, event))
