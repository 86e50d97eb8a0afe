"""What we promise of a life in which a source fails or the target comes late: a small model of polls and HPA syncs.

It knows only the record's input and docs/differences.md, and no time but its own: polls every pollingInterval from the
moment the object is in charge, a sync of the HPA every 2 s. `late`: steps are taken just after the poll and the sync of
their second, else just before; what really happens lies between the two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from life_hpa import Hpa
from life_metrics import Metrics, Watched
from life_sources import Supply, Unmodelled, readers

__all__ = ["Life", "lived"]

Json = Any

_SYNC = 2.0
_YOUNG = 60.0
"""Seconds for which an HPA is not judged."""
_PAUSED, _PAUSED_AT = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"
_PUSHED = ("redis", "own")
"""Sources that tell of changes."""


@dataclass
class Life:
    """The model's state, and at the end what we promise: `replicas`, `reasons` (of Events), `final()`."""

    spec: Mapping[str, Json]
    metrics: Metrics
    hpa: Hpa
    replicas: list[list[Json]]
    reasons: set[str] = field(default_factory=set)
    conditions: dict[str, list[str]] = field(default_factory=dict)
    held: bool = False
    """Was there a time when replicas stayed only because it was not known whether there is work?"""
    partial: bool = False
    """Was it taken into charge while some of its triggers could not be built?"""
    _in_charge: bool = False
    _paused: bool = False
    _deleted: bool = False
    _polled_from: float = 0.0
    _last_active: float | None = None
    _original: int | None = None

    @property
    def count(self) -> Json:
        """The target's replicas; None: it is not there."""
        return self.replicas[-1][1]

    def final(self) -> dict[str, Json]:
        """As a record tells the end."""
        standing = self._in_charge and not self._paused and not self._deleted
        return {
            "conditions": self.conditions,
            "hpa": [self.hpa.told()] if standing else [],
            "scaledobject": "absent" if self._deleted else "present",
            "spec.replicas": self.count,
        }

    def step(self, at: float, step: Mapping[str, Json]) -> None:
        """Something is done to the world. Raises Unmodelled."""
        given = step.get("with") or {}
        if self.metrics.supply.take(step):
            if step["do"] == "push" and self._in_charge and self.count == 0:
                self.poll(at, _PUSHED)  # Below the floor a list wakes the object.
        elif step["do"] == "scale":
            self._set(at, given["replicas"])
        elif step["do"] == "create-target":
            self._set(at, given.get("replicas", 0))
            self._polled_from = at
            self.poll(at)
        elif step["do"] == "delete-target":
            self._set(at, None)
            self.poll(at)
        elif step["do"] == "delete-hpa":
            self.hpa.made = at
        elif step["do"] == "annotate" and set(given) <= {_PAUSED, _PAUSED_AT}:
            self._pause(at, given)
        elif step["do"] == "delete":
            self._delete(at)
        else:
            raise Unmodelled(step)

    def due(self, at: float) -> bool:
        """Is this a second of a poll?"""
        return (at - self._polled_from) % self.metrics.interval == 0

    def poll(self, at: float, sources: tuple[str, ...] = ()) -> None:
        """All triggers (or those of some sources) are read, and it is decided."""
        if self._deleted or self._paused or not self._take_charge(at):
            return
        before = self.metrics.fall_back()
        for trigger in self.metrics.triggers:
            if (not sources or trigger.reader.source in sources) and not self.metrics.poll(at, trigger):
                self._failed()
        self._decide(at)
        if self.metrics.fall_back() != before:
            self.reasons.add(f"ScaledObjectFallback{'Deactivated' if before else 'Activated'}")

    def sync(self, at: float) -> None:
        """The HPA controller looks."""
        standing = self._in_charge and not self._paused and not self._deleted
        if standing and self.count and at >= self.hpa.made + _SYNC:
            wanted = self.hpa.wants(at, self.count, self.metrics.judged(at, self.count, served=True))
            if wanted != self.count:
                self.reasons.add("SuccessfulRescale")
                self._set(at, wanted)

    def _take_charge(self, at: float) -> bool:
        """Its HPA is made when its target is there and one of its triggers can be built."""
        built = self.metrics.built()
        if self.count is None:
            self.reasons.add("ScaledObjectCheckFailed")
        elif not all(built):
            self._failed()
        if not self._in_charge and any(built) and self.count is not None:
            self._in_charge, self.partial = True, not all(built)
            self._polled_from = self.hpa.made = at
            self._original = self.count
            self.reasons |= {"ScaledObjectReady", "KEDAScalersStarted"}
        if not self._in_charge or self.count is None:
            self._tell(["Unknown", "UnknownState"], ["False", "ScaledObjectCheckFailed"])
        return self._in_charge and self.count is not None

    def _failed(self) -> None:
        self.reasons.add("KEDAMetricSourceFailed" if self.metrics.modifiers else "KEDAScalerFailed")

    def _decide(self, at: float) -> None:
        judged = self.metrics.judged(at, self.count)
        minimum, idle = self.spec.get("minReplicaCount") or 0, self.spec.get("idleReplicaCount")
        active = ["False", "ScalerNotActive"]
        if any(each.active for each in judged):
            self._last_active, active = at, ["True", "ScalerActive"]
            if self.count == 0 or (idle is not None and self.count < minimum):
                self.reasons.add("KEDAScaleTargetActivated")
                self._set(at, minimum or 1)
        elif any(each.active is None for each in judged):
            self.held = self.held or self.count > (minimum if idle is None else idle)
        else:
            active = ["False", self._rest(at, minimum, idle)]
        self._tell(active, self._ready(at, active[0]))

    def _rest(self, at: float, minimum: int, idle: int | None) -> str:
        """There is no work. The word of the Active condition."""
        rest = minimum if idle is None else idle
        if self.count < rest:
            self._set(at, rest)
        elif self.count > rest and (minimum == 0 or idle is not None):
            if not self._cooled(at):
                return "ScalerCooldown"
            self.reasons.add("KEDAScaleTargetDeactivated")
            self._set(at, rest)
        return "ScalerNotActive"

    def _cooled(self, at: float) -> bool:
        if self._last_active is not None:
            return at > self._last_active + self.spec.get("cooldownPeriod", 300)
        initial = self.spec.get("initialCooldownPeriod", 0)
        return at > initial or initial == 0

    def _ready(self, at: float, active: str) -> list[str]:
        fails = self.metrics.fail()
        if self.hpa.blind and self.count and at - self.hpa.made >= _YOUNG:
            return ["False", "ScalingDegraded" if fails else "HPAMetricsUnavailable"]
        if fails:
            return ["Unknown", "PartialTriggerError"] if active == "True" else ["False", "TriggerError"]
        return ["True", "ScaledObjectReady"]

    def _tell(self, active: list[str], ready: list[str]) -> None:
        fallen = ["True", "FallbackExists"] if self.metrics.fall_back() else ["False", "NoFallbackFound"]
        if not self._in_charge and self.metrics.fallback:
            fallen = ["Unknown", ""]
        paused = self.conditions.get("Paused", ["False", ""])
        self.conditions = {"Ready": ready, "Active": active, "Fallback": fallen, "Paused": paused}

    def _pause(self, at: float, given: Mapping[str, Json]) -> None:
        held = {name: value for name, value in given.items() if value is not None}
        self._paused = bool(held)
        if self._paused:
            self.reasons |= {"ScaledObjectPaused", "KEDAScalersStopped"}
            paused, ready = ["True", "ScaledObjectPaused"], ["True", "ScaledObjectReady"]
            self.conditions = {**self.conditions, "Paused": paused, "Ready": ready}
            if _PAUSED_AT in held:
                self._set(at, int(held[_PAUSED_AT]))
            return
        self.reasons.add("ScaledObjectUnpaused")
        self.conditions = {**self.conditions, "Paused": ["False", "ScaledObjectUnpaused"]}
        self._polled_from = self.hpa.made = at
        self.poll(at)

    def _delete(self, at: float) -> None:
        self._deleted = True
        self.reasons |= {"ScaledObjectDeleted", "KEDAScalersStopped"}
        advanced = self.spec.get("advanced", {})
        if advanced.get("restoreToOriginalReplicaCount") and None not in {self._original, self.count}:
            self._set(at, self._original)

    def _set(self, at: float, count: int | None) -> None:
        if count != self.count:
            self.replicas.append([at, count])


