"""The status of our kinds, for their CRDs and `kubectl explain`; the code handles them as raw mappings."""

from datetime import datetime

from pydantic import Field

from scaler.core.fields import Int32, Model, listed

__all__ = ["ScaledObjectStatus", "TriggerAuthenticationStatus"]


class StatusCondition(Model):
    """One condition."""

    type: str
    """Ready, Active, Fallback or Paused."""
    status: str
    """True, False or Unknown."""
    reason: str = ""
    """One word that says why."""
    message: str = ""
    """A sentence for a person; it opens with the reason of the last decision."""


class TargetResource(Model):
    """The resource behind the scale target."""

    group: str
    """Its API group."""
    version: str
    """Its version."""
    kind: str
    """Its kind."""
    resource: str
    """Its plural name."""


class Health(Model):
    """How reading one metric has gone."""

    number_of_failures: Int32 | None = None
    """Failures in a row."""
    status: str = ""
    """Happy or Failing."""


class Activity(Model):
    """What one metric says."""

    is_active: bool | None = None
    """Was there work at the last read?"""


class ScaledObjectStatus(Model):
    """What the controller has seen and done."""

    scale_target_kind: str = ""
    """Group, version and kind of the scale target."""
    scale_target_gvkr: TargetResource | None = Field(default=None, alias="scaleTargetGVKR")
    """The resource behind the scale target."""
    original_replica_count: Int32 | None = None
    """The replicas the workload had when it was first seen."""
    last_active_time: datetime | None = None
    """When a trigger was last active; the cooldown counts from here."""
    external_metric_names: tuple[str, ...] | None = listed(default=None)
    """The names of the external metrics in the HPA."""
    resource_metric_names: tuple[str, ...] | None = listed(default=None)
    """The names of the resource metrics in the HPA."""
    composite_scaler_name: str = ""
    """The name of the composite metric, where one is computed."""
    conditions: tuple[StatusCondition, ...] | None = listed(default=None)
    """Ready, Active, Fallback and Paused."""
    health: dict[str, Health] | None = None
    """How reading each metric has gone; kept where a fallback is configured."""
    triggers_activity: dict[str, Activity] | None = None
    """What each metric said at the last read."""
    paused_replica_count: Int32 | None = None
    """The replicas that a pause holds."""
    hpa_name: str = ""
    """The name of the HPA."""
    triggers_types: str = ""
    """The types of the triggers."""
    authentications_types: str = ""
    """The names of the authentications in use."""


class TriggerAuthenticationStatus(Model):
    """Who uses the authentication."""

    scaledobjects: str = ""
    """The names of the ScaledObjects that use it."""
    scaledjobs: str = ""
    """The names of the ScaledJobs that use it."""
