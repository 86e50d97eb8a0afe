"""What of a life is compared with its record: replicas as steps, the end, the reasons of Events.

Of two recorded runs only that counts on which both agree. A deviation rule may say of reasons that they `may` be there.
"""

from collections.abc import Mapping
from typing import Any

from lifecycle import Seen
from replica_steps import Steps, Verdict, agree, without_passing_one

__all__ = ["compared", "found_different", "runs"]

Json = Any
Record = Mapping[str, Json]

_KNOWN = frozenset(
    {
        # KEDA's (facts 8.5).
        "KEDAMetricSourceFailed",
        "KEDAScaleTargetActivated",
        "KEDAScaleTargetActivationFailed",
        "KEDAScaleTargetDeactivated",
        "KEDAScaleTargetDeactivationFailed",
        "KEDAScalerFailed",
        "KEDAScalerInfo",
        "KEDAScalersStarted",
        "KEDAScalersStopped",
        "ScaledObjectCheckFailed",
        "ScaledObjectDeleted",
        "ScaledObjectFallbackActivated",
        "ScaledObjectFallbackDeactivated",
        "ScaledObjectPaused",
        "ScaledObjectReady",
        "ScaledObjectUnpaused",
        "ScaledObjectUpdateFailed",
        # The HPA controller's. Not FailedUpdateStatus and FailedRescale: two writers met, which is chance.
        "FailedComputeMetricsReplicas",
        "FailedConvertHPA",
        "FailedGetExternalMetric",
        "FailedGetScale",
        "SuccessfulRescale",
    }
)
_SCALING = frozenset({"SuccessfulRescale", "KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated"})
"""What runs may tell differently that did not scale alike."""


def runs(recorded: Record) -> tuple[Steps, Steps]:
    """The replicas of both runs."""
    return recorded["replicas"], recorded.get("replicas_second_run", recorded["replicas"])


def compared(seen: Seen, recorded: Record) -> Verdict:
    """How the replicas compare. That a target was not there counts where the record tells of it."""
    first, second = runs(recorded)
    told = any(count is None for _at, count in [*first, *second])
    return agree([step for step in seen.replicas if told or step[1] is not None], first, second)


def found_different(seen: Seen, recorded: Record) -> dict[str, Json]:
    """What differs, as (ours, recorded); empty: nothing."""
    first, second = runs(recorded)
    found: dict[str, Json] = {}
    if compared(seen, recorded) is not Verdict.SAME:
        found["replicas"] = seen.replicas, first, second
    if without_passing_one(first)[-1][1] == without_passing_one(second)[-1][1]:
        ours, theirs = _ending(seen.final), _ending(recorded["final"])
        found |= {key: (ours[key], value) for key, value in theirs.items() if ours[key] != value}
    may = set(recorded.get("may", ()))
    if not recorded.get("same_in_second_run", True):
        may |= _SCALING
    ours, theirs = seen.reasons & _KNOWN, {reason for reason, _type in recorded["event_reasons"]} & _KNOWN
    if ours - may != theirs - may:
        found["reasons"] = sorted(ours), sorted(theirs), sorted(may)
    return found and {**found, "told": seen.told}


def _ending(final: Record) -> dict[str, Json]:
    """Active Unknown was no verdict yet."""
    conditions = {
        kind: state
        for kind, state in final["conditions"].items()
        if not (kind == "Active" and state[0] == "Unknown")
    }
    hpas = sorted(final["hpa"], key=lambda hpa: hpa["name"])
    return {**final, "conditions": conditions, "hpa": hpas}
