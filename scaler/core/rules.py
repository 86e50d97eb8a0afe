"""What the controller refuses in a ScaledObject that the API server stored, and what it cannot do yet.

The refusals are KEDA's reconciler's (facts 1.7, 2.2, 7.2), in its order, each with the step it belongs to.
What a single trigger's metadata may say is not here but with its scaler: one bad trigger is only itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from scaler.core.fields import is_object_name
from scaler.core.model import ScaledObject
from scaler.core.steps import Step
from scalers._lib import text
from scalers._lib.problem import Problem

__all__ = [
    "ACTIVATION",
    "Refusal",
    "activation",
    "activation_problem",
    "not_yet",
    "refusals",
    "refused",
    "set_on",
]

ACTIVATION = "tidegate.dev/activation"
Activation = Literal["floor", "desired"]
_ACTIVATIONS: dict[str, Activation] = {"floor": "floor", "desired": "desired"}

_PAUSES = ("paused", "paused-scale-in", "paused-scale-out", "force-activation")
_KEDA = "autoscaling.keda.sh/"
_LATER = ("tidegate.dev/external-scale", "tidegate.dev/on-error", "tidegate.dev/scale-to-zero")
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
        (Step.HPA, _hpa(so)),
        (Step.ANNOTATIONS, _annotations(so)),
    )
    return tuple(Refusal(step, problem) for step, found in checks for problem in found)


def refused(so: ScaledObject) -> tuple[Problem, ...]:
    """The problems of `refusals`."""
    return tuple(refusal.problem for refusal in refusals(so))


def not_yet(so: ScaledObject) -> tuple[Problem, ...]:
    """What the object uses that is understood but does not act in this release.

    Such an object gets no HPA and no scale write: never silently ignored.
    """
    paths = (*_later_fields(so), *(f"metadata.annotations.{name}" for name in _later_annotations(so)))
    return tuple(
        Problem(path, "does not act yet in this release", "remove it, or wait for a release with it")
        for path in paths
    )


def activation(so: ScaledObject, namespace_annotations: Mapping[str, str], default: Activation) -> Activation:
    """How the first write from rest is found: the object's word, else its namespace's, else the process's.

    A value that is neither `floor` nor `desired` counts as absent here; `activation_problem` reports it.
    """
    words = (so.annotations.get(ACTIVATION), namespace_annotations.get(ACTIVATION))
    return next((_ACTIVATIONS[word] for word in words if word in _ACTIVATIONS), default)


def activation_problem(annotations: Mapping[str, str]) -> Problem | None:
    """What is wrong with the annotation on an object or on a namespace."""
    word = annotations.get(ACTIVATION)
    if word is None or word in _ACTIVATIONS:
        return None
    return Problem(
        f"metadata.annotations.{ACTIVATION}", f"{word!r} is no activation", "write floor or desired"
    )


def set_on(annotations: Mapping[str, str], name: str) -> bool:
    """Is a boolean annotation set? What is no boolean, the empty text too, counts as true (facts 1.8)."""
    word = annotations.get(name)
    if word is None:
        return False
    try:
        return text.parse_bool(word)
    except ValueError:
        return True


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


def _annotations(so: ScaledObject) -> Iterator[Problem]:
    problem = activation_problem(so.annotations)
    if problem is not None:
        yield problem


def _later_fields(so: ScaledObject) -> Iterator[str]:
    advanced = so.spec.advanced
    if so.spec.fallback is not None:
        yield "spec.fallback"
    if (
        advanced is not None
        and advanced.scaling_modifiers is not None
        and advanced.scaling_modifiers.in_use()
    ):
        yield "spec.advanced.scalingModifiers"
    if advanced is not None and advanced.restore_to_original_replica_count:
        yield "spec.advanced.restoreToOriginalReplicaCount"
    for index, trigger in enumerate(so.spec.triggers):
        if trigger.use_cached_metrics and trigger.type not in _UNCACHED:
            yield f"spec.triggers[{index}].useCachedMetrics"


def _later_annotations(so: ScaledObject) -> Iterator[str]:
    if f"{_KEDA}paused-replicas" in so.annotations:
        yield f"{_KEDA}paused-replicas"
    yield from (_KEDA + name for name in _PAUSES if set_on(so.annotations, _KEDA + name))
    yield from (name for name in _LATER if name in so.annotations)
