"""Deployments, ReplicaSets, DaemonSets and Jobs: defaults and faults as a kube-apiserver has them. Pure.

What StatefulSets share with them is here too; the rest of theirs is in `statefulset_rules`.
"""

from collections.abc import Callable
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid_value, required
from scaler.local.metadata import selector_text
from scaler.local.podspec import check_template, default_template
from scaler.local.resources import Object, Rules
from scaler.local.selectors import matches

__all__ = [
    "DAEMON_SETS",
    "DEPLOYMENTS",
    "JOBS",
    "REPLICA_SETS",
    "check",
    "common",
    "refuse",
    "spec_of",
    "with_status",
]


def spec_of(obj: Object) -> dict[str, Any]:
    """`spec`, made where it is missing."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        obj["spec"] = spec = {}
    return spec


def common(obj: Object) -> dict[str, Any]:
    """The defaults of replicas and template, in place. Returns the spec."""
    spec = spec_of(obj)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])
    return spec


def _default_deployment(obj: Object) -> None:
    spec = common(obj)
    strategy = spec["strategy"] = spec.get("strategy") or {}
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _default_daemon_set(obj: Object) -> None:
    spec = spec_of(obj)
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])
    spec.setdefault(
        "updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    )
    spec.setdefault("revisionHistoryLimit", 10)


def _default_job(obj: Object) -> None:
    spec = spec_of(obj)
    for field, value in (("parallelism", 1), ("completions", 1), ("backoffLimit", 6), ("suspend", False)):
        spec.setdefault(field, value)
    spec.setdefault("completionMode", "NonIndexed")
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])


def refuse(obj: Object) -> None:
    """What Go's decoder refuses: replicas that are no integer."""
    replicas = (obj.get("spec") or {}).get("replicas")
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int)):
        kind = obj["kind"]
        found = "string" if isinstance(replicas, str) else type(replicas).__name__
        raise bad_request(
            f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct '
            f"field {kind}Spec.spec.replicas of type int32"
        )


def check(obj: Object, old: Object | None, *, whole: bool = False) -> list[Cause]:
    """Faults of replicas, selector and template. `whole`: the caller says itself what may change."""
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
    if old is not None and not whole and selector != old["spec"].get("selector"):
        causes.append(invalid_value("spec.selector", f'"{selector_text(selector)}"', "field is immutable"))
    if old is None or spec.get("template") != old["spec"].get("template"):
        causes += check_template(spec.get("template"), "spec.template")
    return causes


def _check_job(obj: Object, old: Object | None) -> list[Cause]:
    spec = obj["spec"]
    if old is not None and spec.get("template") != old["spec"].get("template"):
        return [invalid_value("spec.template", "{}", "field is immutable")]
    return check_template(spec.get("template"), "spec.template", restart=("OnFailure", "Never"))


def with_status(first: dict[str, Any]) -> Callable[[Object], None]:
    """A new object begins with that status."""

    def begin(obj: Object) -> None:
        obj["status"] = dict(first)

    return begin


DEPLOYMENTS = Rules(default=_default_deployment, check=check, refuse=refuse, begin=with_status({}))
REPLICA_SETS = Rules(
    default=lambda obj: (common(obj), None)[1],
    check=check,
    refuse=refuse,
    begin=with_status({"replicas": 0}),
)
DAEMON_SETS = Rules(
    default=_default_daemon_set,
    check=check,
    begin=with_status(
        {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}
    ),
)
JOBS = Rules(default=_default_job, check=_check_job, begin=with_status({}))
