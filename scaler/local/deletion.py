"""What deleting an object makes of it: gone at once, or marked and waiting. Pure.

An object waits for its finalizers, a pod on a node also for its grace period, a namespace for spec.finalizers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scaler.local.errors import Cause, conflict, invalid
from scaler.local.resources import Object, Resource
from scaler.local.store import clone

__all__ = [
    "FOREGROUND",
    "ORPHAN",
    "DeleteOptions",
    "check_preconditions",
    "deleted",
    "released",
    "timestamp",
]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """`propagation` Background, Foreground, Orphan or None; `grace` in seconds, None for the kind's own."""

    propagation: str | None = None
    grace: int | None = None
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


def timestamp(moment: datetime) -> str:
    """metav1.Time: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    """409 when the object is another one, or another state of it, than the caller thinks."""
    meta = obj["metadata"]
    for sent, key, word, hint in (
        (options.uid, "uid", "UID", "deleted and then recreated"),
        (options.version, "resourceVersion", "ResourceVersion", "modified"),
    ):
        if sent and sent != meta[key]:
            why = f"the {word} in the precondition ({sent}) does not match the {word} in record ({meta[key]})"
            raise conflict(
                resource, meta["name"], f"{why}. The object might have been {hint}", kind=resource.kind
            )


def deleted(resource: Resource, old: Object, options: DeleteOptions, now: datetime) -> tuple[Object, bool]:
    """The object after a deletion was asked for, and whether it is gone with that."""
    meta = dict(old["metadata"])
    finalizers = _with_propagation(meta.pop("finalizers", None) or (), options.propagation)
    if finalizers:
        meta["finalizers"] = finalizers
    grace = _grace(resource, old, options.grace)
    obj = {**old, "metadata": meta}
    if "deletionTimestamp" in meta:
        grace = min(grace, meta.get("deletionGracePeriodSeconds") or 0)
    elif not finalizers and not grace and not _held(obj):
        return clone(old), True
    else:
        if resource.generation:
            meta["generation"] = meta.get("generation", 0) + 1
        if _held(obj):
            obj["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
    if "deletionTimestamp" not in meta or grace != meta.get("deletionGracePeriodSeconds"):
        meta["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace
    return obj, released(obj)


def _held(obj: Object) -> bool:
    """Whether spec.finalizers (namespaces only) hold it."""
    return obj["kind"] == "Namespace" and bool((obj.get("spec") or {}).get("finalizers"))


def released(obj: Object) -> bool:
    """Whether nothing keeps a deleted object any longer."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not _held(obj)


def _with_propagation(finalizers: Sequence[str], propagation: str | None) -> list[str]:
    if propagation is None:
        return list(finalizers)
    kept = [name for name in finalizers if name not in (FOREGROUND, ORPHAN)]
    added = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN], "Background": []}.get(propagation)
    if added is None:
        cause = Cause(
            "propagationPolicy",
            "FieldValueNotSupported",
            f'Unsupported value: "{propagation}": supported values: "Background", "Foreground", "Orphan"',
        )
        raise invalid("DeleteOptions", "meta.k8s.io", "", [cause])
    return kept + added


def _grace(resource: Resource, obj: Object, asked: int | None) -> int:
    """Seconds until a pod may be gone; 0 for every other kind, and for pods that are on no node or have ended."""
    if not resource.graceful:
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    own = spec.get("terminationGracePeriodSeconds")
    seconds = asked if asked is not None else (30 if own is None else own)
    return max(0, int(seconds))
