"""The rules by which we deviate in ScaledObjects: (name, does it apply, the outcome we promise). See promises.py.

Each has its paragraph of the same name in docs/differences.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from promises import Record, Stage, Story, rewritten

from scaler.core import hpa, manifest, rules
from scaler.core.model import ScaledObject
from scaler.core.steps import Step

__all__ = ["OBJECT_RULES"]

Json = Any
Applies = Callable[[Record, Record], bool]
Promise = Callable[[Record, Record], dict[str, Any]]

_IDLE = "False ScalerNotActive"
_WORKING = "True ScalerActive"
_REFUSED = ("False ScaledObjectCheckFailed", "Unknown UnknownState")
_STARTED = ("ScaledObjectReady", "KEDAScalersStarted")


# unknown-field-kept: a field of spec that no model knows stays in the stored object.


def _unknown_fields(given: Record, recorded: Record) -> bool:
    return bool(recorded.get("accepted")) and bool(manifest.parse(given["manifest"]).warnings)


def _kept(given: Record, recorded: Record) -> dict[str, Any]:
    return {**recorded, "stored_spec": _filled(recorded.get("stored_spec"), given["manifest"]["spec"])}


def _filled(stored: Json, written: Json) -> Json:
    """What is stored, and what was written where nothing is."""
    if isinstance(stored, Mapping) and isinstance(written, Mapping):
        return {name: _filled(stored.get(name), written.get(name)) for name in {**written, **stored}}
    if isinstance(stored, list) and isinstance(written, list) and len(stored) == len(written):
        return [_filled(*pair) for pair in zip(stored, written, strict=True)]
    return written if stored is None else stored


# one-bad-trigger: the good ones go on beside it.


def _one_is_bad(stage: Stage) -> bool:
    bad = [stage.bad(trigger) for trigger in stage.so.spec.triggers]
    return stage.plain and any(bad) and not all(bad)


def _others_go_on(given: Record, recorded: Record) -> dict[str, Any]:
    """HPA over all of them; work scales out, no work scales nothing."""
    states, events, before = {}, [*_STARTED, "KEDAScalerFailed"], None
    for place, stage in Story(given, recorded).stages():
        before = stage.replicas_before() if before is None else before
        if not _one_is_bad(stage):
            before = (stage.recorded.get("replicas") or {}).get(stage.workload, before)
            continue
        active = stage.active()
        ready = "Unknown PartialTriggerError" if active else "False TriggerError"
        if active and before == 0:
            events.append("KEDAScaleTargetActivated")
        before = stage.replicas(before, sure=False)
        hpas = stage.hpas(stage.own_hpa())
        states[place] = stage.becomes(ready, _WORKING if active else _IDLE, hpas, before)
    kept = [each["reason"] for each in recorded.get("events") or () if each["on"] == "ScaledObject"]
    kept = [
        reason for reason in kept if reason not in {"ScaledObjectCheckFailed", "ScaledObjectUpdateFailed"}
    ]
    return rewritten(recorded, states, events=(*kept, *events), hpa_may_tell=True)


# missing-credentials: KEDA takes what is missing for not given, and connects without.


def _needless_credentials(stage: Stage) -> bool:
    found = [stage.lacks_credentials(trigger) for trigger in stage.so.spec.triggers]
    enough = [not stage.needs_credentials(trigger) for trigger in stage.so.spec.triggers]
    return stage.plain and all(found) and any(enough)


def _named(given: Record, recorded: Record) -> dict[str, Any]:
    return _stopped(given, recorded, "KEDAScalerFailed")


# variables-needed-only: a variable that no trigger names need not resolve.


def _needless_variables(stage: Stage) -> bool:
    bad = any(stage.bad(trigger) for trigger in stage.so.spec.triggers)
    return stage.plain and stage.lacks_variables() and not stage.names_variables() and not bad


def _work(given: Record, recorded: Record) -> dict[str, Any]:
    states, events, before = {}, [*_STARTED], None
    for place, stage in Story(given, recorded).stages():
        before = stage.replicas_before() if before is None else before
        active, after = stage.active(), stage.replicas(before)
        if active and before == 0:
            events.append("KEDAScaleTargetActivated")
        elif not active and after < before:
            events.append("KEDAScaleTargetDeactivated")
        hpas, before = stage.hpas(stage.own_hpa()), after
        states[place] = stage.becomes("True ScaledObjectReady", _WORKING if active else _IDLE, hpas, before)
    return rewritten(recorded, states, events=tuple(events), hpa_may_tell=True)


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
        states[place] = stage.becomes(*_REFUSED, stage.hpas(first), own)
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
            active = _WORKING if stage.active() else _IDLE
            states[place] = stage.becomes("True ScaledObjectReady", active, stage.hpas(stage.own_hpa()), None)
    return rewritten(recorded, states, without=("ScaledObjectCheckFailed",), hpa_may_tell=True)


# edited-to-unreachable: the edit acts, and the failure is the trigger's.


def _edited_to_unreachable(given: Record, recorded: Record) -> bool:
    stages = dict(Story(given, recorded).stages())
    first = stages.pop("settled", None)
    return first is not None and not _unreachable(first) and any(map(_unreachable, stages.values()))


def _unreachable(stage: Stage) -> bool:
    triggers = stage.so.spec.triggers
    return (
        stage.plain
        and all(map(stage.bad, triggers))
        and all(map(stage.unreachable, triggers))
        and not any(map(stage.malformed, triggers))
    )


def _edit_acts(given: Record, recorded: Record) -> dict[str, Any]:
    states = {
        place: stage.becomes("False TriggerError", _IDLE, stage.hpas(stage.own_hpa()), None)
        for place, stage in Story(given, recorded).stages()
        if _unreachable(stage)
    }
    return rewritten(recorded, states, without=("ScaledObjectCheckFailed",), hpa_may_tell=True)


# steady-through-failure: a trigger that was read before an edit broke it is served from its last sample for a while.


def _broken_at_work(given: Record, recorded: Record) -> bool:
    stages = dict(Story(given, recorded).stages())
    first = stages.pop("settled", None)
    if first is None or not first.plain or any(map(first.bad, first.so.spec.triggers)):
        return False
    return any(stage.plain and all(map(stage.malformed, stage.so.spec.triggers)) for stage in stages.values())


def _steady(_given: Record, recorded: Record) -> dict[str, Any]:
    return rewritten(recorded, {}, hpa_may_tell=True)


# raised-to-idle: from below the idle count, up to it.


def _below_idle(stage: Stage) -> bool:
    idle, before = stage.so.idle, stage.replicas_before()
    bad = any(map(stage.bad, stage.so.spec.triggers))
    return stage.plain and not bad and not stage.active() and idle is not None and before < idle


def _raised(given: Record, recorded: Record) -> dict[str, Any]:
    """The HPA, awake again, raises further to its own minimum, and we lower to idle: to and fro, as in KEDA after work."""
    states = {}
    for place, stage in Story(given, recorded).stages():
        if _below_idle(stage):
            counts = {**stage.recorded["replicas"], stage.workload: stage.so.idle}
            states[place] = {**stage.recorded, "replicas": counts}
    return rewritten(recorded, states, extra=("KEDAScaleTargetDeactivated",), hpa_may_tell=True)


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


def _stopped(given: Record, recorded: Record, *events: str) -> dict[str, Any]:
    """A check fails from the start: no HPA, no scaling."""
    states = {
        place: stage.becomes(*_REFUSED, stage.hpas(), stage.replicas_before())
        for place, stage in Story(given, recorded).stages()
    }
    return rewritten(recorded, states, events=events, hpa_may_tell=True)


def _at_some_stage(holds: Callable[[Stage], bool]) -> Applies:
    return lambda given, recorded: Story(given, recorded).any(holds)


def _from_the_start(holds: Callable[[Stage], bool]) -> Applies:
    def applies(given: Record, recorded: Record) -> bool:
        first = dict(Story(given, recorded).stages()).get("settled")
        return first is not None and holds(first)

    return applies


OBJECT_RULES: tuple[tuple[str, Applies, Promise], ...] = (
    ("unknown-field-kept", _unknown_fields, _kept),
    ("one-bad-trigger", _at_some_stage(_one_is_bad), _others_go_on),
    ("missing-credentials", _from_the_start(_needless_credentials), _named),
    ("variables-needed-only", _from_the_start(_needless_variables), _work),
    ("hpa-claimed", _at_some_stage(_claimed), _stays),
    ("hpa-adopted", _renamed_to_existing, _adopted),
    ("edited-to-unreachable", _edited_to_unreachable, _edit_acts),
    ("steady-through-failure", _broken_at_work, _steady),
    ("raised-to-idle", _from_the_start(_below_idle), _raised),
    ("fewer-events", _never_started, _fewer),
    ("refused-hpa-told", _at_some_stage(_hpa_refused), _told),
)
