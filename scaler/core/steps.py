"""The steps of a reconcile, by the words that open the Ready condition's message when one fails.

Scripts match on these words, so they are KEDA's (facts 2.2); the message goes on with `: ` and the error. The
last two are ours, for what KEDA has no step for.
"""

from enum import StrEnum

__all__ = ["Step"]


class Step(StrEnum):
    """Where a reconcile failed; the value opens the condition's message."""

    PAUSED_HPA = "failed to delete HPA for paused ScaledObject"
    PAUSED_SCALE = "failed to scale target to paused replica count"
    TARGET = "ScaledObject doesn't have correct scaleTargetRef specification"
    LABEL = "failed to update ScaledObject with scaledObjectName label"
    BOUNDS = "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification"
    TRIGGERS = "ScaledObject doesn't have correct triggers specification"
    HPA = "failed to ensure HPA is correctly created for ScaledObject"
    ANNOTATIONS = "ScaledObject doesn't have correct annotations"
    SCHEMA = "ScaledObject is not what its CRD allows"
