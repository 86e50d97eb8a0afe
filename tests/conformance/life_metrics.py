"""What counts for the metrics of a life's model: numbers read, a fallback standing in, a formula over them.

Failures are counted by polls, and a fallback engages once more than `failureThreshold` polls in a row failed. Nothing
here knows what is decided on it: that is life_model.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from life_sources import Reader, Supply

from scaler.core import formula

__all__ = ["Judged", "Metrics", "Watched"]

Json = Any

_SERVED_AFTER = 5.0
"""Seconds beyond a pollingInterval for which the HPA is served the number read last."""


@dataclass(frozen=True)
class Judged:
    """A metric as it counts: its number (None: unknown), and whether that is work."""

    value: float | None
    active: bool | None
    target: float
    fallen: bool = False


@dataclass
class Watched:
    """A trigger, and what its polls said. `last`: the number read last, and when."""

    reader: Reader
    failures: int = 0
    last: tuple[float, float] | None = None
    failing: bool = False


@dataclass(frozen=True)
class Metrics:
    """All triggers of an object with this spec."""

    spec: Mapping[str, Json]
    triggers: list[Watched]
    supply: Supply

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return float(self.spec.get("pollingInterval", 30))

    @property
    def fallback(self) -> Mapping[str, Json] | None:
        """The object's, if it has one."""
        return self.spec.get("fallback")

    @property
    def modifiers(self) -> Mapping[str, Json]:
        """The object's scalingModifiers."""
        return self.spec.get("advanced", {}).get("scalingModifiers") or {}

    def built(self) -> list[bool]:
        """Could KEDA build each trigger's scaler now?"""
        return [not t.reader.connects_first or self.supply.read(t.reader) is not None for t in self.triggers]

    def poll(self, at: float, trigger: Watched) -> bool:
        """Read a trigger: did it work?"""
        value = self.supply.read(trigger.reader)
        trigger.failing = value is None
        if value is None:
            trigger.failures += 1
        else:
            trigger.failures, trigger.last = 0, (value, at)
        return value is not None

    def fallen(self, trigger: Watched) -> bool:
        """Does a fallback stand in for it?"""
        return self.fallback is not None and trigger.failures > self.fallback["failureThreshold"]

    def fall_back(self) -> bool:
        """Does a fallback stand in for any?"""
        return any(map(self.fallen, self.triggers))

    def fail(self) -> bool:
        """Does any fail for which nothing stands in?"""
        return any(trigger.failing and not self.fallen(trigger) for trigger in self.triggers)

    def judged(self, at: float, replicas: int, *, served: bool = False) -> list[Judged]:
        """What counts for every metric. `served`: to the HPA, which gets the number read last for a while."""
        parts = [self._part(at, replicas, trigger, served=served) for trigger in self.triggers]
        return [self._composite(parts, replicas)] if self.modifiers else parts

    def _part(self, at: float, replicas: int, trigger: Watched, *, served: bool) -> Judged:
        reader = trigger.reader
        if self.fallen(trigger):
            return self._stand_in(reader.target, replicas)
        value = self.supply.read(reader) if served or not trigger.failing else None
        if (
            value is None
            and served
            and trigger.last
            and at - trigger.last[1] <= self.interval + _SERVED_AFTER
        ):
            value = trigger.last[0]
        return Judged(value, None if value is None else value > reader.activation, reader.target)

    def _stand_in(self, target: float, replicas: int) -> Judged:
        assert self.fallback is not None
        wanted = self.fallback["replicas"]
        match self.fallback.get("behavior", "static"):
            case "currentReplicas":
                wanted = replicas
            case "currentReplicasIfHigher":
                wanted = max(replicas, wanted)
            case "currentReplicasIfLower":
                wanted = min(replicas, wanted)
            case "scalingModifiers":
                return Judged(None, None, target, fallen=True)
        return Judged(target * wanted, wanted > 0, target, fallen=True)

    def _composite(self, parts: list[Judged], replicas: int) -> Judged:
        """The formula's number. One who falls back by a count of its own takes the formula's place."""
        target = float(self.modifiers["target"])
        if any(part.fallen and part.value is not None for part in parts):
            return self._stand_in(target, replicas)
        if any(part.value is None and not part.fallen for part in parts):
            return Judged(None, None, target)
        names = [trigger.reader.name for trigger in self.triggers]
        numbers = {name: part.value for name, part in zip(names, parts, strict=True)}
        value = formula.compile(self.modifiers["formula"], tuple(names)).evaluate(numbers)
        if value is None and self.fallback is not None:
            value = target * self.fallback["replicas"]
        active = None if value is None else value > float(self.modifiers.get("activationTarget", 0))
        return Judged(value, active, target)
