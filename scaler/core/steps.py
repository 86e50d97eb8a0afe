"""The steps of a reconcile, by the words that open the Ready condition's message when one fails.

Scripts match on these words, so they are KEDA's (facts 2.2); the message goes on with `: ` and the error. The
last three are ours, for what KEDA has no step for.
"""

from enum import StrEnum

__all__ = ["Step"]


class Step(StrEnum):
    """Where a reconcile failed; the value opens the condition's message."""

    TARGET = "ScaledObject doesn't have correct scaleTargetRef specification"
    LABEL = "failed to update ScaledObject with scaledObjectName label"
    BOUNDS = "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification"
    TRIGGERS = "ScaledObject doesn't have correct triggers specification"
    TYPES = "Cannot update ScaledObject status with triggers'types and authentications'types"
    HPA = "failed to ensure HPA is correctly created for ScaledObject"
    GENERATION = "failed to check whether ScaledObject's Generation was changed"
    LOOP = "failed to start a new scale loop with scaling logic"
    PAUSED_STATUS = "failed to update paused status"
    PAUSED_STOP = "failed to stop the scale loop for paused ScaledObject"
    PAUSED_HPA = "failed to delete HPA for paused ScaledObject"
    PAUSED_SCALE = "failed to scale target to paused replica count"
    PAUSED_COUNT = "failed to update paused replica count status"
    PAUSED_CLEAR = "failed to clear paused replica count status"
    ANNOTATIONS = "ScaledObject doesn't have correct annotations"
    SCHEMA = "ScaledObject is not what its CRD allows"
    NOT_YET = "ScaledObject asks for something that does not act yet"
