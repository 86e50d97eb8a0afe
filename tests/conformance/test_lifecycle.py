"""Recorded behaviour of KEDA and of the HPA controller: whole lives of ScaledObjects, played at a multiple of their pace.

Compared: the replicas as a sequence of steps, the conditions, HPAs and replicas at the end, and the reasons of Events.
Of two recorded runs only that counts on which both agree. A life that differs in time only is played once more, alone
and slower, before it fails: IO takes real time, which a fast clock makes long.
"""

import asyncio
import fcntl
import os
from contextlib import contextmanager

import pytest
from lifecycle import replay
from replica_steps import Verdict, agree, agreed, without_passing_one

FACTOR = float(os.environ.get("TIDEGATE_TIME_FACTOR") or 8)
SLOW = 2.0

KNOWN = frozenset(
    {
        # KEDA's (facts 8.5).
        "ScaledObjectReady",
        "ScaledObjectCheckFailed",
        "ScaledObjectUpdateFailed",
        "ScaledObjectDeleted",
        "ScaledObjectPaused",
        "ScaledObjectUnpaused",
        "ScaledObjectFallbackActivated",
        "ScaledObjectFallbackDeactivated",
        "KEDAScalersStarted",
        "KEDAScalersStopped",
        "KEDAScalerFailed",
        "KEDAMetricSourceFailed",
        "KEDAScaleTargetActivated",
        "KEDAScaleTargetDeactivated",
        "KEDAScaleTargetActivationFailed",
        "KEDAScaleTargetDeactivationFailed",
        # The HPA controller's. Not FailedUpdateStatus and FailedRescale: two writers met, which is chance.
        "SuccessfulRescale",
        "FailedGetScale",
        "FailedGetExternalMetric",
        "FailedComputeMetricsReplicas",
        "FailedConvertHPA",
    }
)

SCALING = frozenset({"SuccessfulRescale", "KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated"})


@pytest.fixture
def floor(tmp_path_factory):
    """Many may be on it, or one alone: `with floor(alone=True)`, across all workers of this run."""
    folder = tmp_path_factory.getbasetemp().parent

    @contextmanager
    def held(*, alone):
        with (folder / "lifecycle.door").open("w") as door, (folder / "lifecycle.floor").open("w") as room:
            # Whoever waits to be alone holds the door, so that nobody overtakes.
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(door, fcntl.LOCK_UN)
            yield

    return held


def test_lifecycle(case, floor):
    with floor(alone=False):
        seen = asyncio.run(replay(case.input, FACTOR))
    if compared(seen, case.output) is Verdict.LATE and FACTOR > SLOW:
        with floor(alone=True):
            seen = asyncio.run(replay(case.input, SLOW))
    assert_same(seen, case.output)


def runs(recorded):
    """The two runs' replicas."""
    first = recorded["replicas"]
    return first, recorded.get("replicas_second_run", first)


def compared(seen, recorded):
    return agree(seen.replicas, *runs(recorded))


def differ(first, second):
    """Did the runs not take the same steps?"""
    return len(agreed(first, second)) < max(len(without_passing_one(run)) for run in (first, second))


def assert_same(seen, recorded):
    first, second = runs(recorded)
    assert compared(seen, recorded) is Verdict.SAME, (
        f"replicas: {seen.replicas}; recorded: {first} and {second}; both: {agreed(first, second)}; {seen.told}"
    )
    if without_passing_one(first)[-1][1] == without_passing_one(second)[-1][1]:
        assert ending(seen.final) == ending(recorded["final"]), seen.told
    assert_reasons(seen.reasons & KNOWN, recorded)


def ending(final):
    """What is compared of an end: Active Unknown was no verdict yet."""
    conditions = {
        kind: found
        for kind, found in final["conditions"].items()
        if not (kind == "Active" and found[0] == "Unknown")
    }
    hpas = sorted(final["hpa"], key=lambda hpa: hpa["name"])
    return {**final, "conditions": conditions, "hpa": hpas}


def assert_reasons(seen, recorded):
    """A deviation rule may say that a reason `may` be there or not; of runs that differ, so may be those of scaling."""
    expected = {reason for reason, _type in recorded["event_reasons"]} & KNOWN
    may = set(recorded.get("may", ()))
    if differ(*runs(recorded)):
        may |= SCALING
    assert seen - may == expected - may
