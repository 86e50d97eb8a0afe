"""What of a ScaledObject's recorded states is compared (design: the conformance contract), recorded and observed alike.

A state is a plain dict, so that a difference shows in the failure as it stands: conditions as `status reason`, HPAs by name,
replicas by workload. Not compared: sentences, finalizers, generations, the rest of the status, an Active that is Unknown
(nothing had been decided yet when it was recorded).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scaler.local.api import Api, ApiError

__all__ = [
    "compared_events",
    "differences",
    "observed",
    "observed_events",
    "recorded",
    "recorded_refusal",
    "refusal",
]

Json = Any

CONDITIONS = ("ready", "active", "fallback", "paused")

_EVENTS = re.compile(
    r"ScaledObject(Ready|CheckFailed|UpdateFailed|Deleted|Paused|Unpaused|FallbackActivated|FallbackDeactivated)"
    r"|KEDA(ScalersStarted|ScalersStopped|ScalerFailed|MetricSourceFailed|ScalerInfo)"
    r"|KEDAScaleTarget(Activated|Deactivated|ActivationFailed|DeactivationFailed)"
    r"|(Cluster)?TriggerAuthentication(Added|Updated|Deleted)"
)
"""The reasons of KEDA's Events. Others are ours, and have no record."""

_OF_THE_HPA = "HorizontalPodAutoscaler"
_VERSION = "app.kubernetes.io/version"


def recorded(state: Mapping[str, Json]) -> dict[str, Json]:
    """The compared part of a record's `settled`, or of one of `after_patches`."""
    found: dict[str, Json] = {kind: _words(state.get(kind)) for kind in CONDITIONS}
    found["hpas"] = {hpa["metadata"]["name"]: _hpa(hpa) for hpa in state.get("hpas") or ()}
    found["replicas"] = dict(state.get("replicas") or {})
    return found


def observed(api: Api, namespace: str, name: str, workloads: Iterable[str]) -> dict[str, Json]:
    """The same of a cluster now. `workloads`: `Kind/name` of those whose replicas are compared."""
    status = api.get("keda.sh", "scaledobjects", namespace, name).get("status") or {}
    conditions = {c["type"].lower(): c for c in status.get("conditions") or ()}
    found: dict[str, Json] = {kind: _words(conditions.get(kind)) for kind in CONDITIONS}
    hpas = api.list("autoscaling", "horizontalpodautoscalers", namespace)
    found["hpas"] = {hpa["metadata"]["name"]: _hpa(hpa) for hpa in hpas}
    found["replicas"] = {workload: _replicas(api, namespace, workload) for workload in workloads}
    return found


def differences(want: Mapping[str, Json], have: Mapping[str, Json]) -> dict[str, Json]:
    """What differs, as path → [recorded, observed]; {} when nothing does."""
    found = dict(_differences(want, have, ""))
    if (want.get("active") or "Unknown").startswith("Unknown"):
        found.pop("active", None)
    return found


def compared_events(events: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of (kind, reason), KEDA's and the HPA's."""
    return {(on, reason) for on, reason in events if on == _OF_THE_HPA or _EVENTS.fullmatch(reason)}


def observed_events(api: Api, namespace: str) -> set[tuple[str, str]]:
    """The (kind, reason) of a namespace's Events that are compared."""
    events = api.list("", "events", namespace)
    return compared_events((event["involvedObject"]["kind"], event["reason"]) for event in events)


def refusal(error: ApiError) -> dict[str, Json]:
    """A refusal as records have it, without what is not compared."""
    causes = (error.details or {}).get("causes") or ()
    return {"code": error.code, "reason": error.reason, "causes": _causes(causes)}


def recorded_refusal(output: Mapping[str, Json]) -> dict[str, Json]:
    """The same of a record."""
    return {
        "code": output["code"],
        "reason": output.get("reason", ""),
        "causes": _causes(output.get("causes") or ()),
    }


def _causes(causes: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    return sorted({(c["field"], c["reason"]) for c in causes if c["field"] != "<nil>"})


def _words(condition: Mapping[str, str] | None) -> str:
    if condition is None:
        return ""
    return f"{condition['status']} {condition.get('reason', '')}".strip()


def _hpa(hpa: Mapping[str, Json]) -> dict[str, Json]:
    meta = hpa["metadata"]
    labels = dict(meta.get("labels") or {})
    if labels.get("app.kubernetes.io/managed-by") == "keda-operator" and _VERSION in labels:
        labels[_VERSION] = "VERSION"
    owners = [{k: v for k, v in owner.items() if k != "uid"} for owner in meta.get("ownerReferences") or ()]
    return {
        "labels": labels,
        "annotations": dict(meta.get("annotations") or {}),
        "owners": owners,
        "spec": hpa["spec"],
    }


def _replicas(api: Api, namespace: str, workload: str) -> int | None:
    kind, _, name = workload.partition("/")
    resource = api.by_kind("lab.test" if kind in ("Widget", "Gadget") else "apps", kind)
    if resource is None:
        return None
    try:
        return (api.get(*resource.key, namespace, name).get("spec") or {}).get("replicas")
    except ApiError:
        return None


def _differences(want: Json, have: Json, path: str) -> Iterable[tuple[str, Json]]:
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for name in sorted({*want, *have}):
            yield from _differences(want.get(name), have.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (left, right) in enumerate(zip(want, have, strict=True)):
            yield from _differences(left, right, f"{path}[{index}]")
    elif want != have:
        yield path, [want, have]
