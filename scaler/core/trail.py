"""How a decision's count came about: one step per rule that had a say, with the count before and after it.

`decision` writes it while it decides; `explain` prints it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaler.core.outcome import By, Outcome

__all__ = ["Clamp", "Trail", "proposal", "proposed"]


@dataclass(frozen=True, slots=True)
class Clamp:
    """One rule's say: its name, the replicas before and after it, and why in a few words."""

    name: str
    before: int
    after: int
    note: str


class Trail:
    """See the module. Begins with the present replicas; `steps` are the rules so far."""

    def __init__(self, replicas: int, judged: Sequence[Outcome]) -> None:
        self._present = replicas
        self._at = replicas
        self._steps: list[Clamp] = []
        for outcome in judged:
            if outcome.by in {By.FALLBACK, By.LAST_KNOWN, By.IGNORED}:
                name = "fallback" if outcome.by is By.FALLBACK else "policy"
                self.step(name, self._at, f"{outcome.metric}: {_STANDS_IN[outcome.by]}")

    @property
    def steps(self) -> tuple[Clamp, ...]:
        """What was written, in order."""
        return tuple(self._steps)

    def step(self, name: str, after: int, note: str) -> None:
        """A rule made the count `after`."""
        self._steps.append(Clamp(name, self._at, after, note))
        self._at = after

    def hold(self, name: str, note: str) -> None:
        """A rule left the target as it is."""
        self.step(name, self._present, note)

    def propose(self, winner: tuple[int, str]) -> None:
        """The triggers' own wish, and whose it is."""
        self.step("triggers", *winner)

    def bound(self, low: int, high: int) -> None:
        """minReplicaCount (or 1) and maxReplicaCount; silent where they change nothing."""
        if self._at > high:
            self.step("max", high, f"maxReplicaCount {high}")
        elif self._at < low:
            self.step("min", low, f"minReplicaCount, at least 1: {low}")


_STANDS_IN = {
    By.FALLBACK: "the fallback stands in for it",
    By.LAST_KNOWN: "its last value counts",
    By.IGNORED: "ignored, the others decide",
}


def proposed(outcome: Outcome, replicas: int) -> int | None:
    """The replicas that one trigger's number asks for, before any limit; None where it asks for no count.

    AverageValue: value / target, rounded up: 21 at 10 each is 3. Value: the present replicas times value / target.
    """
    if outcome.value is None or outcome.target <= 0 or not outcome.external:
        return None
    ratio = max(outcome.value, 0.0) * 1000 / outcome.target
    if outcome.metric_type == "Value":
        ratio *= max(replicas, 1)
    return math.ceil(ratio) if math.isfinite(ratio) else None


def proposal(outcomes: Sequence[Outcome], replicas: int, floor: int) -> tuple[int, str]:
    """The highest of what the triggers ask for, and why; the floor where nobody asks for a count."""
    counts = [(count, o.metric) for o in outcomes if (count := proposed(o, replicas)) is not None]
    if not counts:
        return floor, "there is work, and no count"
    count, metric = max(counts, key=lambda one: one[0])
    return count, f"{metric} asks for {count}"
