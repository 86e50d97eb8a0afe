"""A ScaledObject as typed, frozen values.

`ScaledObjectSpec` and what it holds is `spec` as written, with None or "" for what is absent; the CRD's
schema is generated from it. `ScaledObject` is the whole object and answers with KEDA's effective values, so
that no default is applied anywhere else. `manifest.parse` makes it; nothing here looks at a raw manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from scaler.core.behavior import Behavior
from scaler.core.fields import Count, Model, Name, Positive, listed

__all__ = [
    "Advanced",
    "AuthenticationRef",
    "Fallback",
    "HorizontalPodAutoscalerConfig",
    "ScaleTargetRef",
    "ScaledObject",
    "ScaledObjectSpec",
    "ScalingModifiers",
    "Trigger",
]

DEFAULT_MAXIMUM = 100
DEFAULT_POLLING_INTERVAL = 30
DEFAULT_COOLDOWN_PERIOD = 300


class ScaleTargetRef(Model):
    """The workload to scale. It lives in the ScaledObject's namespace and has a scale subresource."""

    name: Name
    """The workload's name."""
    api_version: str = ""
    """The workload's group and version; apps/v1 when absent."""
    kind: str = ""
    """The workload's kind; Deployment when absent."""
    env_source_container_name: str = ""
    """The container whose environment answers `...FromEnv` keys; the first one when absent."""


class AuthenticationRef(Model):
    """The TriggerAuthentication that supplies a trigger's credentials."""

    name: str
    """The name of the TriggerAuthentication or ClusterTriggerAuthentication."""
    kind: Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] | None = None
    """TriggerAuthentication (in this namespace; the default) or ClusterTriggerAuthentication."""


class Trigger(Model):
    """One event source to scale on."""

    type: Name
    """The kind of source, such as redis or cron."""
    name: str = ""
    """A name for formulas and metric labels; unique within the object."""
    metadata: dict[str, str]
    """Where the source is and what to read; the keys depend on the type. Values are text: quote numbers."""
    metric_type: str = ""
    """AverageValue (per replica; the default) or Value (as it is); Utilization for cpu and memory only."""
    use_cached_metrics: bool = False
    """Answer the HPA with the value of the last poll instead of a fresh one."""
    authentication_ref: AuthenticationRef | None = None
    """Where the credentials come from."""


class Fallback(Model):
    """The replicas to hold while a source cannot be read."""

    failure_threshold: Count
    """How many reads in a row may fail; one more starts the fallback."""
    replicas: Count
    """The replicas to hold."""
    behavior: Literal[
        "static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"
    ] = "static"
    """How `replicas` and the present count are combined."""


class HorizontalPodAutoscalerConfig(Model):
    """The HPA that is made for the object."""

    name: str = ""
    """The HPA's name; keda-hpa-<name of the ScaledObject> when absent."""
    behavior: Behavior | None = None
    """How fast the HPA may scale, as in autoscaling/v2."""


class ScalingModifiers(Model):
    """One metric computed from several triggers."""

    formula: str = ""
    """An expression over the triggers' names."""
    target: str = ""
    """The composite metric's target per replica, a number above 0 written as text."""
    activation_target: str = ""
    """The composite metric activates above this, a number written as text; 0 when absent."""
    metric_type: Literal["AverageValue", "Value"] | None = None
    """AverageValue (the default) or Value."""

    def in_use(self) -> bool:
        """Does any field say something?"""
        return bool(self.formula or self.target or self.activation_target or self.metric_type)


class Advanced(Model):
    """Less common settings."""

    restore_to_original_replica_count: bool = False
    """When the ScaledObject is deleted, give the workload the replicas it had before."""
    horizontal_pod_autoscaler_config: HorizontalPodAutoscalerConfig | None = None
    """The HPA that is made for the object."""
    scaling_modifiers: ScalingModifiers | None = None
    """One metric computed from several triggers."""


