"""What counts for each trigger, once its failures are weighed: `spec.fallback`, `tidegate.dev/on-error`, the formula.

`judge` turns what the triggers said into what is decided on and what the HPA is told, so that both see the same.
Rules of this file:

1. A trigger without a number stays unknown unless the user said what is to stand in for it.
2. Fallback is asked first (facts 3.6), then on-error. Both begin with failed polls, never before the first read.
3. A last-known value may say that there is work, never that there is none; an ignored trigger says nothing at all,
   and if no other trigger knows anything, nobody is ignored.
4. With `scalingModifiers` one composite outcome stands for all external triggers (facts 3.7). It is unknown while a
   trigger that its formula uses is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from scaler.core import formula
from scaler.core.outcome import COMPOSITE, By, Outcome
from scaler.core.policy import Fallback, Modifiers, Policy

__all__ = ["counted", "falls_back", "judge", "stand_in_replicas"]

FORMULA_FAILED = "FormulaFailed"
_BY_FORMULA = "scalingModifiers"


def judge(
    policy: Policy, outcomes: Sequence[Outcome], replicas: int, ready: int | None, now: datetime
) -> tuple[Outcome, ...]:
    """Every trigger's outcome with what stands in for it, in order; the composite one last, if there is a formula.

    `replicas` are the scale target's; `ready` is how many of its pods are, None where that is not known.
    """
    if policy.modifiers is None and not any(outcome.unknown for outcome in outcomes):
        return tuple(outcomes)
    pods = replicas if ready is None else ready
    judged = [_stand_in(policy, outcome, replicas, pods, now) for outcome in outcomes]
    if policy.modifiers is not None:
        return (*judged, _composite(policy, policy.modifiers, judged, pods))
    if not any(outcome.external and outcome.active is not None and _knows(outcome) for outcome in judged):
        # Nobody is left to decide: what was to be ignored is held.
        return tuple(
            given if new.by is By.IGNORED else new for given, new in zip(outcomes, judged, strict=True)
        )
    return tuple(judged)


def counted(judged: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Those of `judge`'s outcomes that the decision counts: the composite one and cpu and memory, else all."""
    if judged and judged[-1].metric == COMPOSITE:
        return (*(outcome for outcome in judged[:-1] if not outcome.external), judged[-1])
    return tuple(judged)


def falls_back(fallback: Fallback | None, outcome: Outcome) -> bool:
    """Did more polls in a row fail than `failureThreshold` allows? Not of cpu and memory, which are never polled."""
    return (
        fallback is not None
        and outcome.external
        and outcome.unknown
        and outcome.since is not None
        and outcome.failures > fallback.threshold
    )


def stand_in_replicas(fallback: Fallback, replicas: int) -> int:
    """The count that the fallback asks for while the target has `replicas` (facts 3.6). `static` is just its own."""
    if fallback.behavior == "currentReplicas":
        return replicas
    if fallback.behavior == "currentReplicasIfHigher":
        return max(replicas, fallback.replicas)
    if fallback.behavior == "currentReplicasIfLower":
        return min(replicas, fallback.replicas)
    return fallback.replicas


def _knows(outcome: Outcome) -> bool:
    return outcome.by is not By.IGNORED


def _stand_in(policy: Policy, outcome: Outcome, replicas: int, pods: int, now: datetime) -> Outcome:
    if not outcome.external or not outcome.unknown or outcome.since is None:
        return outcome
    if policy.fallback is not None and falls_back(policy.fallback, outcome):
        return _fallen(policy, policy.fallback, outcome, replicas, pods)
    rule, waited = policy.on_error, now - outcome.since
    over = rule.seconds is not None and waited > timedelta(seconds=rule.seconds)
    if rule.kind == "last-known" and not over and outcome.last is not None:
        return replace(outcome, value=outcome.last, active=outcome.was_active or None, by=By.LAST_KNOWN)
    ignored = rule.kind == "ignore" or (rule.kind == "hold" and over)
    if ignored and policy.modifiers is None:
        return replace(outcome, active=False, by=By.IGNORED)
    return outcome


def _fallen(policy: Policy, fallback: Fallback, outcome: Outcome, replicas: int, pods: int) -> Outcome:
    """The value that makes the HPA ask for the fallback's replicas. It is work unless it asks for none."""
    if fallback.behavior == _BY_FORMULA:
        return replace(outcome, by=By.FALLBACK)  # Without a value: the formula sees nil.
    target, metric_type = outcome.target, outcome.metric_type
    if policy.modifiers is not None:
        target, metric_type = policy.modifiers.target, policy.modifiers.metric_type
    count = stand_in_replicas(fallback, replicas)
    if metric_type == "Value" and count and not pods:
        text = f"{outcome.message}; no fallback, for a Value metric needs ready pods to count with"
        return replace(outcome, message=text)
    return replace(
        outcome, value=_asking_for(count, target, metric_type, pods), active=count > 0, by=By.FALLBACK
    )


