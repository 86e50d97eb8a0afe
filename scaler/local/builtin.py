"""The built-in kinds: one table. What a kind does beyond the generic life of an object is in its Rules."""

from dataclasses import replace
from typing import Any

from scaler.local import kinds, podspec, rbac_kinds, statefulset_rules, workloads
from scaler.local.builtin_columns import columns_of
from scaler.local.resources import Registry, Resource, Rules, ScalePaths, View

__all__ = ["install"]

_ALL = ("all",)
_WORKLOAD = ScalePaths(labels=True)


def _resources() -> list[Resource]:
    return [*_core(), *_apps(), *_others(), *_stored()]


def _core() -> list[Resource]:
    def core(plural: str, kind: str, **more: Any) -> Resource:
        return Resource(group="", version="v1", plural=plural, kind=kind, **more)

    pods = Rules(default=podspec.default_pod, check=podspec.check_pod, begin=podspec.begin_pod)
    return [
        core("namespaces", "Namespace", namespaced=False, short_names=("ns",), has_status=True, rules=kinds.NAMESPACES),
        core("configmaps", "ConfigMap", short_names=("cm",), rules=kinds.CONFIG_MAPS),
        core("secrets", "Secret", rules=kinds.SECRETS),
        core("services", "Service", short_names=("svc",), categories=_ALL, has_status=True, rules=kinds.SERVICES),
        core("serviceaccounts", "ServiceAccount", short_names=("sa",)),
        core(
            "pods", "Pod", short_names=("po",), categories=_ALL, has_status=True, generation=True, graceful=True,
            rules=pods,
        ),
        core("events", "Event", short_names=("ev",), rules=kinds.EVENTS),
        core("limitranges", "LimitRange", short_names=("limits",)),
        core(
            "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), has_status=True,
            rules=statefulset_rules.CLAIMS,
        ),
    ]  # fmt: skip


def _apps() -> list[Resource]:
    def apps(plural: str, kind: str, short: str, rules: Rules, **more: Any) -> Resource:
        return Resource(
            group="apps", version="v1", plural=plural, kind=kind, short_names=(short,), categories=_ALL,
            has_status=True, generation=True, rules=rules, **more,
        )  # fmt: skip

    return [
        apps("deployments", "Deployment", "deploy", workloads.DEPLOYMENTS, scale=_WORKLOAD),
        apps("replicasets", "ReplicaSet", "rs", workloads.REPLICA_SETS, scale=_WORKLOAD),
        apps("statefulsets", "StatefulSet", "sts", statefulset_rules.STATEFUL_SETS, scale=_WORKLOAD),
        apps("daemonsets", "DaemonSet", "ds", workloads.DAEMON_SETS),
        Resource(group="apps", version="v1", plural="controllerrevisions", kind="ControllerRevision"),
    ]


def _others() -> list[Resource]:
    return [
        Resource(
            group="autoscaling", version="v2", plural="horizontalpodautoscalers", kind="HorizontalPodAutoscaler",
            short_names=("hpa",), categories=_ALL, has_status=True, rules=kinds.AUTOSCALERS,
        ),
        Resource(
            group="batch", version="v1", plural="jobs", kind="Job", categories=_ALL, has_status=True, generation=True,
            rules=workloads.JOBS,
        ),
        Resource(
            group="coordination.k8s.io", version="v1", plural="leases", kind="Lease", unconditional=False,
            rules=kinds.LEASES,
        ),
        Resource(
            group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions",
            kind="CustomResourceDefinition", namespaced=False, short_names=("crd", "crds"), has_status=True,
            generation=True, unconditional=False, categories=("api-extensions",), rules=kinds.DEFINITIONS,
        ),
        Resource(
            group="apiregistration.k8s.io", version="v1", plural="apiservices", kind="APIService", namespaced=False,
            has_status=True, unconditional=False, categories=("api-extensions",), rules=kinds.API_SERVICES,
        ),
    ]  # fmt: skip


def _stored() -> list[Resource]:
    """Kinds that are kept and nothing more."""
    rbac, admission = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"

    def stored(group: str, plural: str, kind: str, **more: Any) -> Resource:
        return Resource(group=group, version="v1", plural=plural, kind=kind, **more)

    return [
        stored(rbac, "roles", "Role", rules=rbac_kinds.ROLES),
        stored(rbac, "rolebindings", "RoleBinding", rules=rbac_kinds.BINDINGS),
        stored(rbac, "clusterroles", "ClusterRole", namespaced=False, rules=rbac_kinds.ROLES),
        stored(
            rbac, "clusterrolebindings", "ClusterRoleBinding", namespaced=False, rules=rbac_kinds.BINDINGS
        ),
        stored(
            "policy", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",), has_status=True,
            generation=True,
        ),
        stored("networking.k8s.io", "networkpolicies", "NetworkPolicy", short_names=("netpol",), generation=True),
        stored(
            admission, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False,
            generation=True, categories=("api-extensions",),
        ),
        stored(
            admission, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False,
            generation=True, categories=("api-extensions",),
        ),
    ]  # fmt: skip


def install(registry: Registry) -> None:
    """Serve all built-in kinds. Events are also served as events.k8s.io/v1, from the same storage."""
    for plain in _resources():
        resource = replace(plain, columns=columns_of(plain.key))
        views = []
        if resource.key == ("", "events"):
            views.append(View("events.k8s.io", "v1", resource, kinds.event_in, kinds.event_out))
        registry.add(resource, views)
