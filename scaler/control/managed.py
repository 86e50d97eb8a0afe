"""What the controller knows of one ScaledObject, addressed by uid.

All of it can be read again: the object and its status, the target, the sources. Nothing here is kept anywhere else, so a
restart loses nothing but the latest readings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scaler.control.readings import UNREAD, Readings
from scaler.control.results import Result
from scaler.control.targets import Target, TargetKey
from scaler.control.triggers import Built
from scaler.core import status
from scaler.core.admission import Refused
from scaler.core.annotations import Activation
from scaler.core.decision import Decision, Reason, Times
from scaler.core.judgement import falls_back, judge
from scaler.core.model import ScaledObject
from scaler.core.outcome import COMPOSITE, Outcome
from scaler.core.policies import policy_of
from scaler.core.policy import FREE, Policy, Restraint
from scaler.core.record import Given
from scaler.core.status import Condition

__all__ = ["Managed"]


@dataclass(slots=True, eq=False)
class Managed:
    """One ScaledObject under control. Changed only on the event loop."""

    so: ScaledObject
    activation: Activation = "floor"
    observed: bool = False
    """Decided about, and nothing is written."""
    unadmitted: tuple[Refused, ...] = ()
    """What KEDA's webhook would have refused."""
    brake_off: bool = False
    """The mass-event brake lets it through."""
    readings: Readings = field(default_factory=Readings)
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
    restraint: Restraint = FREE
    """What is held against it, beside its own policy."""
    written: int | None = None
    """The replicas that we wrote last."""
    woken: bool = False
    """Woken beyond its floor, and no pod of it was ready since."""
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
    _policy: tuple[tuple[int, int, str], ScaledObject, Policy] | None = None
    """What it was made from (the object is kept so that the ids stay its own), and the policy."""

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
            readings=Readings.remembering(so.status.get("health")),
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

    @property
    def was_braked(self) -> bool:
        """Does the status say that the mass-event brake held the object?"""
        message = self.conditions["Active"].message
        return message.startswith(f"{Reason.BRAKED}:") or message.endswith(status.BRAKED_TEXT)

    @property
    def triggers(self) -> tuple[Built, ...]:
        """The triggers as they were built last."""
        return self.readings.triggers

    @property
    def results(self) -> dict[int, Result]:
        """The latest result of each trigger, by its index."""
        return self.readings.results

    def policy(self) -> Policy:
        """The object's own numbers, as `decide` takes them."""
        made_from = (id(self.so.spec), id(self.so.annotations), self.activation)
        if self._policy is None or self._policy[0] != made_from:
            self._policy = (made_from, self.so, policy_of(self.so, self.activation))
        return self._policy[2]

    def wrote(self, decision: Decision) -> None:
        """A scale write succeeded. An activation whose pods never became ready makes the next one careful."""
        self.written = decision.replicas
        if decision.reason is Reason.DEACTIVATED and self.woken:
            self.woken, self.restraint = False, replace(self.restraint, to_floor=True)
        elif decision.reason is Reason.ACTIVATED:
            self.woken = (decision.replicas or 0) > self.so.floor

    def pods_ready(self) -> None:
        """A pod of the target is ready: activations work."""
        self.woken = False
        if self.restraint.to_floor:
            self.restraint = replace(self.restraint, to_floor=False)

    def given(self, replicas: int, now: datetime, ready: int | None = None) -> Given:
        """All that a decision is made from: what is known now, while the target has `replicas`, `ready` of them ready."""
        return Given(
            policy=self.policy(),
            outcomes=self.readings.outcomes(),
            replicas=replicas,
            times=Times(self.so.created or now, self.last_active),
            now=now,
            ready=ready,
            restraint=self.restraint,
        )

    def judged(self, target: Target | None, now: datetime) -> tuple[Outcome, ...]:
        """What counts for each metric, and what the HPA is told; without the target's replicas only what was read."""
        outcomes = self.readings.outcomes()
        if target is None or target.replicas is None:
            return outcomes
        return judge(self.policy(), outcomes, target.replicas, target.ready, now)

    def fallen_back(self) -> bool | None:
        """Is a fallback in effect? None where none can be (no metric of the object is external), or that is not known yet."""
        fallback = self.policy().fallback
        if fallback is None:
            return False
        external = [outcome for outcome in self.readings.outcomes() if outcome.external]
        if any(falls_back(fallback, outcome) for outcome in external):
            return True
        # After a restart a trigger that had fallen back is not read yet: what the status says of it stays.
        return False if external and all(outcome.reason != UNREAD for outcome in external) else None

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
        replicas = self.policy().pause.replicas
        if replicas is not None or "pausedReplicaCount" in self.so.status:
            wanted["pausedReplicaCount"] = replicas
        if self.in_charge and not self.policy().pause.full:
            wanted["externalMetricNames"] = [name for built in self.triggers for name in built.names] or None
            # KEDA lists no container's.
            resources = (spec for built in self.triggers for spec in built.resources if not spec.container)
            wanted["resourceMetricNames"] = [spec.name for spec in resources] or None
            wanted["hpaName"] = self.hpa_name
            if self.policy().modifiers is not None or self.so.status.get("compositeScalerName"):
                wanted["compositeScalerName"] = COMPOSITE if self.policy().modifiers is not None else None
        return wanted

    def _authentications(self) -> Iterator[str]:
        refs = (trigger.authentication_ref for trigger in self.so.spec.triggers)
        return (ref.name for ref in refs if ref is not None)
