"""The rules by which we deviate in whole lives: (name, does it apply, the outcome we promise).

Each has its paragraph of the same name in docs/differences.md. Two runs are promised, as two were recorded: the
earliest and the latest times at which a step may be taken. Until something happens that KEDA and we take differently,
the promise is what was recorded; from then on it is the model's (life_model.py).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from life_model import Life, lived
from life_sources import Unmodelled
from lifecycle import BETWEEN
from replica_steps import TOLERANCE, without_passing_one

__all__ = ["LIFE_RULES"]

Json = Any
Record = Mapping[str, Json]
Run = Sequence[Sequence[Json]]
Applies = Callable[[Record, Record], bool]
Promise = Callable[[Record, Record], dict[str, Json]]

_SYNC = 2.0
_FAILURES = ("redis-stop", "http-fail")
_UNREAD = ("FailedGetExternalMetric", "FailedComputeMetricsReplicas")


# wake-ups: a list that grows wakes its object at once; KEDA sees it at its next poll, and the HPA after that.


def _is_woken(given: Record, _recorded: Record) -> bool:
    """Can KEDA's wait for a poll, and for a sync where the floor does not do, be more than the tolerance?"""
    spec = given["manifest"]["spec"]
    minimum, waits = spec.get("minReplicaCount") or 0, spec.get("pollingInterval", 30)
    if minimum and "idleReplicaCount" not in spec:
        return False
    targets = _lists(given)
    lengths = dict.fromkeys(targets, 0.0)
    for step in _steps(given, "push", "pop"):
        listed, sign = step["with"]["list"], 1 if step["do"] == "push" else -1
        if listed in lengths:
            lengths[listed] = max(0.0, lengths[listed] + sign * step["with"]["n"])
            enough = lengths[listed] <= targets[listed] * (minimum or 1)
            if sign > 0 and waits + (0 if enough else _SYNC - BETWEEN) > TOLERANCE:
                return True
    return False


def _woken(given: Record, recorded: Record) -> dict[str, Json]:
    """Each step up from rest is taken when the list grew, or by the HPA at its next sync."""
    first, second = _runs(recorded)
    return _with_runs(recorded, _moved(given, first, 0.0), _moved(given, second, _SYNC))


def _moved(given: Record, run: Run, wait: float) -> Run:
    spec = given["manifest"]["spec"]
    rest = spec.get("idleReplicaCount", 0)
    lists = _lists(given)
    pushes = [float(step["t"]) for step in _steps(given, "push") if step["with"]["list"] in lists]
    longest = spec.get("pollingInterval", 30) + 2 * _SYNC + TOLERANCE
    moved: list[Sequence[Json]] = []
    for at, count in without_passing_one(run):
        since, before = moved[-1] if moved else (at, None)
        causes = [push for push in pushes if max(since, at - longest) <= push <= at]
        woken = before == rest and (count or 0) > rest and causes
        moved.append([min(causes[-1] + wait, at) if woken else at, count])
    return moved


def _lists(given: Record) -> dict[str, float]:
    """The lists that the object's triggers count, and their targets."""
    found = [t["metadata"] for t in given["manifest"]["spec"]["triggers"] if t["type"].startswith("redis")]
    return {m["listName"]: float(m.get("listLength", 5)) for m in found if "listName" in m}


# steady-through-failure: the HPA is served the last number for a while.


def _fails(given: Record, _recorded: Record) -> bool:
    return any(_steps(given, *_FAILURES))


def _may_be_steady(_given: Record, recorded: Record) -> dict[str, Json]:
    return {**recorded, "may": [*recorded.get("may", ()), *_UNREAD]}


# fallback-counts-polls: a fallback engages when more polls in a row failed than failureThreshold.


def _falls_back(given: Record, _recorded: Record) -> bool:
    life = _life(given)
    return life is not None and any("Fallback" in reason for reason in life.reasons)


