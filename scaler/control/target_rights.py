"""The right to a scale target: how a missing one is told, and how it is noticed that it was given.

A right to watch is tried again by the watch itself. A right to write is not tried by writing: whether it is there is asked
of the API server (SelfSubjectAccessReview, which everybody may).
"""

from typing import Protocol

from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, KubeError, Unauthenticated
from scaler.kube.resources import Resource

__all__ = ["Place", "TargetError", "TargetForbidden", "forbidden", "held", "unseen"]

_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)


class TargetError(Exception):
    """The target cannot be scaled; `event` is the text of KEDA's event for it."""

    def __init__(self, message: str, *, event: str) -> None:
        super().__init__(message)
        self.event = event


class TargetForbidden(TargetError):
    """A right to the target is missing. The text begins with this reason and names verb, group/resource and namespace."""

    reason = "TargetForbidden"

    def __init__(self, verb: str, what: str, where: str) -> None:
        mend = "add it to Tidegate's Role (tidegate rbac prints it)"
        text = f"{self.reason}: the right to {verb} {what} {where} is missing; {mend}"
        super().__init__(text, event=text)
        self.words = verb, what, where


class Place(Protocol):
    """What of a TargetKey is needed here."""

    @property
    def resource(self) -> Resource: ...  # noqa: D102 - of which the target is one
    @property
    def namespace(self) -> str: ...  # noqa: D102 - the target's
    @property
    def name(self) -> str: ...  # noqa: D102 - the target's


def unseen(resource: Resource, namespace: str, problem: KubeError) -> TargetError:
    """The error for a kind that may not be watched; an empty `namespace` is the whole cluster."""
    if isinstance(problem, Unauthenticated):
        text = f"{resource} cannot be watched: {problem}"
        return TargetError(text, event=text)
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    return TargetForbidden("list and watch", _what(resource, ""), where)


def forbidden(key: Place, verb: str, subresource: str, error: Forbidden) -> Exception:
    """The error for a request that was refused; the given one where it was not for want of a right."""
    if f" cannot {verb} resource " not in error.message:
        return error  # A namespace that is ending, a quota, an admission webhook.
    what = f"{_what(key.resource, subresource)} (name {key.name})"
    return TargetForbidden(verb, what, f"in namespace {key.namespace}")


async def held(kube: Kube, key: Place, verb: str, subresource: str) -> bool:
    """May we do this by now? Raises KubeError."""
    about = {
        "verb": verb,
        "group": key.resource.group,
        "resource": key.resource.plural,
        "subresource": subresource,
        "namespace": key.namespace,
        "name": key.name,
    }
    body = {
        "apiVersion": _REVIEWS.api_version,
        "kind": _REVIEWS.kind,
        "spec": {"resourceAttributes": about},
    }
    answer = await kube.create(_REVIEWS, body)
    return (answer.get("status") or {}).get("allowed") is True


def _what(resource: Resource, subresource: str) -> str:
    """As the chart's list of targets has it: `apps/deployments`."""
    parts = (resource.group, resource.plural, subresource)
    return "/".join(part for part in parts if part)
