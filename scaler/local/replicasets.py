"""ReplicaSet → Pods: how many pods there should be, and which ones go first.

`plan` is the whole rule and is pure; `controllers.py` carries it out. Pods are never counted by selector but
by owner (`ownerReferences` with controller=true), so a label edited by hand neither adopts nor orphans a pod
here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scaler.local.objects import (
    Object,
    available_in,
    condition_of,
    controlled_by,
    instant,
    is_active,
    is_true,
    name_of,
    phase_of,
    rfc3339,
    terminating,
)

BURST = 500
"""Pods made or removed in one step, as in a real cluster; the step is then taken again."""

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one step does to the pods of a ReplicaSet."""

    create: int = 0
    delete: tuple[Object, ...] = ()


def plan(replicaset: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Plan:
    """How many pods to make, or which to remove, to reach `spec.replicas`.

    `pods` are those the ReplicaSet owns. Terminating and finished pods do not count. Nothing is done to a
    ReplicaSet that is going itself: its pods are the garbage collector's.
    """
    if terminating(replicaset):
        return Plan()
    active = [dict(pod) for pod in pods if is_active(pod)]
    missing = int(replicaset["spec"].get("replicas", 1)) - len(active)
    if missing >= 0:
        return Plan(create=min(missing, BURST))
    return Plan(delete=tuple(sorted(active, key=_worth)[: min(-missing, BURST)]))


def _worth(pod: Object) -> tuple[Any, ...]:
    """Sorts the pods that go first to the front: the ones whose loss costs least.

    Unscheduled, then pending, then not ready, then the cheaper by annotation, then the one ready for the
    shorter time, then the one that restarted more, then the younger (kube-controller-manager's
    ActivePodsWithRanks).
    """
    ready = condition_of(pod, "Ready") or {}
    is_ready = ready.get("status") == "True"
    since = _age_key(ready.get("lastTransitionTime")) if is_ready else 0.0
    restarts = max(
        (c.get("restartCount", 0) for c in (pod.get("status") or {}).get("containerStatuses") or ()),
        default=0,
    )
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(phase_of(pod), 2),
        is_ready,
        _cost(pod),
        since,
        -restarts,
        _age_key(pod["metadata"].get("creationTimestamp")),
        name_of(pod),
    )


def _age_key(text: str | None) -> float:
    """The younger the smaller."""
    moment = instant(text)
    return -moment.timestamp() if moment is not None else 0.0


def _cost(pod: Object) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(_DELETION_COST, 0))
    except ValueError:
        return 0


def new_pod(replicaset: Mapping[str, Any]) -> Object:
    """The pod a ReplicaSet asks the API server for; its name is made there."""
    meta, template = replicaset["metadata"], replicaset["spec"].get("template") or {}
    source = template.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{meta['name']}-",
        "namespace": meta["namespace"],
        "labels": dict(source.get("labels") or {}),
        "ownerReferences": [controlled_by("apps/v1", "ReplicaSet", replicaset)],
    }
    for field in ("annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}


def status(
    replicaset: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], now: datetime, failure: str | None
) -> tuple[Object, float | None]:
    """The status, and in how many seconds to look again (when the next pod becomes available).

    `failure` is what the API server said when it refused a pod in this step, else None.
    """
    spec = replicaset["spec"]
    wanted = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    active = [pod for pod in pods if is_active(pod)]
    waits = [available_in(pod, float(spec.get("minReadySeconds") or 0), now) for pod in active]
    out: Object = {
        "replicas": len(active),
        "observedGeneration": int(replicaset["metadata"].get("generation", 1)),
        "terminatingReplicas": sum(
            terminating(pod) and phase_of(pod) not in {"Succeeded", "Failed"} for pod in pods
        ),
    }
    counts = {
        "fullyLabeledReplicas": sum(
            wanted.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active
        ),
        "readyReplicas": sum(is_true(pod, "Ready") for pod in active),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    out |= {field: count for field, count in counts.items() if count}
    if failure is not None:
        out["conditions"] = [_refused(replicaset, failure, now)]
    return out, min((wait for wait in waits if wait), default=None)


def _refused(replicaset: Mapping[str, Any], failure: str, now: datetime) -> Object:
    """The condition stays as it was first said: a sentence that changes with every try would make a next try."""
    return condition_of(replicaset, "ReplicaFailure") or {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": failure,
        "lastTransitionTime": rfc3339(now),
    }
