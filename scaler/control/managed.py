"""What the controller knows of one ScaledObject, addressed by uid. All of it can be read again: the object and its status,
the target, the sources. Nothing here is kept anywhere else, so a restart loses nothing but the latest readings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scaler.control.sources import Result
from scaler.control.triggers import Built
from scaler.core import behavior, decision, model
from scaler.core.decision import Decision, Outcome, Policy, Times
from scaler.kube.resources import Resource
from scalers._lib import quantity

__all__ = ["Managed", "TargetView"]


@dataclass(frozen=True, slots=True)
class TargetView:
    """The scale target as last seen: `replicas` is spec.replicas, None when it could not be read yet."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    resource_version: str
    replicas: int | None


@dataclass(slots=True)
class Managed:
    """One ScaledObject under control. Changed only on the event loop, by the reconciler and the evaluator."""

    so: model.ScaledObject
    activation: str = "floor"
    triggers: tuple[Built, ...] = ()
    results: dict[int, Result] = field(default_factory=dict)
    target: TargetView | None = None
    in_charge: bool = False
    """The HPA stands and the object passed its checks: decisions are acted on."""
    last_active: datetime | None = None
    active: bool | None = None
    """The last verdict; None before the first."""
    decision: Decision | None = None
    hpa_name: str = ""
    settling: bool = False
    busy: bool = False
    """A scale write is under way; a decision made meanwhile waits for its end."""
    again: bool = False
    conditions: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    """The status we want, without conditions: the keys we own."""

    @property
    def uid(self) -> str:
        """The object's uid."""
        return self.so.uid

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.so.namespace, self.so.name

    def policy(self) -> Policy:
        """The object's own numbers, as `decide` takes them."""
        so = self.so
        rules = behavior.scale_up_rules(so.spec) if self.activation == "desired" else None
        return Policy(
            minimum=so.minimum,
            maximum=so.maximum,
            idle=so.idle,
            cooldown=float(so.cooldown_period),
            initial_cooldown=float(so.initial_cooldown_period),
            activation=self.activation,
            scale_up=rules,
        )

    def outcomes(self) -> tuple[Outcome, ...]:
        """The latest outcome of every external metric, in the order of the triggers."""
        return tuple(outcome for built in self.triggers for outcome in self._of(built))

    def unread(self) -> bool:
        """Is there a trigger that has never been tried?"""
        return any(built.error is None and built.index not in self.results for built in self.triggers)

    def decide(self, now: datetime) -> Decision:
        """The pure decision over what is known. Asks for a known target."""
        if self.target is None or self.target.replicas is None:
            raise ValueError(f"ScaledObject {self.so.key}: the target's replicas are not known")
        times = Times(self.so.created or now, self.last_active)
        return decision.decide(self.policy(), self.outcomes(), self.target.replicas, times, now)

    def _of(self, built: Built) -> Iterator[Outcome]:
        result = self.results.get(built.index)
        error = built.error if built.error is not None else (result.error if result is not None else None)
        readings = {reading.metric: reading for reading in result.readings} if result is not None else {}
        for spec, name in zip(built.specs, built.names, strict=True):
            target = quantity.milli(quantity.from_number(spec.target))
            known = readings.get(spec.name) or (readings.get(None) if len(built.specs) == 1 else None)
            if error is not None:
                yield Outcome(
                    index=built.index, metric=name, target=target, metric_type=built.metric_type,
                    reason=error.reason, message=str(error),
                )  # fmt: skip
            elif known is None:
                reason, message = ("NotReadYet", "not read yet") if result is None else ("NoData", "the answer lacks it")
                yield Outcome(
                    index=built.index, metric=name, target=target, metric_type=built.metric_type,
                    reason=reason, message=message,
                )  # fmt: skip
            else:
                activation = built.metadata.activation if built.metadata is not None else 0
                active = known.active if known.active is not None else known.value > activation
                yield Outcome(
                    index=built.index, metric=name, target=target, metric_type=built.metric_type,
                    value=known.value, active=active,
                )  # fmt: skip
