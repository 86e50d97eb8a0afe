"""What a ScaledObject's status says after a reconcile or an evaluation, and the smallest patch for it.

Types, statuses and reasons are KEDA's, since scripts match on them (facts 1.5, 3.4); the decision's own,
finer reason opens the message. A message holds nothing that changes by itself, or an object at rest would be
written for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from scaler.core.conditions import (
    ACTIVE,
    FALLBACK,
    ORDER,
    PAUSED,
    READY,
    Condition,
    conditions,
    initial,
    listed,
)
from scaler.core.decision import Decision, Reason
from scaler.core.model import moment
from scaler.core.outcome import COMPOSITE, By, Outcome
from scaler.core.steps import Step

__all__ = [
    "BRAKED_TEXT",
    "PAUSED_TEXT",
    "UNPAUSED_TEXT",
    "Condition",
    "Step",
    "check_failed",
    "conditions",
    "hpa_trouble",
    "initial",
    "patch",
    "paused",
    "pausing",
    "reconciled",
    "replicas_unknown",
    "steady",
    "tick",
]

_READY_TEXT = "ScaledObject is defined correctly and is ready for scaling"
_ACTIVE_TEXT = "Scaling is performed because triggers are active"
_FORCED_TEXT = "Scaling is performed because activation is being forced by annotation"
_NOT_ACTIVE_TEXT = "Scaling is not performed because triggers are not active"
_COOLDOWN_TEXT = "Scaler cooling down because triggers are not active"
BRAKED_TEXT = "then the mass-event brake paces it"
PAUSED_TEXT = "ScaledObject is paused"
UNPAUSED_TEXT = "pause annotation removed for ScaledObject"
_BY_EVALUATION = frozenset(
    {
        "ErrorGettingCurrentReplicas",
        "HPAMetricsUnavailable",
        "PartialTriggerError",
        "ScalingDegraded",
        "TriggerError",
    }
)
"""Reasons of Ready that only an evaluation gives and takes."""

_ACTIVE_OF: dict[Reason, tuple[str, str, str]] = {
    Reason.ACTIVATED: ("True", "ScalerActive", _ACTIVE_TEXT),
    Reason.HPA_IN_CHARGE: ("True", "ScalerActive", _ACTIVE_TEXT),
    Reason.SCALE_OUT_PAUSED: ("True", "ScalerActive", _ACTIVE_TEXT),
    Reason.AWAITS_BUDGET: ("True", "ScalerActive", _ACTIVE_TEXT),
    Reason.TRIGGERS_FAILED: ("False", "ScalerNotActive", _NOT_ACTIVE_TEXT),
    Reason.RAISED_TO_MINIMUM: ("False", "ScalerNotActive", _NOT_ACTIVE_TEXT),
    Reason.AT_REST: ("False", "ScalerNotActive", _NOT_ACTIVE_TEXT),
    Reason.COOLING_DOWN: ("False", "ScalerCooldown", _COOLDOWN_TEXT),
    Reason.SCALING_IN: ("False", "ScalerCooldown", _COOLDOWN_TEXT),
    Reason.BRAKED: ("False", "ScalerCooldown", _COOLDOWN_TEXT),
    Reason.SCALE_IN_PAUSED: ("False", "ScalerNotActive", _NOT_ACTIVE_TEXT),
    Reason.DEACTIVATED: ("False", "ScalerNotActive", _NOT_ACTIVE_TEXT),
}
"""The one table from our reasons to KEDA's: (status, reason, message) of the Active condition. A pause leaves it."""

_STEADY = {
    Reason.HPA_IN_CHARGE: (Reason.ACTIVATED,),
    Reason.AT_REST: (Reason.DEACTIVATED, Reason.RAISED_TO_MINIMUM),
}
"""A state, and the decisions that lead into it: the message keeps saying how the state was entered."""

_UNTRIED = "not tried: "
"""Opens the error of a poll that was skipped while its source could not be reached; why it cannot follows, in the
words of the last attempt."""

_YOUNG = timedelta(seconds=60)
_LONGEST_MESSAGE = 2000


