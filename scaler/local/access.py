"""Who is let in, and to what: the admin's token, ServiceAccounts' tokens, and everybody else without a name.

Every request is asked of RBAC; the admin is in system:masters, who are asked nothing. Who may impersonate (`kubectl --as`)
asks as another.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol

from scaler.local import escalation, ownership, tokens
from scaler.local.api import Api
from scaler.local.attributes import Attributes, asked, forbidden
from scaler.local.errors import ApiError, bad_request
from scaler.local.rbac import Rbac
from scaler.local.resources import Object, Resource
from scaler.local.users import ADMIN, ANONYMOUS, User, account_of, named
from scaler.local.writes import Guard

__all__ = ["Access", "Headers"]


class Headers(Protocol):
    """A request's headers, any of which may be there more than once."""

    def get(self, key: str, default: str, /) -> str: ...  # noqa: D102 - the first, else the default
    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]: ...  # noqa: D102 - all of them


class Access:
    """See the module."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._token = token
        self.rbac = Rbac(api)
        self.enforce_owners = False
        """Is the admission plugin OwnerReferencesPermissionEnforcement on?"""

    def user(self, headers: Headers) -> User:
        """Who sends a request. Raises 401 for a token that is none, 403 for one who may not impersonate."""
        authorization = headers.get("Authorization", "")
        user = self.bearer(authorization) if authorization else ANONYMOUS
        return self._impersonated(user, headers)

    def bearer(self, authorization: str) -> User:
        """Whom an Authorization header names. Raises 401."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise ApiError(401, "Unauthorized", "Unauthorized")
        try:
            return self.token(token.strip()).user
        except tokens.Bad as error:
            raise ApiError(401, "Unauthorized", "Unauthorized") from error

    def token(self, token: str, audiences: Sequence[str] = ()) -> tokens.Claims:
        """Whose token this is, and which of the audiences it is for (none asked: the API server). Raises tokens.Bad."""
        wanted = tuple(audiences) or (tokens.ISSUER,)
        if hmac.compare_digest(token.encode(), self._token.encode()):
            if tokens.ISSUER not in wanted:
                raise tokens.Bad(f"[invalid bearer token, it is not for {list(wanted)}]")
            return tokens.Claims(ADMIN, (tokens.ISSUER,))
        return tokens.read(token, self._account, self._api.clock.now(), wanted)

    def check(self, user: User, method: str, path: str, query: Mapping[str, str]) -> None:
        """Raises 403 where the user may not do what a request asks."""
        self.demand(user, asked(method, path, query))

    def demand(self, user: User, attributes: Attributes) -> None:
        """Raises 403 where the user may not do this."""
        verdict = self.rbac.decide(user, attributes)
        if not verdict.allowed:
            raise forbidden(attributes, user.name, verdict.reason)

    def guard(self, user: User) -> Guard:
        """What is asked before an object of this user's is written: nothing gives away more than the user has."""

        def both(resource: Resource, obj: Object, old: Object | None) -> None:
            escalation.guard(self.rbac, user, resource, obj, old)
            if self.enforce_owners:
                ownership.guard(self.rbac, self._api.by_kind, user, resource, obj, old)

        return both

    def _account(self, namespace: str, name: str) -> dict[str, object]:
        return self._api.get("", "serviceaccounts", namespace, name)

    def _impersonated(self, user: User, headers: Headers) -> User:
        name, groups = headers.get("Impersonate-User", ""), headers.getall("Impersonate-Group", ())
        uid = headers.get("Impersonate-Uid", "")
        if not name:
            if groups or uid:
                raise bad_request("Impersonate-Group and Impersonate-Uid need Impersonate-User")
            return user
        account = account_of(name)
        wanted = [("serviceaccounts", *account) if account else ("users", "", name)]
        wanted += [("groups", "", group) for group in groups]
        wanted += [("uids", "", uid)] if uid else []
        for resource, namespace, who in wanted:
            group = "authentication.k8s.io" if resource == "uids" else ""
            self.demand(
                user,
                Attributes(verb="impersonate", group=group, resource=resource, namespace=namespace, name=who),
            )
        return named(name, tuple(groups), uid)
