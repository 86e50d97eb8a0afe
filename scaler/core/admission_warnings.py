"""What is allowed and probably not meant: KEDA's two warnings, and three of ours.

KEDA's (facts 7.2): a setting that has no effect. Ours: an idle count that the HPA will not leave alone, a target that
loses, or leaves behind, its volumes at zero, and pods that are killed before a piece of work can be over.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scaler.core.admission_ownership import target
from scaler.core.admission_requests import pod_spec
from scaler.core.annotations import PROCESSING
from scaler.core.model import ScaledObject
from scaler.core.surroundings import Surroundings, Target, listed, mapping
from scalers._lib.problem import Problem

__all__ = ["hazards", "irrelevant"]

_GRACE = 30
"""The API server's default of terminationGracePeriodSeconds."""


def irrelevant(so: ScaledObject) -> Iterator[Problem]:
    """KEDA's warnings: settings that do nothing, since the object never goes to zero."""
    if not so.spec.min_replica_count or so.idle == 0:
        return
    cached = any(trigger.use_cached_metrics for trigger in so.spec.triggers)
    mend = "remove it, or set minReplicaCount or idleReplicaCount to 0"
    if so.spec.polling_interval is not None and not cached:
        words = "has no effect where the object never goes to zero and no trigger uses cached metrics"
        yield Problem("spec.pollingInterval", words, mend)
    if so.spec.cooldown_period is not None:
        yield Problem("spec.cooldownPeriod", "has no effect where the object never goes to zero", mend)


def hazards(so: ScaledObject, surroundings: Surroundings) -> Iterator[Problem]:
    """What scaling in will not do, or destroys. Of the target nothing is said where it is not there."""
    yield from _idle(so)
    mine = target(so)
    workload = surroundings.workload(so.namespace, mine)
    if workload is not None:
        yield from _volumes(so, mine, workload)
        yield from _grace(so, mine, workload)


def _idle(so: ScaledObject) -> Iterator[Problem]:
    """The HPA works from 1 replica upwards, and raises whatever is below its minimum."""
    if so.idle:
        words = f"is {so.idle}, from where the HPA raises the target to minReplicaCount {so.minimum} again and again"
        yield Problem("spec.idleReplicaCount", words, "write 0, the only count that an HPA leaves alone")


def _volumes(so: ScaledObject, mine: Target, workload: Mapping[str, Any]) -> Iterator[Problem]:
    """Zero replicas where there are volume claims."""
    if so.rest != 0:
        return
    path = "spec.minReplicaCount" if so.idle is None else "spec.idleReplicaCount"
    mend = "write 1 or more, if that is not meant"
    spec = mapping(workload.get("spec"))
    if listed(spec.get("volumeClaimTemplates")):
        policy = mapping(spec.get("persistentVolumeClaimRetentionPolicy")).get("whenScaled")
        fate = (
            "deletes its volume claims and what is in them"
            if policy == "Delete"
            else "leaves its volume claims unused"
        )
        yield Problem(path, f"is 0, and at 0 replicas {mine} {fate}", mend)
    claims = [
        name
        for volume in map(mapping, listed(pod_spec(workload).get("volumes")))
        if (name := mapping(volume.get("persistentVolumeClaim")).get("claimName"))
    ]
    if claims:
        yield Problem(
            path, f"is 0, and at 0 replicas {mine} leaves the volume claim {claims[0]} unused", mend
        )


def _grace(so: ScaledObject, mine: Target, workload: Mapping[str, Any]) -> Iterator[Problem]:
    """Less time to end than a piece of work takes: only the user knows how long that is."""
    word = so.annotations.get(PROCESSING, "")
    if not (word.isascii() and word.isdigit()) or len(word) > len(str(1 << 31)):
        return  # A word that is no number is refused with the other annotations.
    written = pod_spec(workload).get("terminationGracePeriodSeconds")
    grace = written if isinstance(written, int) and not isinstance(written, bool) else _GRACE
    if int(word) > grace:
        words = f"is {word} s, and pods of {mine} are killed {grace} s after they were told to end"
        yield Problem(
            f"metadata.annotations.{PROCESSING}",
            words,
            f"raise terminationGracePeriodSeconds of {mine} to at least {word}",
        )
