"""Small readings of Kubernetes objects that every controller needs: times, owners, readiness, conditions.

Pure: objects are plain decoded JSON, time comes in as an argument. Nothing here changes what it is given.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object (or a part of one) as decoded JSON."""

DISTANT_PAST = datetime.min.replace(tzinfo=UTC)


def rfc3339(moment: datetime) -> str:
    """The API's time text: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str | None) -> datetime | None:
    """The moment an RFC 3339 text names; None when there is none or it cannot be read."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def name_of(obj: Mapping[str, Any]) -> str:
    """`metadata.name`."""
    return str(obj["metadata"]["name"])


def key_of(obj: Mapping[str, Any]) -> tuple[str, str]:
    """(namespace, name)."""
    meta = obj["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])


def terminating(obj: Mapping[str, Any]) -> bool:
    """Whether the object has been asked to go."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_uid(obj: Mapping[str, Any]) -> str | None:
    """The uid of the owner that controls the object (`ownerReferences[].controller`), if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference.get("uid", ""))
    return None


def controlled_by(api_version: str, kind: str, owner: Mapping[str, Any]) -> Object:
    """The owner reference that a controller puts on what it makes."""
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition_of(obj: Mapping[str, Any], kind: str) -> Object | None:
    """The condition of that type in `status.conditions`."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return dict(condition)
    return None


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    """Whether the condition of that type is True."""
    condition = condition_of(obj, kind)
    return condition is not None and condition.get("status") == "True"


def is_active(pod: Mapping[str, Any]) -> bool:
    """Whether a pod counts towards a ReplicaSet: neither finished nor going."""
    return not terminating(pod) and phase_of(pod) not in {"Succeeded", "Failed"}


def phase_of(pod: Mapping[str, Any]) -> str:
    """`status.phase`, Pending when there is none yet."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def available_in(pod: Mapping[str, Any], min_ready_seconds: float, now: datetime) -> float | None:
    """Seconds until a pod is available (0: it is); None when it is not ready, so nobody can say."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    since = instant(condition.get("lastTransitionTime")) or DISTANT_PAST
    if not min_ready_seconds:
        return 0.0
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def with_condition(
    conditions: Iterable[Mapping[str, Any]],
    fresh: Mapping[str, Any],
    now: datetime,
    *,
    update_time: bool = False,
) -> list[Object]:
    """The conditions with `fresh` (type, status, reason, message) put in its place.

    `lastTransitionTime` moves only when the status does. With `update_time` (Deployments) `lastUpdateTime`
    moves when anything of the condition does.
    """
    out, stamp, placed = [], rfc3339(now), False
    for old in conditions:
        if old.get("type") != fresh["type"]:
            out.append(dict(old))
            continue
        placed = True
        if all(old.get(field, "") == value for field, value in fresh.items()):
            out.append(dict(old))
            continue
        moved = stamp if old.get("status") != fresh["status"] else old.get("lastTransitionTime") or stamp
        out.append(_stamped(fresh, moved, stamp, update_time=update_time))
    if not placed:
        out.append(_stamped(fresh, stamp, stamp, update_time=update_time))
    return out


def _stamped(fresh: Mapping[str, Any], moved: str, stamp: str, *, update_time: bool) -> Object:
    times = {"lastUpdateTime": stamp} if update_time else {}
    return {**fresh, **times, "lastTransitionTime": moved}