def _asking_for(count: int, target: int, metric_type: str, pods: int) -> float:
    """The value by which the HPA asks for `count` replicas: it multiplies a Value's ratio by its ready pods.

    With none, no value asks for anything; then it is the one for the first pod that is ready.
    """
    share = count / max(pods, 1) if metric_type == "Value" else count
    # Cut off, as KEDA does: rounded up, it would ask for one more.
    return int(target * share) / 1000


def _composite(policy: Policy, modifiers: Modifiers, judged: Sequence[Outcome], pods: int) -> Outcome:
    """What the formula makes of the triggers; or the fallback's value, which KEDA serves in the formula's place."""
    composite = Outcome(
        index=0,
        metric=COMPOSITE,
        target=modifiers.target,
        metric_type=modifiers.metric_type,
        # A source's own verdict (a push) needs no number and passes by the formula.
        active=True if any(o.external and o.active and o.value is None for o in judged) else None,
        by=By.FORMULA,
    )
    fallen = next((o for o in judged if o.by is By.FALLBACK and o.value is not None), None)
    if fallen is not None:
        active = composite.active or fallen.active
        return replace(composite, value=fallen.value, active=active, by=By.FALLBACK)
    if not modifiers.formula:
        return _without_formula(composite, judged)
    try:
        compiled = _compiled(modifiers.formula, modifiers.names)
        parts = [o for o in judged if o.external and o.trigger in compiled.names]
        missing = next(_missing(parts), None)
        if missing is not None:
            return replace(composite, reason=missing.reason, message=missing.message, since=missing.since)
        value = compiled.evaluate({o.trigger: o.value for o in parts})
    except formula.FormulaError as error:
        text = f"spec.advanced.scalingModifiers.formula: {error}"
        return replace(composite, reason=FORMULA_FAILED, message=text)
    if value is None:
        return _without_value(policy, modifiers, composite, parts, pods)
    return _active_above(modifiers, replace(composite, value=value), parts)


def _without_formula(composite: Outcome, judged: Sequence[Outcome]) -> Outcome:
    """A target alone, which only KEDA's webhook refuses: the triggers tell whether there is work, and no number follows."""
    external = [outcome for outcome in judged if outcome.external]
    text = "spec.advanced.scalingModifiers.formula is missing, so the composite metric has no value"
    active = any(o.active for o in external) or (None if any(o.unknown for o in external) else False)
    return replace(composite, active=active, reason=FORMULA_FAILED, message=text)


def _missing(parts: Sequence[Outcome]) -> Iterator[Outcome]:
    """The outcomes without a value, but for those that the formula may see as nil."""
    return (o for o in parts if o.value is None and o.by is not By.FALLBACK)


def _without_value(
    policy: Policy,
    modifiers: Modifiers,
    composite: Outcome,
    parts: Sequence[Outcome],
    pods: int,
) -> Outcome:
    """The formula answers nil: then, too, the fallback's replicas are asked for (facts 3.6)."""
    if policy.fallback is None:
        text = "spec.advanced.scalingModifiers.formula: answers nil, which is no number"
        return replace(composite, reason=FORMULA_FAILED, message=text)
    count = policy.fallback.replicas
    value = _asking_for(count, modifiers.target, modifiers.metric_type, pods)
    fallen = replace(composite, value=value, by=By.FALLBACK)
    if any(o.by is By.FALLBACK for o in parts):
        # As for every fallback: an activation that it lies below must not let a failure end at zero.
        return replace(fallen, active=composite.active or count > 0)
    return _active_above(modifiers, fallen, parts)


def _active_above(modifiers: Modifiers, composite: Outcome, parts: Sequence[Outcome]) -> Outcome:
    value = composite.value
    active = composite.active or (value is not None and value > modifiers.activation)
    old = next((o for o in parts if o.by is By.LAST_KNOWN), None)
    if old is None:
        return replace(composite, active=active)
    # A number from before the failure is no evidence that the work is over, nor a reason to scale in.
    return replace(
        composite,
        active=active or None,
        by=By.LAST_KNOWN,
        reason=old.reason,
        message=old.message,
        since=old.since,
    )


@lru_cache(maxsize=4096)
def _compiled(text: str, names: tuple[str, ...]) -> formula.Formula:
    return formula.compile(text, names)
