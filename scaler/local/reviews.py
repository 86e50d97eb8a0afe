"""Who is asking, and the reviews by which servers ask about others. Pure.

There is one user: whoever holds the admin token may do everything; nobody else may do anything. Roles are stored, not
evaluated.
"""

import hmac
from dataclasses import dataclass
from typing import Any

from scaler.local.errors import ApiError, bad_request
from scaler.local.resources import Object

__all__ = ["ADMIN", "User", "authenticate", "review", "unauthorized"]

_MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated name and its groups."""

    name: str
    groups: tuple[str, ...]


ADMIN = User("kubernetes-admin", (_MASTERS, "system:authenticated"))


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def authenticate(authorization: str, token: str) -> User:
    """The user of an Authorization header. Raises 401."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not _same(given.strip(), token):
        raise unauthorized()
    return ADMIN


def review(plural: str, body: Any, user: User, token: str) -> Object | None:
    """The answer to a review; None when `plural` is none."""
    if not isinstance(body, dict) or not isinstance(body.get("spec") or {}, dict):
        raise bad_request("a review is an object with a spec")
    body.setdefault("metadata", {})
    spec = body.get("spec") or {}
    if plural == "tokenreviews":
        return {**body, "status": _token_status(str(spec.get("token") or ""), token)}
    if plural == "selfsubjectreviews":
        return {**body, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
    if plural == "selfsubjectaccessreviews":
        return {**body, "status": {"allowed": _MASTERS in user.groups}}
    if plural in ("subjectaccessreviews", "localsubjectaccessreviews"):
        trusted = _MASTERS in (spec.get("groups") or ()) or spec.get("user") == ADMIN.name
        return {**body, "status": {"allowed": trusted}}
    return None


def _token_status(given: str, token: str) -> dict[str, Any]:
    if not _same(given, token):
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": {"username": ADMIN.name, "groups": list(ADMIN.groups)}}
