"""The numbers that the HPA in the cluster was given, against those that we serve. See `comparison`.

Both are read at other moments, and the HPA's may be two pollingIntervals and a sync of its own old. So its number is held
against all of ours from that long: it is far from them when it lies outside their range by more than a tenth (what an HPA
tolerates) and, for an AverageValue, by more than one replica's worth, which is the target. An AverageValue stands in the
HPA's status as a share of the replicas at that moment, so it is multiplied by what the status says of them, present and
desired.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scaler.core.conditions import conditions
from scaler.core.outcome import By, Outcome
from scalers._lib import quantity

__all__ = ["HPA_SYNC", "MetricComparison", "MetricDifference"]

HPA_SYNC = timedelta(seconds=20)
"""A sync period of the HPA controller (15 s) and a margin."""

_TENTH = 0.1
_MOST = 64
"""Numbers of one metric kept."""


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """The HPA's number and ours, in words; the reason where we have none."""

    metric: str
    done: str
    wished: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Theirs:
    """What the HPA's status says of a metric: the least and the most that it can mean, or (`text` only) no number."""

    text: str
    least: float | None = None
    most: float | None = None


@dataclass(slots=True)
class _Ours:
    """What we read of a metric: when and what, None for no number."""

    average: bool
    target: float
    numbers: deque[tuple[datetime, float | None]] = field(default_factory=lambda: deque(maxlen=_MOST))
    reason: str = ""
    message: str = ""


class MetricComparison:
    """See the module."""

    def __init__(self) -> None:
        self._ours: dict[str, _Ours] = {}
        self._theirs: dict[str, _Theirs] = {}
        self._at_zero = False

    def read(self, judged: Sequence[Outcome], now: datetime, grace: timedelta, *, at_zero: bool) -> None:
        """What we would serve. At zero replicas an HPA asks for nothing, and what its status says is old."""
        self._at_zero = at_zero
        seen = {outcome.metric: outcome for outcome in judged if outcome.external}
        self._ours = {metric: ours for metric, ours in self._ours.items() if metric in seen}
        for metric, outcome in seen.items():
            ours = self._ours.get(metric)
            if ours is None:
                ours = self._ours[metric] = _Ours(True, 0.0)
            ours.average = outcome.metric_type != "Value"
            ours.target = outcome.target / 1000
            ours.reason, ours.message = outcome.reason or "", outcome.message or ""
            ours.numbers.append((now, _served(outcome)))
            while len(ours.numbers) > 1 and ours.numbers[0][0] < now - 2 * grace - HPA_SYNC:
                ours.numbers.popleft()

    def hpa(self, live: Mapping[str, Any] | None) -> None:
        """The HPA as the watch shows it, None where there is none."""
        self._theirs = dict(_theirs(live)) if live is not None else {}

    def differences(self) -> Iterator[MetricDifference]:
        """The metrics whose numbers are far apart now."""
        for metric, theirs in self._theirs.items():
            ours = self._ours.get(metric)
            if ours is None or self._at_zero:
                continue
            numbers = [number for _, number in ours.numbers if number is not None]
            if _far(theirs, ours, numbers):
                newest = ours.numbers[-1][1]
                said = "no number" if newest is None else f"{newest:g}"
                if numbers and min(numbers) != max(numbers):
                    said += f" (lately {min(numbers):g} to {max(numbers):g})"
                reason = ours.reason if newest is None else ""
                message = ours.message or f"{metric} was read by Tidegate itself"
                done = f"the HPA has {theirs.text} for {metric}"
                yield MetricDifference(metric, done, f"served {said}", reason or "MetricDiffers", message)


def _served(outcome: Outcome) -> float | None:
    """As the feed to the HPA has it: nothing below 0, and 0 for what is to be ignored."""
    if outcome.by is By.IGNORED:
        return 0.0
    return None if outcome.value is None else max(outcome.value, 0.0)


def _far(theirs: _Theirs, ours: _Ours, numbers: Sequence[float]) -> bool:
    if theirs.least is None or theirs.most is None:
        return bool(numbers) and ours.numbers[-1][1] is not None
    if not numbers:
        return True
    least, most = min(numbers), max(numbers)
    slack = max(_TENTH * max(most, theirs.most), ours.target if ours.average else _TENTH * ours.target)
    return theirs.most < least - slack or theirs.least > most + slack


def _theirs(live: Mapping[str, Any]) -> Iterator[tuple[str, _Theirs]]:
    """The external metrics of an HPA's spec with what its status says of them; nothing while it is switched off at zero."""
    status = live.get("status") or {}
    active = conditions(status).get("ScalingActive")
    if active is None or active.reason == "ScalingDisabled":
        return
    current = {}
    for metric in status.get("currentMetrics") or ():
        if metric.get("type") == "External":
            current[_name(metric)] = (metric["external"].get("current")) or {}
    counts = [
        n
        for n in (status.get("currentReplicas"), status.get("desiredReplicas"))
        if isinstance(n, int) and n > 0
    ]
    for metric in (live.get("spec") or {}).get("metrics") or ():
        if metric.get("type") != "External":
            continue
        name = _name(metric)
        found = _number(current.get(name, {}), counts)
        if found is not None:
            yield name, found
        elif active.status == "False":
            yield name, _Theirs(f"no number ({active.reason}: {active.message})")


def _number(current: Mapping[str, Any], counts: Sequence[int]) -> _Theirs | None:
    """None where the status has no number, or none that can be read."""
    try:
        if current.get("averageValue") is not None:
            share = float(quantity.parse(current["averageValue"]))
            if not counts:
                return None
            least, most = share * min(counts), share * max(counts)
            return _Theirs(f"{current['averageValue']} a replica, with {counts[0]} of them", least, most)
        if current.get("value") is not None:
            value = float(quantity.parse(current["value"]))
            return _Theirs(str(current["value"]), value, value)
    except ValueError:
        return None
    return None


def _name(metric: Mapping[str, Any]) -> str:
    return str(metric["external"]["metric"]["name"])
