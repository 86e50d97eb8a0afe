"""What the controller knows of one ScaledObject, addressed by uid.

All of it can be read again: the object and its status, the target, the sources. Nothing here is kept anywhere else, so a
restart loses nothing but the latest readings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scaler.control.results import Result
from scaler.control.targets import TargetKey
from scaler.control.triggers import Built
from scaler.core import decision, desired, status
from scaler.core.decision import RESOURCE, Decision, Outcome, Policy, Times
from scaler.core.model import ScaledObject
from scaler.core.status import Condition
from scalers._lib import quantity
from scalers.sdk import ScalerError

__all__ = ["Managed"]

_UNREAD = "NotReadYet"


@dataclass(slots=True, eq=False)
class Managed:
    """One ScaledObject under control. Changed only on the event loop."""

    so: ScaledObject
    activation: str = "floor"
    triggers: tuple[Built, ...] = ()
    results: dict[int, Result] = field(default_factory=dict)
    """The latest result of each trigger, by its index."""
    target: TargetKey | None = None
    original_replicas: int | None = None
    """The target's replicas when it was seen first (status.originalReplicaCount)."""
    hpa_name: str = ""
    """The HPA that was made last; after a rename the one to be removed."""
    in_charge: bool = False
    """The checks passed and the HPA stands: decisions are acted on."""
    waiting: bool = False
    """All that is missing is a trigger that was read with success: each result is a reason to reconcile."""
    started: bool = False
    """It was in charge once, and KEDAScalersStarted was said."""
    conditions: dict[str, Condition] = field(default_factory=dict)
    active: bool | None = None
    """The last verdict; None before the first."""
    was_active: bool = False
    """Did the status say, when the object was first seen, that there is work (or could it not tell)?"""
    last_active: datetime | None = None
    decision: Decision | None = None
    busy: bool = False
    """A scale write is under way."""
    again: bool = False
    """Something was to be decided meanwhile."""
    failures: int = 0
    """Scale writes that failed in a row."""
    reminded: bool = False
    """After such a failure it will be decided anew."""
    settling: bool = False
    settled: bool = False
    """The readings were seen twice alike: an activation may be written."""
    _policy: Policy | None = None
    _targets: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, so: ScaledObject) -> "Managed":
        """A newly seen object: what its status remembers is where it goes on."""
        found = status.conditions(so.status)
        conditions = found if all(kind in found for kind in status.initial()) else status.initial()
        original = so.status.get("originalReplicaCount")
        return cls(
            so=so,
            conditions=conditions,
            # Between the edges of activity lastActiveTime is old; only Active=False says that it is the last.
            was_active=so.last_active is not None and conditions["Active"].status != "False",
            last_active=so.last_active,
            hpa_name=so.status.get("hpaName") or "",
            original_replicas=original if isinstance(original, int) else None,
        )

    @property
    def uid(self) -> str:
        """The object's uid."""
        return self.so.uid

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.so.namespace, self.so.name

    @property
    def reference(self) -> dict[str, str]:
        """What events are about."""
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "namespace": self.so.namespace,
            "name": self.so.name,
            "uid": self.so.uid,
            "resourceVersion": self.so.resource_version,
        }

    def take(self, triggers: tuple[Built, ...]) -> None:
        """Triggers were built anew; results stay with those whose question is the same."""
        for index in list(self.results):
            before = self.triggers[index].metadata if index < len(self.triggers) else None
            if index >= len(triggers) or before is None or triggers[index].metadata != before:
                del self.results[index]
        self.triggers = triggers
        self._policy = None
        self._targets = {
            name: quantity.milli(quantity.from_number(spec.target))
            for built in triggers
            for spec, name in zip(built.specs, built.names, strict=True)
        }

    def policy(self) -> Policy:
        """The object's own numbers, as `decide` takes them."""
        if self._policy is None:
            so = self.so
            self._policy = Policy(
                minimum=so.minimum,
                maximum=so.maximum,
                idle=so.idle,
                cooldown=float(so.cooldown_period),
                initial_cooldown=float(so.initial_cooldown_period),
                activation=self.activation,
                scale_up=desired.scale_up(so.behavior),
            )
        return self._policy

    def decide(self, replicas: int, now: datetime) -> Decision:
        """The pure decision over what is known."""
        times = Times(self.so.created or now, self.last_active)
        return decision.decide(self.policy(), self.outcomes(), replicas, times, now)

    def unread(self) -> bool:
        """Is there a trigger that has never been tried?"""
        return any(built.reads and built.index not in self.results for built in self.triggers)

    @property
    def polled(self) -> bool:
        """Is there a trigger whose results come again and again?"""
        return any(built.reads for built in self.triggers)

    def error(self, built: Built) -> ScalerError | None:
        """Why there is no number of this trigger; None where there is one, or it was not tried yet."""
        if built.error is not None:
            return built.error
        result = self.results.get(built.index)
        return result.error if result is not None else None

    def outcomes(self) -> tuple[Outcome, ...]:
        """The latest outcome of every metric, in the order of the triggers."""
        return tuple(outcome for built in self.triggers for outcome in self._of(built))

    def tried(self) -> tuple[Outcome, ...]:
        """The outcomes of the triggers that were tried: one that was not yet is no fault to tell of."""
        return tuple(outcome for outcome in self.outcomes() if outcome.reason != _UNREAD)

    def status(self) -> dict[str, Any]:
        """The keys of the status that follow from the manifest and the target (facts 1.4)."""
        wanted: dict[str, Any] = {
            "triggersTypes": ",".join(dict.fromkeys(trigger.type for trigger in self.so.spec.triggers)),
            "authenticationsTypes": ",".join(dict.fromkeys(self._authentications())),
        }
        if self.target is not None:
            resource = self.target.resource
            wanted["scaleTargetKind"] = f"{resource.group}/{resource.version}.{resource.kind}"
            wanted["scaleTargetGVKR"] = {
                "group": resource.group,
                "version": resource.version,
                "kind": resource.kind,
                "resource": resource.plural,
            }
            wanted["originalReplicaCount"] = self.original_replicas
        if self.in_charge:
            wanted["externalMetricNames"] = [name for built in self.triggers for name in built.names] or None
            # KEDA lists no container's.
            resources = (spec for built in self.triggers for spec in built.resources if not spec.container)
            wanted["resourceMetricNames"] = [spec.name for spec in resources] or None
            wanted["hpaName"] = self.hpa_name
        return wanted

    def _authentications(self) -> Iterator[str]:
        refs = (trigger.authentication_ref for trigger in self.so.spec.triggers)
        return (ref.name for ref in refs if ref is not None)

    def activity(self) -> dict[str, Any] | None:
        """status.triggersActivity: a metric without a verdict keeps the last one. None: no metric can have one."""
        known = self.so.status.get("triggersActivity") or {}
        found = {
            o.metric: {"isActive": o.active}
            if o.active is not None
            else known.get(o.metric, {"isActive": False})
            for o in self.outcomes()
            if o.metric_type != RESOURCE
        }
        return found or None

    def _of(self, built: Built) -> Iterator[Outcome]:
        result, error = self.results.get(built.index), self.error(built)
        for resource in built.resources:
            target = quantity.milli(resource.target)
            yield Outcome(index=built.index, metric=resource.name, target=target, metric_type=RESOURCE)
        for spec, name in zip(built.specs, built.names, strict=True):
            outcome = Outcome(
                index=built.index, metric=name, target=self._targets[name], metric_type=built.metric_type
            )
            if error is not None:
                yield replace(outcome, reason=error.reason, message=str(error))
            elif result is None:
                yield replace(outcome, reason=_UNREAD, message="not read yet")
            elif (
                reading := next((r for r in result.readings if r.metric in {None, spec.name}), None)
            ) is None:
                if result.pushed:
                    yield replace(outcome, active=result.verdict)
                else:
                    yield replace(
                        outcome, reason="NoData", message=f"the source gave no value for {spec.name}"
                    )
            else:
                activation = built.metadata.activation if built.metadata is not None else 0
                active = reading.active if reading.active is not None else reading.value > activation
                yield replace(outcome, value=reading.value, active=active)
