"""The reviews by which servers and people ask who somebody is, and what somebody may do."""

from typing import Any

from scaler.local.access import Access
from scaler.local.attributes import Attributes
from scaler.local.errors import Cause, bad_request, invalid, invalid_value
from scaler.local.resources import Object
from scaler.local.tokens import Bad
from scaler.local.users import User

__all__ = ["REVIEWS", "review"]

_ACCESS, _IDENTITY = "authorization.k8s.io", "authentication.k8s.io"
REVIEWS: dict[tuple[str, str], tuple[tuple[str, str, bool], ...]] = {
    (_ACCESS, "v1"): (
        ("subjectaccessreviews", "SubjectAccessReview", False),
        ("selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
        ("selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
        ("localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    ),
    (_IDENTITY, "v1"): (
        ("tokenreviews", "TokenReview", False),
        ("selfsubjectreviews", "SelfSubjectReview", False),
    ),
}
"""By group and version: plural, kind, and whether it is namespaced."""


def review(plural: str, namespace: str | None, body: Any, user: User, access: Access) -> Object | None:
    """The answer to a review that `user` posted; None when `plural` is none. Raises ApiError 400, 422."""
    if not isinstance(body, dict) or not isinstance(body.get("spec") or {}, dict):
        raise bad_request("a review is an object with a spec")
    kinds = {each: (group, kind) for (group, _), found in REVIEWS.items() for each, kind, _ in found}
    if plural not in kinds:
        return None
    group, kind = kinds[plural]
    spec = body.get("spec") or {}
    answer = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": {}} | body
    match plural:
        case "tokenreviews":
            return {**answer, "status": _token(spec, access)}
        case "selfsubjectreviews":
            return {**answer, "status": {"userInfo": user.info()}}
        case "selfsubjectrulesreviews":
            return {**answer, "status": _rules(str(spec.get("namespace") or ""), user, access)}
        case "selfsubjectaccessreviews":
            return {**answer, "status": _verdict(spec, user, access, kind)}
    if plural == "localsubjectaccessreviews":
        within = (spec.get("resourceAttributes") or {}).get("namespace")
        if within != namespace:
            words = f"must match metadata.namespace: {namespace}"
            cause = invalid_value("spec.resourceAttributes.namespace", f'"{within or ""}"', words)
            raise invalid(kind, group, "", [cause])
    return {**answer, "status": _verdict(spec, _subject(spec, kind), access, kind)}


def _subject(spec: Object, kind: str) -> User:
    name, groups = spec.get("user") or "", spec.get("groups") or ()
    if not name and not groups:
        words = "at least one of user or group must be specified"
        raise invalid(kind, _ACCESS, "", [invalid_value("spec.user", '""', words)])
    return User(str(name), tuple(map(str, groups)))


def _verdict(spec: Object, user: User, access: Access, kind: str) -> Object:
    verdict = access.rbac.decide(user, _attributes(spec, kind))
    status: Object = {"allowed": verdict.allowed}
    return status | ({"reason": verdict.reason} if verdict.reason else {})


def _attributes(spec: Object, kind: str) -> Attributes:
    about, path = (spec.get(f"{kind_of}Attributes") or {} for kind_of in ("resource", "nonResource"))
    if bool(about) == bool(path):
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = Cause("spec.resourceAttributes", "FieldValueInvalid", f"Invalid value: null: {words}")
        raise invalid(kind, _ACCESS, "", [cause])
    if path:
        return Attributes(verb=str(path.get("verb") or ""), path=str(path.get("path") or ""))
    fields = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(**{field: str(about.get(field) or "") for field in fields})


def _rules(namespace: str, user: User, access: Access) -> Object:
    resources, paths = [], []
    for rule in access.rbac.rules(user, namespace):
        fields = ("apiGroups", "resources", "resourceNames")
        if rule.get("nonResourceURLs"):
            paths.append({key: rule[key] for key in ("verbs", "nonResourceURLs")})
        else:
            resources.append({"verbs": rule["verbs"]} | {key: rule[key] for key in fields if rule.get(key)})
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _token(spec: Object, access: Access) -> Object:
    audiences = tuple(map(str, spec.get("audiences") or ()))
    try:
        claims = access.token(str(spec.get("token") or ""), audiences)
    except Bad as error:
        return {"user": {}, "error": str(error)}
    return {"authenticated": True, "user": claims.user.info(), "audiences": list(claims.audiences)}
