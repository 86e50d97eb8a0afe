"""One pod of a StatefulSet: its name and number, what it is made of, and its claims. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaler.local.objects import Object, controlled_by, name_of
from scaler.local.revisions import template_of

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def ordinal_of(stateful_set: Mapping[str, Any], pod: Mapping[str, Any]) -> int | None:
    """The number in a pod's name: web-3 is 3 of web; None for a name that is none of this StatefulSet's."""
    head, _, tail = name_of(pod).rpartition("-")
    number = tail.isascii() and tail.isdigit() and (tail == "0" or not tail.startswith("0"))
    return int(tail) if number and head == name_of(stateful_set) else None


def revision_of(pod: Mapping[str, Any]) -> str:
    """The name of the revision a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def new_pod(stateful_set: Mapping[str, Any], number: int, revision: Mapping[str, Any]) -> Object:
    """The pod of that number from that revision's template, with its name, its labels and its claims."""
    meta, template, name = (
        stateful_set["metadata"],
        template_of(revision),
        f"{name_of(stateful_set)}-{number}",
    )
    source = template.get("metadata") or {}
    own = {NAME_LABEL: name, INDEX_LABEL: str(number), REVISION_LABEL: name_of(revision)}
    metadata: Object = {
        "name": name,
        "namespace": meta["namespace"],
        "labels": dict(source.get("labels") or {}) | own,
        "ownerReferences": [controlled_by("apps/v1", "StatefulSet", stateful_set)],
    }
    for field in ("annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field]
    spec: Object = {**(template.get("spec") or {}), "hostname": name}
    if stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = stateful_set["spec"]["serviceName"]
    volumes = [
        {"name": claim, "persistentVolumeClaim": {"claimName": claim_name}}
        for claim, claim_name in _claim_names(stateful_set, name)
    ]
    if volumes:
        taken = {volume["name"] for volume in volumes}
        spec["volumes"] = [*volumes, *(v for v in spec.get("volumes") or () if v.get("name") not in taken)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def claims(stateful_set: Mapping[str, Any], pod: Mapping[str, Any]) -> list[Object]:
    """The PersistentVolumeClaims of a pod: `<template>-<pod>`, labelled as the selector asks."""
    meta, labels = stateful_set["metadata"], (stateful_set["spec"].get("selector") or {}).get("matchLabels")
    out = []
    templates: Sequence[Object] = stateful_set["spec"].get("volumeClaimTemplates") or ()
    names = _claim_names(stateful_set, name_of(pod))
    for template, (_, name) in zip(templates, names, strict=True):
        source = template.get("metadata") or {}
        metadata: Object = {
            "name": name,
            "namespace": meta["namespace"],
            "labels": dict(source.get("labels") or {}) | dict(labels or {}),
        }
        if source.get("annotations"):
            metadata["annotations"] = source["annotations"]
        out.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template.get("spec") or {},
            }
        )
    return out


def _claim_names(stateful_set: Mapping[str, Any], pod: str) -> list[tuple[str, str]]:
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    names = [str((template.get("metadata") or {}).get("name", "")) for template in templates]
    return [(name, f"{name}-{pod}") for name in names]
