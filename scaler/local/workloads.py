"""Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs: defaults and faults as a kube-apiserver has them. Pure."""

from collections.abc import Callable
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid_value, required
from scaler.local.metadata import selector_text
from scaler.local.podspec import check_template, default_template
from scaler.local.resources import Object, Rules
from scaler.local.selectors import matches

__all__ = ["DAEMON_SETS", "DEPLOYMENTS", "JOBS", "REPLICA_SETS", "STATEFUL_SETS"]


def _spec(obj: Object) -> dict[str, Any]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        obj["spec"] = spec = {}
    return spec


def _common(obj: Object) -> dict[str, Any]:
    spec = _spec(obj)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])
    return spec


def _default_deployment(obj: Object) -> None:
    spec = _common(obj)
    strategy = spec["strategy"] = spec.get("strategy") or {}
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _default_stateful_set(obj: Object) -> None:
    spec = _common(obj)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {"partition": 0})
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})


def _default_daemon_set(obj: Object) -> None:
    spec = _spec(obj)
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])
    spec.setdefault(
        "updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    )
    spec.setdefault("revisionHistoryLimit", 10)


def _default_job(obj: Object) -> None:
    spec = _spec(obj)
    for field, value in (("parallelism", 1), ("completions", 1), ("backoffLimit", 6), ("suspend", False)):
        spec.setdefault(field, value)
    spec.setdefault("completionMode", "NonIndexed")
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])


def _refuse(obj: Object) -> None:
    """What Go's decoder refuses: replicas that are no integer."""
    replicas = (obj.get("spec") or {}).get("replicas")
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int)):
        kind = obj["kind"]
        found = "string" if isinstance(replicas, str) else type(replicas).__name__
        raise bad_request(
            f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct '
            f"field {kind}Spec.spec.replicas of type int32"
        )


def _check(obj: Object, old: Object | None) -> list[Cause]:
    spec = obj["spec"]
    causes = []
    if spec.get("replicas", 0) < 0:
        causes.append(
            invalid_value("spec.replicas", str(spec["replicas"]), "must be greater than or equal to 0")
        )
    selector = spec.get("selector")
    if not selector:
        causes.append(required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(
            invalid_value("spec.selector", "{}", f"empty selector is invalid for {obj['kind'].lower()}")
        )
    else:
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        if not matches(selector_text(selector), labels):
            shown = "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"
            why = "`selector` does not match template `labels`"
            causes.append(invalid_value("spec.template.metadata.labels", shown, why))
    if old is not None and selector != old["spec"].get("selector"):
        causes.append(invalid_value("spec.selector", f'"{selector_text(selector)}"', "field is immutable"))
    if old is None or spec.get("template") != old["spec"].get("template"):
        causes += check_template(spec.get("template"), "spec.template")
    return causes


def _check_job(obj: Object, old: Object | None) -> list[Cause]:
    spec = obj["spec"]
    if old is not None and spec.get("template") != old["spec"].get("template"):
        return [invalid_value("spec.template", "{}", "field is immutable")]
    return check_template(spec.get("template"), "spec.template", restart=("OnFailure", "Never"))


def _with_status(first: dict[str, Any]) -> Callable[[Object], None]:
    def begin(obj: Object) -> None:
        obj["status"] = dict(first)

    return begin


DEPLOYMENTS = Rules(default=_default_deployment, check=_check, refuse=_refuse, begin=_with_status({}))
REPLICA_SETS = Rules(
    default=lambda obj: (_common(obj), None)[1],
    check=_check,
    refuse=_refuse,
    begin=_with_status({"replicas": 0}),
)
STATEFUL_SETS = Rules(
    default=_default_stateful_set,
    check=_check,
    refuse=_refuse,
    begin=_with_status({"replicas": 0, "availableReplicas": 0}),
)
DAEMON_SETS = Rules(
    default=_default_daemon_set,
    check=_check,
    begin=_with_status(
        {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}
    ),
)
JOBS = Rules(default=_default_job, check=_check_job, begin=_with_status({}))
