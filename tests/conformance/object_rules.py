"""The rules by which we deviate in ScaledObjects: (name, does it apply, the outcome we promise). See promises.py.

Each has its paragraph of the same name in docs/differences.md. Those about the HPA are in hpa_rules.py.
"""

from collections.abc import Mapping
from typing import Any

from promises import (
    IDLE,
    STARTED,
    WORKING,
    Applies,
    Promise,
    Story,
    at_some_stage,
    from_the_start,
    rewritten,
    stopped,
)
from stage import Json, Record, Stage

from scaler.core import manifest, rules

__all__ = ["OBJECT_RULES"]


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
    states, events, before = {}, [*STARTED, "KEDAScalerFailed"], None
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
        states[place] = stage.becomes(ready, WORKING if active else IDLE, hpas, before)
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
    return stopped(given, recorded, "KEDAScalerFailed")


# variables-needed-only: a variable that no trigger names need not resolve.


def _needless_variables(stage: Stage) -> bool:
    bad = any(stage.bad(trigger) for trigger in stage.so.spec.triggers)
    return stage.plain and stage.lacks_variables() and not stage.names_variables() and not bad


def _work(given: Record, recorded: Record) -> dict[str, Any]:
    states, events, before = {}, [*STARTED], None
    for place, stage in Story(given, recorded).stages():
        before = stage.replicas_before() if before is None else before
        active, after = stage.active(), stage.replicas(before)
        if active and before == 0:
            events.append("KEDAScaleTargetActivated")
        elif not active and after < before:
            events.append("KEDAScaleTargetDeactivated")
        hpas, before = stage.hpas(stage.own_hpa()), after
        states[place] = stage.becomes("True ScaledObjectReady", WORKING if active else IDLE, hpas, before)
    return rewritten(recorded, states, events=tuple(events), hpa_may_tell=True)


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
        place: stage.becomes("False TriggerError", IDLE, stage.hpas(stage.own_hpa()), None)
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


# formula-failed: a formula that cannot be computed is unknown, and scales nothing.


def _formula_fails(stage: Stage) -> bool:
    return stage.modified and stage.formula_fails()


def _holds(given: Record, recorded: Record) -> dict[str, Any]:
    states, before = {}, None
    for place, stage in Story(given, recorded).stages():
        before = stage.replicas_before() if before is None else before
        if _formula_fails(stage):
            states[place] = stage.becomes("False TriggerError", IDLE, stage.recorded["hpas"], before)
        before = (states.get(place) or stage.recorded)["replicas"].get(stage.workload, before)
    return rewritten(recorded, states, events=STARTED, hpa_may_tell=True)


# activation-target-refused: one that is no number is named, and nothing is done until it is mended.


def _no_activation_target(stage: Stage) -> bool:
    found = rules.refusals(stage.so)
    return (
        stage.modified
        and all(each.problem.path.endswith(".activationTarget") for each in found)
        and bool(found)
    )


def _refused_early(given: Record, recorded: Record) -> dict[str, Any]:
    return stopped(given, recorded)


OBJECT_RULES: tuple[tuple[str, Applies, Promise], ...] = (
    ("unknown-field-kept", _unknown_fields, _kept),
    ("one-bad-trigger", at_some_stage(_one_is_bad), _others_go_on),
    ("missing-credentials", from_the_start(_needless_credentials), _named),
    ("variables-needed-only", from_the_start(_needless_variables), _work),
    ("edited-to-unreachable", _edited_to_unreachable, _edit_acts),
    ("steady-through-failure", _broken_at_work, _steady),
    ("raised-to-idle", from_the_start(_below_idle), _raised),
    ("formula-failed", from_the_start(_formula_fails), _holds),
    ("activation-target-refused", from_the_start(_no_activation_target), _refused_early),
)
