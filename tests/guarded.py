"""An API server's reviews and published trust as tests script them, and a guard made of both."""

from collections.abc import Mapping
from typing import Any

from metrics_adapter.authn import FrontProxy, Trust
from metrics_adapter.guard import Guard
from metrics_adapter.reviews import Limits, Reviews
from scaler.kube.resources import Resource


class Reviewer:
    """Answers reviews from tables, and keeps what it was asked.

    `tokens`: token → UserInfo. `grants`: user → tuples of (verb, resource) or (verb, path); `*` is any. `fault` is raised
    instead while it is set.
    """

    def __init__(self, tokens: Mapping[str, dict] | None = None, grants: Mapping[str, set] | None = None):
        self.tokens = dict(tokens or {})
        self.grants = dict(grants or {})
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fault: Exception | None = None

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((resource.kind, obj["spec"]))
        if self.fault is not None:
            raise self.fault
        if resource.kind == "TokenReview":
            user = self.tokens.get(obj["spec"]["token"])
            status = (
                {"authenticated": True, "user": user}
                if user
                else {"user": {}, "error": "invalid bearer token"}
            )
        else:
            status = {"allowed": self._allows(obj["spec"])}
        return {**obj, "status": status}

    def _allows(self, spec: dict[str, Any]) -> bool:
        about = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
        wanted = about["verb"], about.get("resource") or about["path"]
        granted = {one for name in (spec["user"], *spec["groups"]) for one in self.grants.get(name, ())}
        return any(verb in {"*", wanted[0]} and what in {"*", wanted[1]} for verb, what in granted)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.asked]


def guard(clock: Any, trust: Trust | None, reviewer: Reviewer, limits: Limits | None = None) -> Guard:
    return Guard(lambda: trust, Reviews(clock, reviewer, limits))


def front(ca: bytes, names: tuple[str, ...] = ("front-proxy-client",), client_ca: bytes = b"") -> Trust:
    return Trust(FrontProxy(ca, frozenset(names)), client_ca)
