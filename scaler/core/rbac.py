"""The least rights that Tidegate needs for given ScaledObjects, as Roles and bindings to apply. Pure.

A right is one verb on one resource, in a namespace or in the whole cluster, of one name or of any. The tables here say which
ones the controller asks for; `roles` folds them into as few rules as say the same. Nothing here is a `*`.

What is listed and watched is so in every namespace that Tidegate minds; what is read or written by name only where an object
calls for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from scaler.core.model import ScaledObject

__all__ = ["Account", "Need", "Reference", "Right", "Role", "Settings", "documents", "rights"]

GROUP = "rbac.authorization.k8s.io"
KEDA, HPAS, EVENTS = "keda.sh", "autoscaling", "events.k8s.io"
WORKLOAD = "kubernetes-workload"
"""The trigger type that counts pods."""
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
_SEEN = ("list", "watch")
_LABELS = {"app.kubernetes.io/part-of": "tidegate"}
_READ = {"Secret": "secrets", "ConfigMap": "configmaps", "ServiceAccount": "serviceaccounts"}
_CLUSTER_AUTHENTICATION = "ClusterTriggerAuthentication"
_DELEGATOR = "system:auth-delegator"
_AUTHENTICATION_READER = "extension-apiserver-authentication-reader"


Role = Literal["all", "controller", "adapter"]


class Reference(NamedTuple):
    """Something that credentials come from. `kind` is Kubernetes', or `Token`: a token of the ServiceAccount."""

    kind: str
    namespace: str
    name: str


class Account(NamedTuple):
    """The ServiceAccount that Tidegate runs as."""

    namespace: str
    name: str


DEFAULT_ACCOUNT = Account("tidegate", "tidegate")


class Right(NamedTuple):
    """One right. `namespace` empty: in the whole cluster; `name` empty: of any name."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One ScaledObject, the group and plural of its target (None: none that can be scaled), and what its triggers refer to."""

    so: ScaledObject
    target: tuple[str, str] | None
    references: frozenset[Reference] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How Tidegate is run."""

    role: Role = "all"
    """As `run --role`: `all` needs no Lease, `adapter` asks for nothing about ScaledObjects."""
    lease: tuple[str, str] = ("tidegate", "tidegate")
    """Namespace and name of the Lease that controllers lead by and adapters look at."""
    account: Account = DEFAULT_ACCOUNT
    namespaces: tuple[str, ...] = ()
    """As `run --namespace`: none, the whole cluster."""
    service: str = ""
    """With `run --register`: the name of the Service that it makes."""
    service_namespace: str = "tidegate"
    api_service: str = "v1beta1.external.metrics.k8s.io"


def rights(needs: Sequence[Need], settings: Settings) -> frozenset[Right]:
    """All rights that these objects call for, and that watching them does."""
    found = {*_leading(settings), *_registration(settings)}
    if settings.role != "adapter":
        minded = [n for n in needs if not settings.namespaces or n.so.namespace in settings.namespaces]
        found.update(_watched(minded, settings))
        for need in minded:
            found.update(_own(need))
            found.update(right for reference in need.references for right in _of_reference(reference))
    # Of any name says all that of one name does.
    return frozenset(right for right in found if not right.name or right._replace(name="") not in found)


def documents(needs: Sequence[Need], settings: Settings) -> list[dict[str, Any]]:
    """The Roles with these rights and their bindings, ready to apply, and what the aggregated API always needs."""
    name = "tidegate" if settings.role == "all" else f"tidegate-{settings.role}"
    account = settings.account
    found: list[dict[str, Any]] = []
    for namespace, own in groupby(sorted(rights(needs, settings)), key=attrgetter("namespace")):
        found.append(_role(namespace, name, _rules(own)))
        found.append(_binding(namespace, name, _kind(namespace), name, account))
    if settings.role != "controller":
        # Kubernetes' own Roles, by which an aggregated API learns whom to believe.
        for namespace, role in (("", _DELEGATOR), ("kube-system", _AUTHENTICATION_READER)):
            found.append(_binding(namespace, f"{name}:{role}", _kind(namespace), role, account))
    return found


def _watched(needs: Iterable[Need], settings: Settings) -> Iterator[Right]:
    resources = {
        (KEDA, "scaledobjects"),
        (KEDA, "triggerauthentications"),
        (HPAS, "horizontalpodautoscalers"),
    }
    needs = tuple(needs)
    resources |= {need.target for need in needs if need.target is not None}
    for namespace in settings.namespaces or ("",):
        for group, resource in resources:
            yield from (Right(namespace, group, resource, verb) for verb in _SEEN)
    named = any(ref.kind == _CLUSTER_AUTHENTICATION for need in needs for ref in need.references)
    if named or not settings.namespaces:
        yield from (Right("", KEDA, "clustertriggerauthentications", verb) for verb in _SEEN)
    if not settings.namespaces:
        yield from (Right("", "", "namespaces", verb) for verb in _SEEN)


def _own(need: Need) -> Iterator[Right]:
    """What becomes of one object: its label and status, its HPA, its target's replicas, its Events."""
    so = need.so
    at = so.namespace
    for resource, verbs in (
        ("scaledobjects", ("get", "patch")),
        ("scaledobjects/status", ("patch",)),
        # Asked by an admission plugin (OwnerReferencesPermissionEnforcement), of whoever makes the HPA its dependent.
        ("scaledobjects/finalizers", ("update",)),
    ):
        yield from (Right(at, KEDA, resource, verb, so.name) for verb in verbs)
    yield Right(at, HPAS, "horizontalpodautoscalers", "create")
    for name in {so.hpa_name, str(so.status.get("hpaName") or so.hpa_name)}:
        yield from (
            Right(at, HPAS, "horizontalpodautoscalers", verb, name) for verb in ("get", "update", "delete")
        )
    if need.target is not None:
        group, resource = need.target
        yield Right(at, group, resource, "get", so.target.name)
        yield from (Right(at, group, f"{resource}/scale", verb, so.target.name) for verb in ("get", "patch"))
    yield from (Right(at, EVENTS, "events", verb) for verb in ("create", "patch"))
    if any(trigger.type == WORKLOAD for trigger in so.spec.triggers):
        yield from (Right(at, "", "pods", verb) for verb in _SEEN)


