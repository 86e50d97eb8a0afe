"""What the controller refuses in a ScaledObject that the API server stored.

The refusals are KEDA's reconciler's (facts 1.7, 2.2, 7.2), in its order, each with the step it belongs to.
What a single trigger's metadata may say is not here but with its scaler: one bad trigger is only itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scaler.core import annotations, formula, policies
from scaler.core.fields import is_object_name
from scaler.core.model import ScaledObject
from scaler.core.steps import Step
from scalers._lib.problem import Problem

__all__ = ["Refusal", "refusals", "refused"]

_UNCACHED = frozenset({"cpu", "memory", "cron"})
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem, and the step of the reconcile that stops at it."""

    step: Step
    problem: Problem


def refusals(so: ScaledObject) -> tuple[Refusal, ...]:
    """Everything that stops this object, in the order of the reconcile's steps."""
    checks = (
        (Step.LABEL, _name(so)),
        (Step.BOUNDS, _bounds(so)),
        (Step.TRIGGERS, _triggers(so)),
        (Step.HPA, (*_hpa(so), *_modifiers(so))),
        (Step.ANNOTATIONS, _annotations(so)),
    )
    return tuple(Refusal(step, problem) for step, found in checks for problem in found)


def refused(so: ScaledObject) -> tuple[Problem, ...]:
    """The problems of `refusals`."""
    return tuple(refusal.problem for refusal in refusals(so))


def _name(so: ScaledObject) -> Iterator[Problem]:
    if len(so.name) > _LONGEST_NAME:
        problem = (
            f"is {len(so.name)} characters long, too long for the label that marks what belongs to the object"
        )
        yield Problem("metadata.name", problem, f"use at most {_LONGEST_NAME}")


def _bounds(so: ScaledObject) -> Iterator[Problem]:
    """An explicit minimum of 0 counts as 1, an absent one as 0: idleReplicaCount 0 needs an explicit one."""
    written = so.spec.min_replica_count
    low = 0 if written is None else max(1, written)
    if low > so.maximum:
        problem = f"{written} is above maxReplicaCount {so.maximum}"
        yield Problem("spec.minReplicaCount", problem, "lower it, or raise spec.maxReplicaCount")
    if so.idle is not None and so.idle >= low:
        shown = "absent" if written is None else str(written)
        problem = f"{so.idle} is not below minReplicaCount ({shown})"
        yield Problem("spec.idleReplicaCount", problem, "lower it, or write a higher spec.minReplicaCount")


def _triggers(so: ScaledObject) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, trigger in enumerate(so.spec.triggers):
        path = f"spec.triggers[{index}]"
        if trigger.use_cached_metrics and trigger.type in _UNCACHED:
            problem = f"cannot be used with a {trigger.type} trigger"
            yield Problem(f"{path}.useCachedMetrics", problem, "remove it")
        if trigger.name and seen.setdefault(trigger.name, index) != index:
            problem = f"{trigger.name!r} is the name of spec.triggers[{seen[trigger.name]}] too"
            yield Problem(f"{path}.name", problem, "give every trigger a name of its own")


def _hpa(so: ScaledObject) -> Iterator[Problem]:
    if not is_object_name(so.hpa_name):
        mend = "use lower case letters, digits, dashes and dots"
        yield Problem("spec.advanced.horizontalPodAutoscalerConfig.name", f"{so.hpa_name!r} is no name", mend)


def _modifiers(so: ScaledObject) -> Iterator[Problem]:
    """A formula needs a target, and must compute with every trigger at -1 (facts 3.7)."""
    written = so.modifiers
    if written is None:
        return
    path = "spec.advanced.scalingModifiers"
    target = policies.number(written.target)
    if (written.formula or written.target) and (target is None or int(target * 1000) <= 0):
        words = f"{written.target!r} is no number of 0.001 or more"
        yield Problem(f"{path}.target", words, 'write one, such as "5"')
    if written.activation_target and policies.number(written.activation_target) is None:
        problem = f"{written.activation_target!r} is no number"
        yield Problem(f"{path}.activationTarget", problem, 'write one, such as "5"')
    if written.formula:
        try:
            formula.compile(written.formula, policies.formula_names(so))
        except formula.FormulaError as error:
            mend = "use the names of this object's triggers, other than cpu and memory"
            yield Problem(f"{path}.formula", str(error), mend)


def _annotations(so: ScaledObject) -> Iterator[Problem]:
    yield from annotations.problems(so.annotations)
