"""How the HPA controller reads an external metric: an aggregated request, as a kube-controller-manager makes it.

`through(forward)` is the `Fetch` of `hpa_controller`; `forward` sends the request on (the aggregator, over TLS, to the
registered adapter). Path, query and headers are as recorded from a real one (`conformance/wire`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from scaler.local.hpa_controller import Fetch

Forward = Callable[[str, str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""(path, encoded query, headers) → (HTTP status, body)."""

HEADERS: Mapping[str, str] = {
    "Accept": "application/vnd.kubernetes.protobuf, */*",
    "User-Agent": "kube-controller-manager/tidegate horizontal-pod-autoscaler",
}

_ROOT = "/apis/external.metrics.k8s.io/v1beta1/namespaces"


class MetricsError(Exception):
    """The metrics API refused, or answered something else than metrics. The sentence is for the HPA's condition."""


def through(forward: Forward) -> Fetch:
    """Read metrics with requests that `forward` sends."""

    async def fetch(namespace: str, name: str, selector: str) -> list[str]:
        path = f"{_ROOT}/{quote(namespace)}/{quote(name, safe='')}"
        query = urlencode({"labelSelector": selector}) if selector else ""
        return values(*await forward(path, query, HEADERS))

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
