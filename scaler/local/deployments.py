"""Deployment → ReplicaSets: one per pod template, moved over by a rolling update or at once (Recreate).

`plan` is the whole rule and is pure: it says which ReplicaSet to make, which to rescale and which to drop,
and in how many seconds to look again. Each step moves as far as the counts of that moment allow; the next
change of a ReplicaSet's status brings the next step, so a rollout needs no state of its own. The status is in
`rollout.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from scaler.local.objects import Object, controlled_by, instant, name_of, terminating

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_OWN_ANNOTATIONS = (REVISION, DESIRED, MOST, "kubectl.kubernetes.io/last-applied-configuration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """A ReplicaSet that gets another count or other annotations."""

    name: str
    before: int
    replicas: int
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one step does to the ReplicaSets of a Deployment."""

    create: Object | None = None
    rescale: tuple[Rescale, ...] = ()
    delete: tuple[str, ...] = ()
    revision: str | None = None
    """The Deployment's revision annotation, once there is a ReplicaSet for its template."""


def replicas_of(obj: Mapping[str, Any]) -> int:
    """`spec.replicas`, 1 when absent."""
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def available_of(replicaset: Mapping[str, Any]) -> int:
    """`status.availableReplicas`."""
    return int((replicaset.get("status") or {}).get("availableReplicas") or 0)


