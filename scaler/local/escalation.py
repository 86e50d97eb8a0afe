"""Nobody gives away more than they have: Kubernetes' guard over Roles and bindings, and the verbs that lift it. Pure.

Who writes a Role must hold every right in it, or the verb `escalate` on it; who binds one must hold every right in it, or
the verb `bind`.
"""

from collections.abc import Iterable, Iterator
from itertools import product

from scaler.local.attributes import Attributes
from scaler.local.errors import ApiError, forbidden
from scaler.local.rbac import GROUP, Rbac, Rule
from scaler.local.resources import Object, Resource
from scaler.local.users import MASTERS, User

__all__ = ["guard"]

_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


def guard(rbac: Rbac, user: User, resource: Resource, obj: Object, old: Object | None) -> None:
    """Raises ApiError 403 when the user may not write this Role or binding; says nothing of other objects."""
    if resource.group != GROUP or MASTERS in user.groups:
        return
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"].get("name", "")
    if resource.plural in _ROLES:
        if old is not None and (old.get("rules"), old.get("aggregationRule")) == (
            obj.get("rules"),
            obj.get("aggregationRule"),
        ):
            return
        rules = list(obj.get("rules") or ())
        if obj.get("aggregationRule"):
            rules.append({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
        asked = Attributes(
            verb="escalate", group=GROUP, resource=resource.plural, namespace=namespace, name=name
        )
    elif resource.plural in _BINDINGS:
        if old is not None and old.get("subjects") == obj.get("subjects"):
            return
        reference = obj["roleRef"]
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        asked = Attributes(
            verb="bind", group=GROUP, resource=plural, namespace=namespace, name=reference["name"]
        )
        if rbac.decide(user, asked).allowed:
            return
        rules = rbac.rules_of(reference["kind"], namespace, reference["name"])
    else:
        return
    lacking = list(_lacking(rules, rbac.rules(user, namespace)))
    if lacking and not rbac.decide(user, asked).allowed:
        raise _refused(resource, name, user, lacking)


def _refused(resource: Resource, name: str, user: User, lacking: Iterable[Rule]) -> ApiError:
    groups = " ".join(f'"{group}"' for group in user.groups)
    shown = "\n".join(map(_shown, lacking))
    why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{shown}'
    return forbidden(resource, name, why)


def _shown(rule: Rule) -> str:
    """A rule in Go's form, as a kube-apiserver lists it."""
    fields = {
        "APIGroups": "apiGroups",
        "Resources": "resources",
        "ResourceNames": "resourceNames",
        "NonResourceURLs": "nonResourceURLs",
        "Verbs": "verbs",
    }
    parts = []
    for label, field in fields.items():
        if rule.get(field):
            listed = " ".join(f'"{each}"' for each in rule[field])
            parts.append(f"{label}:[{listed}]")
    return f"{{{', '.join(parts)}}}"


def _lacking(wanted: Iterable[Rule], held: list[Rule]) -> Iterator[Rule]:
    for rule in wanted:
        for part in _parts(rule):
            if not any(_holds(each, part) for each in held):
                yield part


def _parts(rule: Rule) -> Iterator[Rule]:
    """One rule for each verb on each thing; rules hold them all or none."""
    for path, verb in product(rule.get("nonResourceURLs") or (), rule["verbs"]):
        yield {"nonResourceURLs": [path], "verbs": [verb]}
    names = rule.get("resourceNames") or (None,)
    for group, resource, name, verb in product(
        rule.get("apiGroups") or (), rule.get("resources") or (), names, rule["verbs"]
    ):
        part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        yield part | ({"resourceNames": [name]} if name is not None else {})


def _holds(held: Rule, part: Rule) -> bool:
    """Does a rule held cover one part of a rule wanted? `*` is covered by `*` alone."""
    if not _covers(held.get("verbs"), part["verbs"][0]):
        return False
    if "nonResourceURLs" in part:
        path = part["nonResourceURLs"][0]
        return any(
            each == path or (each.endswith("*") and path.startswith(each[:-1]))
            for each in held.get("nonResourceURLs") or ()
        )
    resource, names = part["resources"][0], held.get("resourceNames") or ()
    subresource = resource.partition("/")[2]
    return (
        _covers(held.get("apiGroups"), part["apiGroups"][0])
        and (
            _covers(held.get("resources"), resource)
            or (bool(subresource) and f"*/{subresource}" in (held.get("resources") or ()))
        )
        and (not names or set(part.get("resourceNames") or ("",)) <= set(names))
    )


def _covers(held: Iterable[str] | None, wanted: str) -> bool:
    held = held or ()
    return "*" in held or wanted in held
