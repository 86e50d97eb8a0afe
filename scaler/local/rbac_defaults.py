"""The Roles and bindings that every cluster begins with, as far as something here depends on them. Pure data.

What Kubernetes grants its HPA controller stands here too: nobody has to give it the right to read external metrics.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from scaler.local.rbac import GROUP
from scaler.local.resources import Object
from scaler.local.users import AUTHENTICATED, MASTERS, UNAUTHENTICATED

__all__ = ["defaults"]

Rule = dict[str, Any]

_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_AUTOUPDATE = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
_BOOTSTRAP = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_TO = "rbac.authorization.k8s.io/aggregate-to-"
_HPA = "system:controller:horizontal-pod-autoscaler"
_READER = "extension-apiserver-authentication-reader"


def defaults() -> Iterator[tuple[str, str, Object]]:
    """(plural, namespace, object) of each, Roles before the bindings that name them."""
    for name, rules, labels in _cluster_roles():
        yield "clusterroles", "", _made(name, labels, rules=rules)
    for part in ("admin", "edit", "view"):
        yield "clusterroles", "", _aggregated(part)
    reads_config = _rule(
        "", ["configmaps"], ["get", "list", "watch"], names=[_READER.removesuffix("-reader")]
    )
    yield "roles", "kube-system", _made(_READER, rules=[reads_config])
    for name, role, subject in (
        ("cluster-admin", "cluster-admin", _group(MASTERS)),
        ("system:discovery", "system:discovery", _group(AUTHENTICATED)),
        ("system:basic-user", "system:basic-user", _group(AUTHENTICATED)),
        ("system:public-info-viewer", "system:public-info-viewer", _group(AUTHENTICATED, UNAUTHENTICATED)),
        (
            _HPA,
            _HPA,
            [{"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}],
        ),
    ):
        reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
        yield "clusterrolebindings", "", _made(name, roleRef=reference, subjects=subject)


def _cluster_roles() -> list[tuple[str, list[Rule], dict[str, str]]]:
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    return [
        ("cluster-admin", [_rule("*", ["*"], ["*"]), _paths(["*"], ["*"])], {}),
        ("system:discovery", [_paths([*_HEALTH, *_DISCOVERY], ["get"])], {}),
        ("system:public-info-viewer", [_paths(_HEALTH, ["get"])], {}),
        (
            "system:basic-user",
            [
                _rule("authorization.k8s.io", reviews, ["create"]),
                _rule("authentication.k8s.io", ["selfsubjectreviews"], ["create"]),
            ],
            {},
        ),
        (
            "system:auth-delegator",
            [
                _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
                _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
            ],
            {},
        ),
        (_HPA, _hpa_controller(), {}),
        ("system:aggregate-to-admin", _admin(), {f"{_TO}admin": "true"}),
        ("system:aggregate-to-edit", _edit(), {f"{_TO}edit": "true"}),
        ("system:aggregate-to-view", _view(), {f"{_TO}view": "true"}),
    ]


def _hpa_controller() -> list[Rule]:
    return [
        _rule("autoscaling", ["horizontalpodautoscalers"], ["get", "list", "watch"]),
        _rule("autoscaling", ["horizontalpodautoscalers/status"], ["update"]),
        _rule("*", ["*/scale"], ["get", "update"]),
        _rule("", ["pods"], ["list", "watch"]),
        _rule("metrics.k8s.io", ["pods"], ["list"]),
        _rule("custom.metrics.k8s.io", ["*"], ["get", "list"]),
        _rule("external.metrics.k8s.io", ["*"], ["get", "list"]),
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
    ]


def _view() -> list[Rule]:
    return [
        _rule(
            "",
            [
                "configmaps", "events", "limitranges", "namespaces", "persistentvolumeclaims", "pods", "pods/log",
                "pods/status", "serviceaccounts", "services",
            ],
            _READ,
        ),
        _rule(
            "apps",
            [
                "controllerrevisions", "daemonsets", "deployments", "deployments/scale", "deployments/status",
                "replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale",
                "statefulsets/status",
            ],
            _READ,
        ),
        _rule("autoscaling", ["horizontalpodautoscalers", "horizontalpodautoscalers/status"], _READ),
        _rule("batch", ["jobs", "jobs/status"], _READ),
        _rule("policy", ["poddisruptionbudgets", "poddisruptionbudgets/status"], _READ),
        _rule("events.k8s.io", ["events"], _READ),
    ]  # fmt: skip


def _edit() -> list[Rule]:
    return [
        _rule("", ["pods/proxy", "secrets", "services/proxy"], _READ),
        _rule("", ["serviceaccounts"], ["impersonate"]),
        _rule("", ["pods", "pods/proxy"], _WRITE),
        _rule(
            "",
            ["configmaps", "events", "persistentvolumeclaims", "secrets", "serviceaccounts", "services", "services/proxy"],
            _WRITE,
        ),
        _rule("", ["serviceaccounts/token"], ["create"]),
        _rule(
            "apps",
            [
                "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets",
                "replicasets/scale", "statefulsets", "statefulsets/scale",
            ],
            _WRITE,
        ),
        _rule("autoscaling", ["horizontalpodautoscalers"], _WRITE),
        _rule("batch", ["jobs"], _WRITE),
        _rule("coordination.k8s.io", ["leases"], [*_WRITE, *_READ]),
        _rule("policy", ["poddisruptionbudgets"], _WRITE),
    ]  # fmt: skip


def _admin() -> list[Rule]:
    return [
        _rule("authorization.k8s.io", ["localsubjectaccessreviews"], ["create"]),
        _rule(GROUP, ["rolebindings", "roles"], [*_WRITE, *_READ]),
    ]


def _aggregated(part: str) -> Object:
    """`admin`, `edit` or `view`: each holds its own part, and the next smaller one, which is labelled for it."""
    labels = {f"{_TO}{bigger}": "true" for bigger, it in (("admin", "edit"), ("edit", "view")) if it == part}
    selectors = [{"matchLabels": {f"{_TO}{part}": "true"}}]
    return _made(part, labels, aggregationRule={"clusterRoleSelectors": selectors})


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()) -> Rule:
    rule = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _paths(paths: Sequence[str], verbs: Sequence[str]) -> Rule:
    return {"nonResourceURLs": list(paths), "verbs": list(verbs)}


def _group(*names: str) -> list[Object]:
    return [{"apiGroup": GROUP, "kind": "Group", "name": name} for name in names]


def _made(name: str, labels: dict[str, str] | None = None, **fields: Any) -> Object:
    meta = {"name": name, "labels": _BOOTSTRAP | (labels or {}), "annotations": _AUTOUPDATE}
    return {"metadata": meta} | {key: value for key, value in fields.items() if value is not None}
