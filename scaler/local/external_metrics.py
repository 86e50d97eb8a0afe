"""How the HPA controller reads an external metric: an aggregated request, as a kube-controller-manager makes it.

`through(aggregator, access)` is the `Fetch` of `hpa_controller`: asked of RBAC as any request is, it goes over TLS to
whoever registered the group. Path, query and headers are as recorded from a real one (`conformance/wire`); the user is that
of a controller manager whose controllers have a ServiceAccount each.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec

from scaler.local.attributes import Attributes
from scaler.local.errors import ApiError
from scaler.local.hpa_controller import Fetch
from scaler.local.users import HPA_CONTROLLER, User

ACCEPT = "application/vnd.kubernetes.protobuf, */*"

_GROUP = "external.metrics.k8s.io"
_ROOT = f"/apis/{_GROUP}/v1beta1/namespaces"


class Forwarder(Protocol):
    """What is needed of `aggregator.Aggregator`."""

    async def forward(
        self,
        method: str,
        path: str,
        query: str,
        *,
        user: str,
        groups: Iterable[str] = (),
        accept: str = ...,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request to the server of its API group; (status, headers, body)."""
        ...


class Authorizer(Protocol):
    """What is needed of `access.Access`."""

    def demand(self, user: User, attributes: Attributes) -> None:
        """Raises ApiError 403 where the user may not do this."""
        ...


class MetricsError(Exception):
    """The metrics API refused, or answered something else than metrics. The sentence is for the HPA's condition."""


def through(aggregator: Forwarder, access: Authorizer) -> Fetch:
    """Read metrics from the server that is registered for external.metrics.k8s.io."""
    headers = {"User-Agent": "kube-controller-manager/tidegate horizontal-pod-autoscaler"}

    async def fetch(namespace: str, name: str, selector: str) -> list[str]:
        path = f"{_ROOT}/{quote(namespace)}/{quote(name, safe='')}"
        query = urlencode({"labelSelector": selector}) if selector else ""
        user = HPA_CONTROLLER
        try:
            # A metric's name is a resource of its own, and without a name behind it is listed.
            access.demand(user, Attributes(verb="list", group=_GROUP, resource=name, namespace=namespace))
        except ApiError as refusal:
            raise MetricsError(f"the metrics API answered {refusal.code}: {refusal.message}") from refusal
        status, _, body = await aggregator.forward(
            "GET", path, query, user=user.name, groups=user.groups, accept=ACCEPT, headers=headers
        )
        return values(status, body)

    return fetch


def values(status: int, body: bytes) -> list[str]:
    """The quantities in an answer, in order; MetricsError for any other answer than a list of metrics."""
    try:
        answer: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = None
    if status != 200:
        said = answer.get("message") if isinstance(answer, dict) else None
        raise MetricsError(f"the metrics API answered {status}: {said or _shown(body)}")
    items = answer.get("items") if isinstance(answer, dict) else None
    if items is None or not isinstance(items, list):
        raise MetricsError(f"the metrics API sent no ExternalMetricValueList: {_shown(body)}")
    return [_value(item, body) for item in items]


def _value(item: Any, body: bytes) -> str:
    value = item.get("value") if isinstance(item, dict) else None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise MetricsError(f"the metrics API sent an item without a value: {_shown(body)}")
    return str(value)


def _shown(body: bytes) -> str:
    return body[:200].decode(errors="replace") or "nothing"
