"""The templates a StatefulSet had, kept as ControllerRevisions: `kubectl rollout history` and `undo` read them. Pure.

A revision holds the pod template as a strategic merge patch that replaces it, as kube-controller-manager
writes it. The newest equal one is used again, so an unchanged template makes none; one that was used before
comes back under a higher number. Names end in a hash of the template; it is not upstream's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaler.local.deployments import template_hash
from scaler.local.objects import Object, controlled_by, name_of

HASH_LABEL = "controller.kubernetes.io/hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What one step does to the revisions. `update` is that of the present template, as it is or shall be."""

    update: Object
    create: bool = False
    renumber: bool = False
    """`update` is stored with a lower number and gets this one."""

    @property
    def name(self) -> str:
        """The name of the present template's revision."""
        return name_of(self.update)


def history(stateful_set: Mapping[str, Any], owned: Sequence[Object]) -> History:
    """The revision of the present template among those the StatefulSet controls, or the one to make."""
    by_number = sorted(owned, key=_order)
    number = int(by_number[-1].get("revision") or 0) + 1 if by_number else 1
    template = stateful_set["spec"]["template"]
    equal = [one for one in by_number if template_of(one) == template]
    if not equal:
        return History(update=_revision(stateful_set, number), create=True)
    if equal[-1] is by_number[-1]:
        return History(update=equal[-1])
    return History(update={**equal[-1], "revision": number}, renumber=True)


def current_of(stateful_set: Mapping[str, Any], owned: Sequence[Object], update: Object) -> Object:
    """The revision that `status.currentRevision` names; the present template's where there is none yet."""
    name = (stateful_set.get("status") or {}).get("currentRevision")
    return next((one for one in owned if name_of(one) == name), update)


def template_of(revision: Mapping[str, Any]) -> Object:
    """The pod template a revision keeps."""
    kept = (((revision.get("data") or {}).get("spec")) or {}).get("template") or {}
    return {key: value for key, value in kept.items() if key != "$patch"}


def beyond_limit(
    stateful_set: Mapping[str, Any], owned: Sequence[Object], live: frozenset[str]
) -> tuple[str, ...]:
    """Revisions beyond `revisionHistoryLimit` (10), oldest first; those `live` names are kept and not counted."""
    limit = stateful_set["spec"].get("revisionHistoryLimit")
    idle = [name_of(one) for one in sorted(owned, key=_order) if name_of(one) not in live]
    return tuple(idle[: max(0, len(idle) - (10 if limit is None else int(limit)))])


def _order(revision: Mapping[str, Any]) -> tuple[int, str]:
    return int(revision.get("revision") or 0), name_of(revision)


def _revision(stateful_set: Mapping[str, Any], number: int) -> Object:
    meta, template = stateful_set["metadata"], stateful_set["spec"]["template"]
    collisions = int((stateful_set.get("status") or {}).get("collisionCount") or 0)
    code = template_hash(template, collisions)
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    metadata: Object = {
        "name": f"{meta['name']}-{code}",
        "namespace": meta["namespace"],
        "labels": labels | {HASH_LABEL: code},
        "ownerReferences": [controlled_by("apps/v1", "StatefulSet", stateful_set)],
    }
    if meta.get("annotations"):
        metadata["annotations"] = meta["annotations"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