class ScaledObjectSpec(Model):
    """What to scale, between which bounds, and on which event sources."""

    scale_target_ref: ScaleTargetRef
    """The workload to scale."""
    polling_interval: Positive | None = None
    """The longest time between two reads of a source, in seconds; 30 when absent."""
    initial_cooldown_period: Count | None = None
    """How long an object that was never active stays up after its creation, in seconds; 0 when absent."""
    cooldown_period: Count | None = None
    """Seconds from the last activity until the workload goes to zero or idleReplicaCount; by default 300."""
    idle_replica_count: Count | None = None
    """The replicas while no trigger is active; below minReplicaCount. Without it that is minReplicaCount."""
    min_replica_count: Count | None = None
    """The fewest replicas; 0 when absent. The HPA's own minimum is this, but at least 1."""
    max_replica_count: Positive | None = None
    """The most replicas the HPA may ask for; 100 when absent."""
    fallback: Fallback | None = None
    """The replicas to hold while a source cannot be read."""
    advanced: Advanced | None = None
    """Less common settings."""
    triggers: tuple[Trigger, ...] = listed(at_least=1)
    """The event sources; the workload is active while any of them is, and as large as the neediest asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledObject:
    """A whole ScaledObject as read from the API server or from a file.

    `created` is None for one that no API server has stored. `status` is raw.
    """

    namespace: str
    name: str
    spec: ScaledObjectSpec
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    created: datetime | None = None
    deleted: bool = False
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def minimum(self) -> int:
        """The fewest replicas: minReplicaCount, else 0."""
        return self.spec.min_replica_count or 0

    @property
    def maximum(self) -> int:
        """The most replicas the HPA may ask for: maxReplicaCount, else 100."""
        return DEFAULT_MAXIMUM if self.spec.max_replica_count is None else self.spec.max_replica_count

    @property
    def idle(self) -> int | None:
        """idleReplicaCount, None when absent."""
        return self.spec.idle_replica_count

    @property
    def floor(self) -> int:
        """From here upwards the HPA owns the count: minReplicaCount, but at least 1."""
        return max(self.minimum, 1)

    @property
    def rest(self) -> int:
        """The replicas while no trigger is active: idleReplicaCount, else the minimum."""
        return self.minimum if self.idle is None else self.idle

    @property
    def polling_interval(self) -> int:
        """The longest time between two reads, in seconds."""
        given = self.spec.polling_interval
        return DEFAULT_POLLING_INTERVAL if given is None else given

    @property
    def cooldown_period(self) -> int:
        """How long after the last activity the workload goes to rest, in seconds."""
        given = self.spec.cooldown_period
        return DEFAULT_COOLDOWN_PERIOD if given is None else given

    @property
    def initial_cooldown_period(self) -> int:
        """The same for an object that was never active, counted from its creation, in seconds."""
        return self.spec.initial_cooldown_period or 0

    @property
    def hpa_name(self) -> str:
        """The name of the HPA that belongs to this object."""
        config = self.hpa_config
        return (config.name if config else "") or f"keda-hpa-{self.name}"

    @property
    def hpa_config(self) -> HorizontalPodAutoscalerConfig | None:
        """`spec.advanced.horizontalPodAutoscalerConfig`."""
        return self.spec.advanced.horizontal_pod_autoscaler_config if self.spec.advanced else None

    @property
    def restores(self) -> bool:
        """Is the workload to get its replicas back when the object is deleted?"""
        return self.spec.advanced is not None and self.spec.advanced.restore_to_original_replica_count

    @property
    def modifiers(self) -> ScalingModifiers | None:
        """`spec.advanced.scalingModifiers` where any of its fields says something."""
        found = self.spec.advanced.scaling_modifiers if self.spec.advanced else None
        return found if found is not None and found.in_use() else None

    @property
    def behavior(self) -> dict[str, Any] | None:
        """`behavior` for the HPA as written, None when absent."""
        config = self.hpa_config
        return config.behavior.written() if config is not None and config.behavior is not None else None

    @property
    def target(self) -> ScaleTargetRef:
        """The scale target with apiVersion and kind filled in."""
        ref = self.spec.scale_target_ref
        if ref.api_version and ref.kind:
            return ref
        return ref.model_copy(
            update={"api_version": ref.api_version or "apps/v1", "kind": ref.kind or "Deployment"}
        )

    @property
    def last_active(self) -> datetime | None:
        """`status.lastActiveTime`; None when never active (or not readable as a time)."""
        return moment(self.status.get("lastActiveTime"))


def moment(text: object) -> datetime | None:
    """An RFC 3339 time as the API server writes it, aware; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
