"""Role-based access control: who may do what, as the Roles and bindings stored now say it.

The rules are a kube-apiserver's: rights only add up, `*` stands for all, a resource does not include its subresources,
a rule with resourceNames answers only for requests that name an object. An aggregated ClusterRole is put together when
it is asked for, so it never lags.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scaler.local.attributes import Attributes
from scaler.local.errors import ApiError
from scaler.local.metadata import selector_text
from scaler.local.resources import Object
from scaler.local.selectors import matches
from scaler.local.users import MASTERS, User, account_of

__all__ = ["GROUP", "Objects", "Rbac", "Verdict", "allows"]

GROUP = "rbac.authorization.k8s.io"

Rule = Mapping[str, Any]


class Objects(Protocol):
    """The part of the API that is asked for Roles and bindings."""

    def get(self, group: str, plural: str, ns: str, name: str) -> Object: ...  # noqa: D102 - see api.Api
    def list(self, group: str, plural: str, ns: str | None = None) -> list[Object]: ...  # noqa: D102 - see api.Api


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason`: which binding allows it, or which ones point at Roles that do not exist."""

    allowed: bool
    reason: str = ""


class Rbac:
    """See the module."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def decide(self, user: User, attributes: Attributes) -> Verdict:
        """May the user do this?"""
        if MASTERS in user.groups:
            return Verdict(allowed=True)
        faults: list[str] = []
        for binding, subject in self._bindings(user, attributes.namespace):
            try:
                rules = self._rules(binding)
            except ApiError as error:
                faults.append(error.message)
                continue
            if any(allows(rule, attributes) for rule in rules):
                return Verdict(allowed=True, reason=f"RBAC: allowed by {_told(binding, subject)}")
        return Verdict(allowed=False, reason=f"RBAC: [{', '.join(faults)}]" if faults else "")

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """All rules that hold for the user in a namespace (empty: cluster-wide only)."""
        found: list[Rule] = []
        for binding, _ in self._bindings(user, namespace):
            try:
                found += self._rules(binding)
            except ApiError:
                continue  # A binding to a Role that is not there gives nothing.
        return found

    def rules_of(self, kind: str, namespace: str, name: str) -> list[Rule]:
        """The rules of a Role or ClusterRole. Raises ApiError 404."""
        if kind == "Role":
            return list(self._objects.get(GROUP, "roles", namespace, name).get("rules") or ())
        role = self._objects.get(GROUP, "clusterroles", "", name)
        if not role.get("aggregationRule"):
            return list(role.get("rules") or ())
        return self._aggregated(role)

    def _aggregated(self, role: Object) -> list[Rule]:
        """The rules of all plain ClusterRoles that the selectors of `role` choose, and of aggregated ones, once each."""
        gathered: dict[str, Object] = {}
        waiting = [role]
        while waiting:
            selectors = (waiting.pop().get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
            for other in self._objects.list(GROUP, "clusterroles"):
                name, labels = other["metadata"]["name"], other["metadata"].get("labels") or {}
                if name in gathered or name == role["metadata"]["name"]:
                    continue
                if any(matches(selector_text(selector), labels) for selector in selectors):
                    gathered[name] = other
                    waiting.append(other)
        plain = [each for _, each in sorted(gathered.items()) if not each.get("aggregationRule")]
        return [rule for each in plain for rule in each.get("rules") or ()]

    def _rules(self, binding: Object) -> list[Rule]:
        reference = binding["roleRef"]
        return self.rules_of(reference["kind"], binding["metadata"].get("namespace", ""), reference["name"])

    def _bindings(self, user: User, namespace: str) -> Iterator[tuple[Object, Object]]:
        """The bindings in force for the user, each with the subject that is the user."""
        found = self._objects.list(GROUP, "clusterrolebindings")
        if namespace:
            found = [*found, *self._objects.list(GROUP, "rolebindings", namespace)]
        for binding in found:
            for subject in binding.get("subjects") or ():
                if _is(user, subject, binding["metadata"].get("namespace", "")):
                    yield binding, subject
                    break


def allows(rule: Rule, attributes: Attributes) -> bool:
    """Does one rule cover a request?"""
    if not _in(attributes.verb, rule.get("verbs")):
        return False
    if attributes.path:
        return any(_path_matches(pattern, attributes.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _in(attributes.group, rule.get("apiGroups"))
        and any(_resource_matches(each, attributes) for each in rule.get("resources") or ())
        and (not names or attributes.name in names)
    )


def _in(wanted: str, listed: Iterable[str] | None) -> bool:
    listed = listed or ()
    return "*" in listed or wanted in listed


def _resource_matches(listed: str, attributes: Attributes) -> bool:
    return listed in ("*", attributes.full_resource) or (
        bool(attributes.subresource) and listed == f"*/{attributes.subresource}"
    )


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _is(user: User, subject: Object, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            return account_of(user.name) == (subject.get("namespace") or namespace, subject["name"])
    return False


def _told(binding: Object, subject: Object) -> str:
    """As a kube-apiserver says which binding allows something."""
    kind, reference, meta = binding["kind"], binding["roleRef"], binding["metadata"]
    name = f"{meta['name']}/{meta['namespace']}" if meta.get("namespace") else meta["name"]
    who = f"{subject['name']}/{subject.get('namespace') or meta.get('namespace', '')}"
    shown = who if subject["kind"] == "ServiceAccount" else subject["name"]
    return f'{kind} "{name}" of {reference["kind"]} "{reference["name"]}" to {subject["kind"]} "{shown}"'