def reconciled(now: Mapping[str, Condition], *, fallback: bool) -> dict[str, Condition]:
    """After a reconcile without error. What the last evaluation found wrong with Ready stays for now.

    `fallback`: the object has one; then only an evaluation knows about it.
    """
    result = _complete(now)
    if result[READY].reason not in _BY_EVALUATION:
        result[READY] = Condition(READY, "True", "ScaledObjectReady", _READY_TEXT)
    if not fallback:
        result[FALLBACK] = _fallback(fallen=False)
    return result


def pausing(now: Mapping[str, Condition], *, paused: bool) -> dict[str, Condition]:
    """The Paused condition: True while any pause annotation is in effect, and False with a reason after that."""
    result = _complete(now)
    if paused:
        result[PAUSED] = Condition(PAUSED, "True", "ScaledObjectPaused", PAUSED_TEXT)
    elif result[PAUSED].status == "True":
        result[PAUSED] = Condition(PAUSED, "False", "ScaledObjectUnpaused", UNPAUSED_TEXT)
    return result


def paused(now: Mapping[str, Condition], *, fallback: bool) -> dict[str, Condition]:
    """After the reconcile of an object that is paused as a whole: nothing is read, so Active stays what it was."""
    result = pausing(now, paused=True)
    result[READY] = Condition(READY, "True", "ScaledObjectReady", PAUSED_TEXT)
    if not fallback:
        result[FALLBACK] = _fallback(fallen=False)
    return result


def check_failed(
    now: Mapping[str, Condition], step: Step, error: str, *, fallback: bool = False
) -> dict[str, Condition]:
    """After a reconcile that failed at `step`."""
    result = _complete(now)
    result[READY] = Condition(READY, "False", "ScaledObjectCheckFailed", _short(f"{step}: {steady(error)}"))
    result[ACTIVE] = Condition(ACTIVE, "Unknown", "UnknownState", "ScaledObject check failed")
    if not fallback:
        result[FALLBACK] = _fallback(fallen=False)
    return result


def replicas_unknown(now: Mapping[str, Condition], error: str) -> dict[str, Condition]:
    """After an evaluation that could not begin, since the target's replicas could not be read."""
    message = f"Error getting current replicas count for ScaleTarget: {error}"
    return {
        **_complete(now),
        READY: Condition(READY, "False", "ErrorGettingCurrentReplicas", _short(message)),
    }


def tick(
    decision: Decision,
    outcomes: Sequence[Outcome],
    hpa_health: str | None,
    now_conditions: Mapping[str, Condition],
    *,
    fallback: bool | None = False,
) -> dict[str, Condition]:
    """After an evaluation.

    `outcomes` are judged ones. `hpa_health` is what `hpa_trouble` says: None, or why the HPA cannot work. `fallback`:
    is one in effect? None: it cannot be, since the object has no external metric; the condition stays.
    """
    result = _complete(now_conditions)
    if decision.reason is Reason.PAUSED:
        return result
    result[READY] = _with_hpa(_ready(decision, outcomes), hpa_health)
    result[ACTIVE] = _active(decision, result[ACTIVE])
    if fallback is not None:
        result[FALLBACK] = _fallback(fallen=fallback)
    return result


def hpa_trouble(hpa: Mapping[str, Any] | None, now: datetime) -> str | None:
    """Why the HPA cannot compute replicas (the reason of its condition ScalingActive), or None when it can.

    An HPA younger than 60 s is not judged; neither is one at zero replicas (ScalingDisabled).
    """
    if hpa is None:
        return None
    created = moment(hpa.get("metadata", {}).get("creationTimestamp"))
    scaling = conditions(hpa.get("status") or {}).get("ScalingActive")
    if created is None or now - created < _YOUNG or scaling is None:
        return None
    if scaling.status == "True" or scaling.reason == "ScalingDisabled":
        return None
    return scaling.reason or f"ScalingActive is {scaling.status}"


