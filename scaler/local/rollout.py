"""The status of a Deployment: counts, and the conditions `kubectl wait` and `kubectl rollout status` read.

Pure. Conditions and reasons are kube-controller-manager's: Available (MinimumReplicasAvailable /
MinimumReplicasUnavailable) and Progressing (NewReplicaSetCreated, FoundNewReplicaSet, ReplicaSetUpdated,
NewReplicaSetAvailable, ProgressDeadlineExceeded, DeploymentPaused / DeploymentResumed).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from scaler.local.deployments import bounds, replicas_of, split
from scaler.local.objects import Object, condition_of, instant, name_of, with_condition

_COUNTS = ("replicas", "readyReplicas", "availableReplicas")


def status(
    deployment: Mapping[str, Any], owned: Sequence[Object], now: datetime
) -> tuple[Object, float | None]:
    """The status these ReplicaSets add up to, and in how many seconds to look at the progress deadline."""
    current, _ = split(deployment, owned)
    out = _counts(deployment, current, owned)
    old = deployment.get("status") or {}
    conditions = with_condition(
        old.get("conditions") or (), _available(deployment, out), now, update_time=True
    )
    fresh, wait = _progressing(deployment, current, out, now)
    if fresh is not None:
        conditions = with_condition(conditions, fresh, now, update_time=True)
        if fresh["reason"] == "ReplicaSetUpdated":
            _touch(conditions, now)
    out["conditions"] = conditions
    if old.get("collisionCount"):
        out["collisionCount"] = old["collisionCount"]
    return out, wait


def _counts(deployment: Mapping[str, Any], current: Object | None, owned: Sequence[Object]) -> Object:
    sums = {f: sum(int((rs.get("status") or {}).get(f) or 0) for rs in owned) for f in _COUNTS}
    sums["updatedReplicas"] = int(((current or {}).get("status") or {}).get("replicas") or 0)
    asked = sum(replicas_of(rs) for rs in owned)
    sums["unavailableReplicas"] = max(0, asked - sums["availableReplicas"])
    out: Object = {field: count for field, count in sums.items() if count}
    out["observedGeneration"] = int(deployment["metadata"].get("generation", 1))
    return out


def _available(deployment: Mapping[str, Any], counts: Object) -> Object:
    enough = counts.get("availableReplicas", 0) >= replicas_of(deployment) - bounds(deployment)[1]
    return {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"The Deployment {'has' if enough else 'lacks'} its minimum of available pods.",
    }


def complete(deployment: Mapping[str, Any], counts: Mapping[str, Any]) -> bool:
    """Whether every pod is of the present template and available."""
    wanted = replicas_of(deployment)
    return all(
        counts.get(field, 0) == wanted for field in ("updatedReplicas", "replicas", "availableReplicas")
    )


def _progressing(
    deployment: Mapping[str, Any], current: Object | None, counts: Object, now: datetime
) -> tuple[Object | None, float | None]:
    """(the condition to set or None to keep the present one, seconds until the deadline)."""
    old = condition_of(deployment, "Progressing")
    if deployment["spec"].get("paused"):
        return _progress("Unknown", "DeploymentPaused", "The Deployment is paused."), None
    if old is not None and old.get("reason") == "DeploymentPaused":
        return _progress("Unknown", "DeploymentResumed", "The Deployment was resumed."), 0.0
    return (None, None) if current is None else _rolling(deployment, current, old, counts, now)


def _rolling(
    deployment: Mapping[str, Any], current: Object, old: Object | None, counts: Object, now: datetime
) -> tuple[Object | None, float | None]:
    replicaset = f'ReplicaSet "{name_of(current)}"'
    settled = (
        old is not None
        and old.get("reason") == "NewReplicaSetAvailable"
        and replicaset in str(old.get("message"))
    )
    if settled and counts.get("replicas", 0) == counts.get("updatedReplicas", 0):
        return None, None  # Scaling a finished rollout is no progress of it.
    if complete(deployment, counts):
        return _progress("True", "NewReplicaSetAvailable", f"{replicaset} is rolled out."), None
    if old is None or settled or replicaset not in str(old.get("message")):
        return _progress(
            "True", "NewReplicaSetCreated", f"{replicaset} was made for this template."
        ), _deadline(deployment)
    if _moved(deployment.get("status") or {}, counts):
        return _progress("True", "ReplicaSetUpdated", f"{replicaset} is progressing."), _deadline(deployment)
    return _overdue(deployment, old, replicaset, now)


def _overdue(
    deployment: Mapping[str, Any], old: Object, replicaset: str, now: datetime
) -> tuple[Object | None, float | None]:
    if old.get("reason") == "ProgressDeadlineExceeded":
        return None, None
    since = instant(old.get("lastUpdateTime")) or now
    left = (since + timedelta(seconds=_deadline(deployment)) - now).total_seconds()
    if left > 0:
        return None, left
    text = f"{replicaset} made no progress for {_deadline(deployment):.0f} s."
    return _progress("False", "ProgressDeadlineExceeded", text), None


def _deadline(deployment: Mapping[str, Any]) -> float:
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return 600.0 if seconds is None else float(seconds)


def _progress(state: str, reason: str, message: str) -> Object:
    return {"type": "Progressing", "status": state, "reason": reason, "message": message}


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the rollout came nearer: more updated, ready or available pods, or fewer old ones."""

    def old_pods(counts: Mapping[str, Any]) -> int:
        return int(counts.get("replicas") or 0) - int(counts.get("updatedReplicas") or 0)

    grew = any(
        int(after.get(f) or 0) > int(before.get(f) or 0)
        for f in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old_pods(after) < old_pods(before)


def _touch(conditions: Sequence[Object], now: datetime) -> None:
    """Progress restarts the deadline even when the condition reads the same."""
    for condition in conditions:
        if condition["type"] == "Progressing":
            condition["lastUpdateTime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