def _of_reference(reference: Reference) -> Iterator[Right]:
    kind, namespace, name = reference
    if kind == "Token":
        yield Right(namespace, "", "serviceaccounts/token", "create", name)
    elif kind in _READ:
        yield Right(namespace, "", _READ[kind], "get", name)
    elif kind == _CLUSTER_AUTHENTICATION:
        # An Event about what is in no namespace is written to this one.
        yield from (Right("default", EVENTS, "events", verb) for verb in ("create", "patch"))


def _leading(settings: Settings) -> Iterator[Right]:
    """The Lease: controllers hold it in turn, adapters follow whoever holds it."""
    group, resource = "coordination.k8s.io", "leases"
    home, name = settings.lease
    if settings.role == "controller":
        yield Right(home, group, resource, "create")
    verbs = {"all": (), "controller": ("get", "update"), "adapter": _SEEN}[settings.role]
    yield from (Right(home, group, resource, verb, name) for verb in verbs)


def _registration(settings: Settings) -> Iterator[Right]:
    """`run --register` makes a Service and an APIService, and keeps them right."""
    if not settings.service or settings.role == "controller":
        return
    group, home = "apiregistration.k8s.io", settings.service_namespace
    for namespace, api, resource, name in (
        (home, "", "services", settings.service),
        ("", group, "apiservices", settings.api_service),
    ):
        yield Right(namespace, api, resource, "create")
        yield from (Right(namespace, api, resource, verb, name) for verb in ("get", "update"))


def _rules(own: Iterable[Right]) -> list[dict[str, Any]]:
    """As few rules as give exactly these rights of one namespace."""
    names: dict[tuple[str, str, str], set[str]] = {}
    for right in own:
        names.setdefault((right.group, right.resource, right.verb), set()).add(right.name)
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, verb), named in names.items():
        verbs.setdefault((group, resource, tuple(sorted(named - {""}))), []).append(verb)
    resources: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, only), found in verbs.items():
        key = group, tuple(sorted(found, key=_VERBS.index)), only
        resources.setdefault(key, []).append(resource)
    rules = [_rule(*key, listed) for key, listed in resources.items()]
    return sorted(rules, key=lambda rule: (rule["apiGroups"], rule["resources"], rule["verbs"]))


def _rule(group: str, verbs: Sequence[str], names: Sequence[str], resources: Iterable[str]) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": [group], "resources": sorted(resources), "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _kind(namespace: str) -> str:
    return "Role" if namespace else "ClusterRole"


def _role(namespace: str, name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": _kind(namespace),
        "metadata": _metadata(name, namespace),
        "rules": rules,
    }


def _binding(namespace: str, name: str, kind: str, role: str, account: Account) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{_kind(namespace)}Binding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name}],
    }


def _metadata(name: str, namespace: str) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, **place, "labels": _LABELS}