def patch(live_status: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch for `/status` that makes the keys of `wanted` so; None when they are so already.

    A None removes its key; keys that `wanted` does not name stay. `conditions` is a mapping of type to
    Condition.
    """
    target = dict(wanted)
    if "conditions" in target:
        others = {kind: found for kind, found in conditions(live_status).items() if kind not in ORDER}
        target["conditions"] = listed([*target["conditions"].values(), *others.values()])
    changes = {name: value for name, value in _changes(live_status, target) if name in target}
    return {"status": changes} if changes else None


def _complete(now: Mapping[str, Condition]) -> dict[str, Condition]:
    """The four conditions, all new when any is missing (KEDA's rule)."""
    return {kind: now[kind] for kind in ORDER} if all(kind in now for kind in ORDER) else initial()


def _fallback(*, fallen: bool) -> Condition:
    if fallen:
        text = "At least one trigger is falling back on this scaled object"
        return Condition(FALLBACK, "True", "FallbackExists", text)
    return Condition(FALLBACK, "False", "NoFallbackFound", "No fallbacks are active on this scaled object")


def _ready(decision: Decision, outcomes: Sequence[Outcome]) -> Condition:
    failures = list(dict.fromkeys(_failures(outcomes)))
    if not failures:
        return Condition(READY, "True", "ScaledObjectReady", _READY_TEXT)
    details = "; ".join(failures)
    if decision.active:
        text = "Some triggers defined in ScaledObject are not working correctly"
        return Condition(
            READY, "Unknown", "PartialTriggerError", _short(f"{decision.reason}: {text}: {details}")
        )
    text = "Triggers defined in ScaledObject are not working correctly"
    return Condition(READY, "False", "TriggerError", _short(f"{decision.reason}: {text}: {details}"))


def _failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What is wrong with the triggers; the composite metric is told of only if nothing is wrong with its parts."""
    standing_in = {By.IGNORED, By.LAST_KNOWN}
    failed = [o for o in outcomes if o.by in standing_in or (o.unknown and o.by is not By.FALLBACK)]
    for outcome in failed:
        if outcome.metric == COMPOSITE and len(failed) > 1:
            continue
        message = " ".join(steady(outcome.message).split())
        since = f" since {outcome.since:%Y-%m-%dT%H:%M:%SZ}" if outcome.since is not None else ""
        yield ": ".join(part for part in (outcome.metric, f"{outcome.reason}{since}", message) if part)


def _with_hpa(ready: Condition, trouble: str | None) -> Condition:
    if trouble is None:
        return ready
    if ready.status == "True":
        message = f"ScaledObject is configured correctly but HPA is not healthy: {trouble}"
        return Condition(READY, "False", "HPAMetricsUnavailable", message)
    rest = f"{ready.reason} - {ready.message}"
    message = f"Not ready because HPA is not healthy: {trouble} and SO is not healthy: {rest}"
    return Condition(READY, "False", "ScalingDegraded", _short(message))


def _active(decision: Decision, now: Condition) -> Condition:
    status, word, text = _ACTIVE_OF[decision.reason]
    if decision.forced:
        text = _FORCED_TEXT
    if decision.reason is Reason.COOLING_DOWN and any(step.name == "brake" for step in decision.trail):
        text += f"; {BRAKED_TEXT}"
    entered = tuple(f"{before}: {text}" for before in _STEADY.get(decision.reason, ()))
    if (now.status, now.reason) == (status, word) and now.message in entered:
        return now
    return Condition(ACTIVE, status, word, f"{decision.reason}: {text}")


def steady(error: str) -> str:
    """While a source is down, attempts and skipped polls take turns: both are to read the same."""
    return error.replace(_UNTRIED, "")


def _short(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"


def _changes(live: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a merge patch has to say about each key; keys missing from `target` are to be removed."""
    for name in {**live, **target}:
        have, want = live.get(name), target.get(name)
        if have == want:
            continue
        if isinstance(have, Mapping) and isinstance(want, Mapping):
            inner = dict(_changes(have, want))
            if inner:
                yield name, inner
        else:
            yield name, want