def bounds(deployment: Mapping[str, Any]) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: surge rounded up, the other down, not both 0; Recreate: 0, all."""
    strategy, replicas = deployment["spec"].get("strategy") or {}, replicas_of(deployment)
    if strategy.get("type") == "Recreate":
        return 0, replicas
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return surge, min(replicas, unavailable if surge or unavailable else 1)


def _share(value: int | str, whole: int, *, up: bool) -> int:
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    hundredths = int(text[:-1]) * whole
    return -(-hundredths // 100) if up else hundredths // 100


def template_hash(template: Mapping[str, Any], collisions: int) -> str:
    """Ten characters that stand for a pod template; another ten after a name collision."""
    encoded = msgspec.json.encode([template, collisions], order="deterministic")
    number = int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big")
    out = ""
    for _ in range(10):
        number, rest = divmod(number, len(_ALPHABET))
        out += _ALPHABET[rest]
    return out


def split(deployment: Mapping[str, Any], owned: Sequence[Object]) -> tuple[Object | None, list[Object]]:
    """(the ReplicaSet of the present template, the older ones by age)."""
    wanted = _bare(deployment["spec"]["template"])
    by_age = sorted(owned, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), name_of(rs)))
    current = next((rs for rs in by_age if _bare(rs["spec"]["template"]) == wanted), None)
    return current, [rs for rs in by_age if rs is not current]


def _bare(template: Mapping[str, Any]) -> Object:
    meta = dict(template.get("metadata") or {})
    meta.pop("creationTimestamp", None)
    meta["labels"] = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH_LABEL}
    return {"metadata": meta, "spec": template.get("spec") or {}}


def plan(deployment: Mapping[str, Any], owned: Sequence[Object], old_pods: int) -> Plan:
    """One step towards `spec` from the ReplicaSets as they are.

    `owned` are the ReplicaSets this Deployment controls, `old_pods` the pods (also terminating ones) of those
    with an older template: Recreate waits for them to be gone.
    """
    if terminating(deployment):
        return Plan()
    current, old = split(deployment, owned)
    if deployment["spec"].get("paused"):
        return Plan(rescale=_while_paused(deployment, current, old))
    newest = max((_revision(rs) for rs in old), default=0) + 1
    revision = str(max(newest, _revision(current) if current is not None else 0))
    down = _old_counts(deployment, current, old)
    count = _new_count(deployment, current, old, old_pods)
    notes = _annotations(deployment, revision)
    moves = [
        _rescaled(rs, down.get(name_of(rs), replicas_of(rs)), _limits(deployment))
        for rs in old
        if replicas_of(rs)
    ]
    if current is not None:
        moves.append(_rescaled(current, replicas_of(current) if count is None else count, notes))
    return Plan(
        create=_new_replicaset(deployment, count, notes) if current is None and count is not None else None,
        rescale=tuple(move for move in moves if move is not None),
        delete=_beyond_history(deployment, current, old),
        revision=revision if current is not None or count is not None else None,
    )


def _while_paused(
    deployment: Mapping[str, Any], current: Object | None, old: Sequence[Object]
) -> tuple[Rescale, ...]:
    """Paused: nothing is rolled out, but a new scale is honoured, by the newest ReplicaSet with pods."""
    alive = [rs for rs in (*old, current) if rs is not None and replicas_of(rs)] or (
        [current] if current else list(old[-1:])
    )
    if not alive:
        return ()
    others = sum(replicas_of(rs) for rs in alive[:-1])
    move = _rescaled(alive[-1], max(0, replicas_of(deployment) - others), _limits(deployment))
    return (move,) if move is not None else ()


def _new_count(
    deployment: Mapping[str, Any], current: Object | None, old: Sequence[Object], old_pods: int
) -> int | None:
    """How many pods the present template may have now; None: it must wait (Recreate)."""
    wanted, have = replicas_of(deployment), replicas_of(current) if current is not None else 0
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        waiting = old_pods or any(replicas_of(rs) for rs in old)
        return (have if current is not None else None) if waiting else wanted
    if have >= wanted:
        return wanted
    room = wanted + bounds(deployment)[0] - have - sum(replicas_of(rs) for rs in old)
    return have + max(0, min(room, wanted - have))


def _old_counts(
    deployment: Mapping[str, Any], current: Object | None, old: Sequence[Object]
) -> dict[str, int]:
    """What remains of the older ones: first their unavailable pods go, then as many as may be missing."""
    left = {name_of(rs): replicas_of(rs) for rs in old}
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return dict.fromkeys(left, 0)
    least = replicas_of(deployment) - bounds(deployment)[1]
    new = replicas_of(current) if current is not None else 0
    ready = min(new, available_of(current)) if current is not None else 0
    unhealthy = max(0, sum(left.values()) + ready - least)
    for rs in old:
        gone = max(0, min(unhealthy, replicas_of(rs) - available_of(rs)))
        left[name_of(rs)] -= gone
        unhealthy -= gone
    spare = min(unhealthy, ready + sum(min(available_of(rs), left[name_of(rs)]) for rs in old) - least)
    for rs in old:
        gone = max(0, min(spare, left[name_of(rs)]))
        left[name_of(rs)] -= gone
        spare -= gone
    return left


def _rescaled(replicaset: Object, replicas: int, annotations: Mapping[str, str]) -> Rescale | None:
    before, have = replicas_of(replicaset), replicaset["metadata"].get("annotations") or {}
    if before == replicas and annotations.items() <= have.items():
        return None
    return Rescale(name=name_of(replicaset), before=before, replicas=replicas, annotations=annotations)


def _limits(deployment: Mapping[str, Any]) -> dict[str, str]:
    wanted = replicas_of(deployment)
    return {DESIRED: str(wanted), MOST: str(wanted + bounds(deployment)[0])}


def _annotations(deployment: Mapping[str, Any], revision: str) -> dict[str, str]:
    own = deployment["metadata"].get("annotations") or {}
    return (
        {k: v for k, v in own.items() if k not in _OWN_ANNOTATIONS}
        | _limits(deployment)
        | {REVISION: revision}
    )


def _revision(replicaset: Mapping[str, Any]) -> int:
    text = (replicaset["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _new_replicaset(deployment: Mapping[str, Any], replicas: int, annotations: Mapping[str, str]) -> Object:
    spec, meta = deployment["spec"], deployment["metadata"]
    code = template_hash(spec["template"], int((deployment.get("status") or {}).get("collisionCount") or 0))
    template_meta = dict(spec["template"].get("metadata") or {})
    labels = dict(template_meta.get("labels") or {}) | {HASH_LABEL: code}
    selector = dict(spec.get("selector") or {})
    selector["matchLabels"] = dict(selector.get("matchLabels") or {}) | {HASH_LABEL: code}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{code}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": dict(annotations),
            "ownerReferences": [controlled_by("apps/v1", "Deployment", deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": int(spec.get("minReadySeconds") or 0),
            "selector": selector,
            "template": {
                "metadata": {**template_meta, "labels": labels},
                "spec": spec["template"].get("spec") or {},
            },
        },
    }


def _beyond_history(
    deployment: Mapping[str, Any], current: Object | None, old: Sequence[Object]
) -> tuple[str, ...]:
    """Empty older ReplicaSets beyond `revisionHistoryLimit` (10), oldest first; none while rolling out."""
    status = (current or {}).get("status") or {}
    if current is None or int(status.get("availableReplicas") or 0) < replicas_of(deployment):
        return ()
    limit = deployment["spec"].get("revisionHistoryLimit")
    done = [
        rs
        for rs in old
        if not replicas_of(rs) and not (rs.get("status") or {}).get("replicas") and not terminating(rs)
    ]
    done.sort(key=lambda rs: (_revision(rs), instant(rs["metadata"].get("creationTimestamp")) is None))
    excess = len(done) - (10 if limit is None else int(limit))
    return tuple(name_of(rs) for rs in done[: max(0, excess)])
