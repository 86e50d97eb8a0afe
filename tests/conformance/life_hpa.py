"""The HPA controller in the model of a life: a proposal for every metric, the most of them within rates and bounds.

For AverageValue, the default rates of scaling up, and no window of scaling down: of others `Unmodelled` is raised.
(The HPA's arithmetic in full is compared with records of its own, in test_hpa.py.)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from life_metrics import Judged
from life_sources import Unmodelled

__all__ = ["Hpa"]

Json = Any

_TOLERANCE = 0.1
_PERIOD, _TIMES, _MORE = 15.0, 2, 4
"""Within a period it at most multiplies by, or adds, whichever is more."""


@dataclass
class Hpa:
    """`made`: when; a new one waits a period before its first sync. `memory`: how long it counts what it added."""

    config: Mapping[str, Json]
    lowest: int
    highest: int
    memory: float = _PERIOD
    made: float = math.inf
    blind: bool = False
    """Had it no number at its last sync?"""
    _added: list[tuple[float, int]] = field(default_factory=list)

    def told(self) -> dict[str, Json]:
        """As a record tells of it."""
        name = self.config.get("name", "keda-hpa-worker")
        return {"name": name, "min": self.lowest, "max": self.highest}

    def wants(self, at: float, replicas: int, metrics: Sequence[Judged]) -> int:
        """What a sync makes of so many replicas."""
        proposals = [_proposal(metric, replicas) for metric in metrics]
        known = [proposal for proposal in proposals if proposal is not None]
        self.blind = not known or (None in proposals and max(known) <= replicas)
        if not known or (None in proposals and max(known) < replicas):
            return replicas
        before = replicas - sum(count for when, count in self._added if at - when < self.memory)
        wanted = min(max(known), max(before * _TIMES, before + _MORE), self.highest)
        wanted = max(wanted, self.lowest)
        if wanted > replicas:
            self._added.append((at, wanted - replicas))
        elif wanted < replicas and self._window() != 0:
            raise Unmodelled("a window of scaling down")
        return wanted

    def _window(self) -> int:
        behavior = self.config.get("behavior") or {}
        down = behavior.get("scaleDown") or {}
        if set(behavior) - {"scaleDown"} or set(down) - {"stabilizationWindowSeconds"}:
            raise Unmodelled(behavior)
        return down.get("stabilizationWindowSeconds", 300)


def _proposal(metric: Judged, replicas: int) -> int | None:
    if metric.value is None:
        return None
    ratio = metric.value / (metric.target * replicas)
    return replicas if abs(ratio - 1) <= _TOLERANCE else math.ceil(metric.value / metric.target)
