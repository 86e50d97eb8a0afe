"""From a ScaledObject to its Policy: which of its fields and annotations the decision knows, and by what name.

The object has passed `rules.refusals`; what those refuse is read here as if it were absent.
"""

import math

from scaler.core import annotations, desired
from scaler.core.expr.strings import to_float
from scaler.core.model import ScaledObject
from scaler.core.policy import Fallback, Modifiers, Policy

__all__ = ["formula_names", "modifiers_of", "number", "policy_of"]

_RESOURCES = frozenset({"cpu", "memory"})


def policy_of(so: ScaledObject, activation: str) -> Policy:
    """The object's own numbers. `activation` is `annotations.activation`'s answer."""
    return Policy(
        minimum=so.minimum,
        maximum=so.maximum,
        idle=so.idle,
        cooldown=float(so.cooldown_period),
        initial_cooldown=float(so.initial_cooldown_period),
        activation=activation,
        scale_up=desired.scale_up(so.behavior),
        pause=annotations.pause(so.annotations),
        forced=annotations.forced(so.annotations),
        fallback=_fallback(so),
        on_error=annotations.on_error(so.annotations),
        modifiers=modifiers_of(so),
        after_scale_in=annotations.after_scale_in(so.annotations),
    )


def modifiers_of(so: ScaledObject) -> Modifiers | None:
    """`scalingModifiers` where they make a composite metric: they have a target above 0 (facts 2.4)."""
    written = so.modifiers
    target = number(written.target) if written is not None else None
    if written is None or target is None or int(target * 1000) <= 0:
        return None
    return Modifiers(
        formula=written.formula,
        target=int(target * 1000),
        activation=number(written.activation_target) or 0.0,
        metric_type=written.metric_type or "AverageValue",
        names=formula_names(so),
    )


def formula_names(so: ScaledObject) -> tuple[str, ...]:
    """The triggers that a formula may name: those with a name, but for cpu and memory (facts 3.7)."""
    return tuple(t.name for t in so.spec.triggers if t.name and t.type not in _RESOURCES)


def number(text: str) -> float | None:
    """A number as Go's ParseFloat reads it, but finite; None for anything else."""
    try:
        value = to_float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fallback(so: ScaledObject) -> Fallback | None:
    written = so.spec.fallback
    if written is None:
        return None
    return Fallback(threshold=written.failure_threshold, replicas=written.replicas, behavior=written.behavior)