def lived(given: Mapping[str, Json], *, late: bool) -> Life:
    """The model at the end of a record's life. Raises Unmodelled."""
    spec, metadata = given["manifest"]["spec"], given["manifest"]["metadata"]
    if metadata.get("annotations"):
        raise Unmodelled("annotations")
    triggers = [Watched(reader) for reader in readers(spec)]
    config = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig") or {}
    hpa = Hpa(config, spec.get("minReplicaCount") or 1, spec.get("maxReplicaCount", 100))
    hpa.memory += _SYNC if late else -_SYNC
    hpa.config = {"name": f"keda-hpa-{metadata['name']}", **config}
    life = Life(spec, Metrics(spec, triggers, Supply()), hpa, [[0.0, given["target"].get("replicas")]])
    order = ("poll", "sync", "step") if late else ("step", "poll", "sync")
    for at, kind, step in sorted(_happenings(given), key=lambda each: (each[0], order.index(each[1]))):
        if kind == "step":
            life.step(at, step)
        elif kind == "sync":
            life.sync(at)
        elif life.due(at):
            life.poll(at)
    return life


def _happenings(given: Mapping[str, Json]) -> Iterator[tuple[float, str, Json]]:
    """Steps of second 0 come before the first poll."""
    for step in given["steps"]:
        yield (float(step["t"]) or -1.0), "step", step
    for second in range(int(given["observed_until"]) + 1):
        yield float(second), "poll", None
        if second % _SYNC == 0:
            yield float(second), "sync", None
