"""Roles and bindings as objects: defaults and faults as a kube-apiserver has them. Pure."""

from collections.abc import Iterable
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid_value, not_supported, required
from scaler.local.resources import Object, Rules

__all__ = ["BINDINGS", "ROLES"]

_GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")
_LISTS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def _refuse_role(obj: Object) -> None:
    rules = obj.get("rules") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise bad_request(f"{obj['kind']}: rules must be a list of objects")
    for index, rule in enumerate(rules):
        for field in _LISTS:
            if not _texts(rule.get(field)):
                raise bad_request(f"{obj['kind']}: rules[{index}].{field} must be a list of strings")


def _texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _check_role(obj: Object, _old: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(obj.get("rules") or ()):
        causes += _faults(f"rules[{index}]", rule, namespaced=obj["kind"] == "Role")
    return causes


def _faults(path: str, rule: Object, *, namespaced: bool) -> Iterable[Cause]:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if rule.get("nonResourceURLs"):
        if namespaced:
            words = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", str(rule["nonResourceURLs"]), words)
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            words = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", str(rule["nonResourceURLs"]), words)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def _refuse_binding(obj: Object) -> None:
    subjects = obj.get("subjects") or []
    if not isinstance(obj.get("roleRef"), dict):
        raise bad_request(f"{obj['kind']}: roleRef must be an object")
    if not isinstance(subjects, list) or not all(isinstance(each, dict) for each in subjects):
        raise bad_request(f"{obj['kind']}: subjects must be a list of objects")
    for each in (obj["roleRef"], *subjects):
        if not all(isinstance(value, str) for value in each.values()):
            raise bad_request(f"{obj['kind']}: roleRef and subjects hold strings")


def _default_binding(obj: Object) -> None:
    obj["roleRef"].setdefault("apiGroup", _GROUP)
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _GROUP)


def _check_binding(obj: Object, old: Object | None) -> list[Cause]:
    reference = obj["roleRef"]
    kinds = ("ClusterRole",) if obj["kind"] == "ClusterRoleBinding" else ("Role", "ClusterRole")
    causes = []
    if reference.get("kind") not in kinds:
        shown = f'"{reference.get("kind") or ""}"'
        causes.append(not_supported("roleRef.kind", shown, [f'"{kind}"' for kind in kinds]))
    if not reference.get("name"):
        causes.append(required("roleRef.name"))
    if old is not None and old["roleRef"] != reference:
        causes.append(invalid_value("roleRef", "object", "cannot change roleRef"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        path = f"subjects[{index}]"
        if subject.get("kind") not in _SUBJECTS:
            shown = f'"{subject.get("kind") or ""}"'
            causes.append(not_supported(f"{path}.kind", shown, [f'"{kind}"' for kind in _SUBJECTS]))
        if not subject.get("name"):
            causes.append(required(f"{path}.name"))
        needs = subject.get("kind") == "ServiceAccount" and obj["kind"] == "ClusterRoleBinding"
        if needs and not subject.get("namespace"):
            causes.append(required(f"{path}.namespace"))
    return causes


ROLES = Rules(refuse=_refuse_role, check=_check_role)
BINDINGS = Rules(refuse=_refuse_binding, default=_default_binding, check=_check_binding)
