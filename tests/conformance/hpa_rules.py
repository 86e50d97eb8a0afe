"""The rules by which we deviate in what becomes of an object's HPA: (name, does it apply, the outcome we promise).

See promises.py. Each has its paragraph of the same name in docs/differences.md.
"""

from typing import Any

from promises import (
    IDLE,
    REFUSED,
    WORKING,
    Applies,
    Promise,
    Story,
    at_some_stage,
    rewritten,
)
from stage import Record, Stage

from scaler.core import hpa, manifest, rules
from scaler.core.model import ScaledObject
from scaler.core.steps import Step

__all__ = ["HPA_RULES"]


# hpa-claimed: the HPA stays with the object that has it.


def _owner(stage: Stage) -> ScaledObject | None:
    for obj in stage.around("ScaledObject"):
        other = manifest.parse(obj).scaled_object
        if other is not None and other.name != stage.so.name and other.hpa_name == stage.so.hpa_name:
            return other
    return None


def _claimed(stage: Stage) -> bool:
    bad = all(stage.bad(trigger) for trigger in stage.so.spec.triggers)
    return stage.plain and not bad and _owner(stage) is not None


def _stays(given: Record, recorded: Record) -> dict[str, Any]:
    states = {}
    for place, stage in Story(given, recorded).stages():
        owner = _owner(stage)
        if owner is None or not _claimed(stage):
            continue
        first = Stage(owner, given, stage.recorded).own_hpa()
        shared = stage.workload == f"{owner.target.kind}/{owner.target.name}"
        own = None if shared else stage.replicas_before()
        states[place] = stage.becomes(*REFUSED, stage.hpas(first), own)
    return rewritten(recorded, states, extra=("ScaledObjectCheckFailed",), hpa_may_tell=True)


# hpa-adopted: renamed to an HPA that is there already.


def _renamed_to_existing(given: Record, recorded: Record) -> bool:
    stages = dict(Story(given, recorded).stages())
    first = stages.pop("settled", None)
    return first is not None and any(
        stage.plain
        and stage.so.hpa_name != first.so.hpa_name
        and stage.has("HorizontalPodAutoscaler", stage.so.hpa_name) is not None
        for stage in stages.values()
    )


def _adopted(given: Record, recorded: Record) -> dict[str, Any]:
    states = {}
    for place, stage in Story(given, recorded).stages():
        if stage.has("HorizontalPodAutoscaler", stage.so.hpa_name) is not None:
            active = WORKING if stage.active() else IDLE
            states[place] = stage.becomes("True ScaledObjectReady", active, stage.hpas(stage.own_hpa()), None)
    return rewritten(recorded, states, without=("ScaledObjectCheckFailed",), hpa_may_tell=True)


# refused-hpa-told: the API server refuses the HPA, and an Event says so.


def _hpa_refused(stage: Stage) -> bool:
    if not stage.plain or all(map(stage.bad, stage.so.spec.triggers)):
        return False
    found = stage.own_hpa()
    whole = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", **found}
    return bool(hpa.validate(whole))


def _told(_given: Record, recorded: Record) -> dict[str, Any]:
    return rewritten(recorded, {}, extra=("ScaledObjectCheckFailed",))


# fewer-events: no Event for each scaler that is built, so none where a check stops after that.


def _stopped_after_building(stage: Stage) -> bool:
    steps = [refusal.step for refusal in rules.refusals(stage.so)]
    return steps[0] is Step.HPA if steps else _hpa_refused(stage)


def _never_started(given: Record, recorded: Record) -> bool:
    stages = [stage for _, stage in Story(given, recorded).stages()]
    return bool(stages) and all(map(_stopped_after_building, stages))


def _fewer(_given: Record, recorded: Record) -> dict[str, Any]:
    return rewritten(recorded, {}, without=("KEDAScalersStarted",))


HPA_RULES: tuple[tuple[str, Applies, Promise], ...] = (
    ("hpa-claimed", at_some_stage(_claimed), _stays),
    ("hpa-adopted", _renamed_to_existing, _adopted),
    ("fewer-events", _never_started, _fewer),
    ("refused-hpa-told", at_some_stage(_hpa_refused), _told),
)