# one-bad-trigger: what KEDA cannot connect to at first keeps only itself back.


def _is_one_bad(given: Record, _recorded: Record) -> bool:
    life = _life(given)
    return life is not None and life.partial


# not-zero: while it is not known whether there is work, the replicas stay.


def _is_held(given: Record, recorded: Record) -> bool:
    life = _life(given)
    return life is not None and life.held and not _falls_back(given, recorded)


# failure-told: Ready tells of a failing source also while a fallback does not yet stand in.


def _waits_for_fallback(given: Record, recorded: Record) -> bool:
    life = _life(given)
    if life is None or _falls_back(given, recorded) or "fallback" not in given["manifest"]["spec"]:
        return False
    return life.conditions["Ready"][1] == "TriggerError"


def _told(given: Record, recorded: Record) -> dict[str, Json]:
    life = _life(given)
    assert life is not None
    conditions = {**recorded["final"]["conditions"], "Ready": life.conditions["Ready"]}
    return {**recorded, "final": {**recorded["final"], "conditions": conditions}}


# target-appears: a target that comes is seen at once, and one that goes is told of.


def _is_absent(given: Record, _recorded: Record) -> bool:
    comes_late = given["target"].get("replicas") is None or any(_steps(given, "delete-target"))
    return comes_late and _life(given) is not None


# What a modelled rule promises.


def _as_modelled(given: Record, recorded: Record) -> dict[str, Json]:
    """What was recorded until a source fails or the target is not there, and what the model says from then on."""
    turn = _turn(given)
    runs = []
    for run, late in zip(_runs(recorded), (False, True), strict=True):
        before = [step for step in run if step[0] < turn]
        after = [step for step in lived(given, late=late).replicas if step[0] >= turn or not before]
        runs.append([*before, *(_lasting(after) if late else after)])
    life = lived(given, late=True)
    may = {*recorded.get("may", ())}
    may |= {"FailedGetScale"} if _is_absent(given, recorded) else set()
    may |= {*_UNREAD} if life.partial else set()
    told = {"final": life.final(), "event_reasons": [[reason, ""] for reason in sorted(life.reasons)]}
    return {**_with_runs(recorded, *runs), **told, "same_in_second_run": True, "may": sorted(may)}


def _lasting(run: Run) -> Run:
    """Without what lasts no longer than a sync: whether it is there is chance. What both runs have must be there."""
    following = [*(step[0] for step in run[1:]), float("inf")]
    return [step for step, end in zip(run, following, strict=False) if end - step[0] > _SYNC]


def _turn(given: Record) -> float:
    if given["target"].get("replicas") is None:
        return 0.0
    times = (float(step["t"]) for step in _steps(given, *_FAILURES, "delete-target"))
    return min(times, default=0.0)


def _life(given: Record) -> Life | None:
    return _remembered(json.dumps(given))


@lru_cache(maxsize=256)
def _remembered(given: str) -> Life | None:
    try:
        return lived(json.loads(given), late=True)
    except Unmodelled:
        return None


def _steps(given: Record, *kinds: str) -> list[Json]:
    return [step for step in given["steps"] if step["do"] in kinds]


def _runs(recorded: Record) -> tuple[Run, Run]:
    return recorded["replicas"], recorded.get("replicas_second_run", recorded["replicas"])


def _with_runs(recorded: Record, first: Run, second: Run) -> dict[str, Json]:
    return {**recorded, "replicas": first, "replicas_second_run": second}


LIFE_RULES: tuple[tuple[str, Applies, Promise], ...] = (
    ("wake-ups", _is_woken, _woken),
    ("steady-through-failure", _fails, _may_be_steady),
    ("failure-told", _waits_for_fallback, _told),
    ("fallback-counts-polls", _falls_back, _as_modelled),
    ("one-bad-trigger", _is_one_bad, _as_modelled),
    ("not-zero", _is_held, _as_modelled),
    ("target-appears", _is_absent, _as_modelled),
)
