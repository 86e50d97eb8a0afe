"""How a promise is made out of a record: its stages, and its output with other states and Events.

The rules that do so are in object_rules.py and hpa_rules.py.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from stage import Json, Record, Stage

from scaler.core import manifest
from scaler.local.patch import merge

__all__ = [
    "IDLE",
    "REFUSED",
    "STARTED",
    "WORKING",
    "Applies",
    "Promise",
    "Story",
    "at_some_stage",
    "from_the_start",
    "rewritten",
    "stopped",
]

Applies = Callable[[Record, Record], bool]
Promise = Callable[[Record, Record], dict[str, Any]]

IDLE = "False ScalerNotActive"
WORKING = "True ScalerActive"
REFUSED = ("False ScaledObjectCheckFailed", "Unknown UnknownState")
"""Ready and Active."""
STARTED = ("ScaledObjectReady", "KEDAScalersStarted")
"""Events."""

_HPA_EVENTS = (
    "FailedComputeMetricsReplicas",
    "FailedGetContainerResourceMetric",
    "FailedGetExternalMetric",
    "FailedGetResourceMetric",
    "SuccessfulRescale",
)


@dataclass(frozen=True)
class Story:
    """A record as its stages: the object as made, and after each patch that is accepted."""

    given: Record
    recorded: Record

    def stages(self) -> Iterator[tuple[str | int, Stage]]:
        """Each with where its state stands in the output: "settled", or the number of the patch."""
        obj = deepcopy(self.given["manifest"])
        yield from self._stage("settled", obj, self.recorded.get("settled"))
        patches = zip(self.given.get("patches") or (), self.recorded.get("after_patches") or (), strict=False)
        for number, (patch, state) in enumerate(patches):
            if "code" not in state:
                obj = merge(obj, patch)
                yield from self._stage(number, obj, state)

    def any(self, holds: Callable[[Stage], bool]) -> bool:
        """Is it so at one stage?"""
        return any(holds(stage) for _, stage in self.stages())

    def _stage(self, place: str | int, obj: Json, state: Json) -> Iterator[tuple[str | int, Stage]]:
        found = manifest.parse(obj).scaled_object
        if found is not None and state is not None:
            yield place, Stage(found, self.given, state)


def rewritten(
    recorded: Record,
    states: Mapping[str | int, Json],
    *,
    events: tuple[str, ...] | None = None,
    without: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    hpa_may_tell: bool = False,
) -> dict[str, Json]:
    """A record's output with other states, by place, and other Events.

    `events`: the reasons for the ScaledObject in place of the recorded ones; `without` and `extra` change what is recorded.
    `hpa_may_tell`: which Events of the HPA there are is left open.
    """
    result: dict[str, Json] = deepcopy(dict(recorded))
    for place, state in states.items():
        if place == "settled":
            result["settled"] = state
        else:
            result["after_patches"][place] = state
    told = [
        each
        for each in result.get("events") or ()
        if each["reason"] not in without and (events is None or each["on"] != "ScaledObject")
    ]
    told += [_event(reason) for reason in (*(events or ()), *extra)]
    if hpa_may_tell:
        result["may_be_absent"] = [_event(reason, "HorizontalPodAutoscaler") for reason in _HPA_EVENTS]
    result["events"] = [dict(pair) for pair in dict.fromkeys(tuple(sorted(each.items())) for each in told)]
    return result


def _event(reason: str, on: str = "ScaledObject") -> dict[str, str]:
    return {"on": on, "reason": reason}


def stopped(given: Record, recorded: Record, *events: str) -> dict[str, Any]:
    """A check fails from the start: no HPA, no scaling."""
    states = {
        place: stage.becomes(*REFUSED, stage.hpas(), stage.replicas_before())
        for place, stage in Story(given, recorded).stages()
    }
    return rewritten(recorded, states, events=events, hpa_may_tell=True)


def at_some_stage(holds: Callable[[Stage], bool]) -> Applies:
    return lambda given, recorded: Story(given, recorded).any(holds)


def from_the_start(holds: Callable[[Stage], bool]) -> Applies:
    def applies(given: Record, recorded: Record) -> bool:
        first = dict(Story(given, recorded).stages()).get("settled")
        return first is not None and holds(first)

    return applies
