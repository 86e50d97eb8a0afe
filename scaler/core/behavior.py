"""`behavior` as autoscaling/v2 has it, for `spec.advanced.horizontalPodAutoscalerConfig`.

It is handed to the HPA as written. What an HPA refuses beyond the schema (a policy of an unknown type, a
period above half an hour) is refused by `hpa.validate`, as the API server does.
"""

from typing import Any

from scaler.core.fields import Int32, Model, Quantity, Window, listed

__all__ = ["Behavior", "ScalingPolicy", "ScalingRules"]


class ScalingPolicy(Model):
    """One limit on how fast the HPA may scale: at most `value` pods (or per cent) within `periodSeconds`."""

    type: str
    """Pods, an absolute number, or Percent, of the present replicas."""
    value: Int32
    """How many pods, or how many per cent; above 0."""
    period_seconds: Int32
    """The span over which changes are counted, in seconds; 1 to 1800."""

    def written(self) -> dict[str, Any]:
        """As in a manifest."""
        return {"type": self.type, "value": self.value, "periodSeconds": self.period_seconds}


class ScalingRules(Model):
    """How the HPA may scale in one direction."""

    stabilization_window_seconds: Window | None = None
    """Seconds whose recommendations are taken together, 0 to 3600; by default 0 upwards, 300 downwards."""
    select_policy: str | None = None
    """Which of several policies counts: Max (default), Min, or Disabled, which stops this direction."""
    policies: tuple[ScalingPolicy, ...] | None = listed(default=None)
    """The limits. The HPA's defaults: upwards 4 pods or 100 % every 15 s, downwards 100 % every 15 s."""
    tolerance: Quantity | None = None
    """The relative deviation from the target that is not worth scaling for, such as 0.05; by default 0.1."""

    def written(self) -> dict[str, Any]:
        """As in a manifest, without what was absent."""
        found = {
            "stabilizationWindowSeconds": self.stabilization_window_seconds,
            "selectPolicy": self.select_policy,
            "policies": None if self.policies is None else [policy.written() for policy in self.policies],
            "tolerance": self.tolerance,
        }
        return {name: value for name, value in found.items() if value is not None}


class Behavior(Model):
    """How fast the HPA may scale, up and down."""

    scale_up: ScalingRules | None = None
    """The rules for scaling up."""
    scale_down: ScalingRules | None = None
    """The rules for scaling down."""

    def written(self) -> dict[str, Any]:
        """As in a manifest, without what was absent and without fields that no HPA knows."""
        found = {"scaleUp": self.scale_up, "scaleDown": self.scale_down}
        return {name: rules.written() for name, rules in found.items() if rules is not None}
