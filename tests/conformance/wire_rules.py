"""Where the adapter promises another answer than the one recorded of KEDA's; each has its paragraph in docs/differences.md.

A rule looks at what was asked and answered, and changes the recorded `response` to ours.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wire import JSON, OTHER_WORDS, accept, object_name, recorded_items, shows_a_bad_one

from metrics_adapter.documents import VERSION
from scaler.app import VERSION as TIDEGATE

__all__ = ["WIRE_RULES"]

Record = Mapping[str, Any]

_KNOWN_GISTS = ("selector", "ScaledObject", "unknown metric")
"""Words of the gists that stand for a request that was wrong, and not for a source that failed."""


def _response(recorded: Record, **changes: Any) -> dict[str, Any]:
    return {**recorded, "response": {**recorded["response"], **changes}}


def _json_only(given: Record, recorded: Record) -> bool:
    """What was answered is no JSON, or JSON was refused with a list of what else there is."""
    response = recorded.get("response") or {}
    kind = (response.get("headers") or {}).get("Content-Type", "")
    if response.get("status") == 406:
        return True
    return bool(response and accept(given)) and kind.partition(";")[0] not in {JSON, "text/plain"}


def _as_json(given: Record, recorded: Record) -> dict[str, Any]:
    headers = {**recorded["response"]["headers"], "Content-Type": JSON}
    if not any(kind in accept(given) for kind in (JSON, "*/*")):
        message = "406: Not Acceptable\n\nAvailable representations: application/json"
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": "NotAcceptable",
            "details": {},
            "code": 406,
        }
        return _response(recorded, status=406, headers=headers, body=status)
    name = given["request"]["path"].rpartition("/")[2]
    item = {"metricName": name, "metricLabels": None, "timestamp": "TIME", "value": "7"}
    body = {
        "kind": "ExternalMetricValueList",
        "apiVersion": f"external.metrics.k8s.io/{VERSION}",
        "metadata": {},
        "items": [item],
    }
    return _response(recorded, headers=headers, body=body)


def _composite_only(given: Record, recorded: Record) -> bool:
    """KEDA answered for one trigger with the composite metric, under another name than was asked for."""
    asked = (given.get("request") or {}).get("path", "").rpartition("/")[2].lower()
    return any(item["metricName"].lower() != asked for item in recorded_items(recorded))


def _failed_source(given: Record, recorded: Record) -> bool:
    response = recorded.get("response") or {}
    body = response.get("body")
    message = body.get("message", "") if isinstance(body, Mapping) else ""
    said = message.startswith(OTHER_WORDS) and not any(gist in message for gist in _KNOWN_GISTS)
    return response.get("status") == 500 and said and bool(object_name(given))


def _failure(recorded: Record, status: int, reason: str = "") -> dict[str, Any]:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": OTHER_WORDS + ")",
        "code": status,
    }
    return _response(recorded, status=status, body=body | ({"reason": reason} if reason else {}))


def _describes(given: Record, recorded: Record) -> bool:
    path = (given.get("request") or {}).get("path", "")
    answered = (recorded.get("response") or {}).get("status") == 200
    return answered and (path == "/version" or path.startswith("/openapi") or _aggregated(recorded))


def _aggregated(recorded: Record) -> bool:
    body = recorded["response"].get("body")
    return isinstance(body, Mapping) and body.get("kind") == "APIGroupDiscoveryList"


def _ours(given: Record, recorded: Record) -> dict[str, Any]:
    """Of a description of the server: that it is there, and what clients look for in it."""
    path = given["request"]["path"]
    if _aggregated(recorded):
        plain = any(each.strip() in {JSON, "*/*"} for each in accept(given).split(","))
        body = {"kind": "APIGroupList"} if plain else {"kind": "Status", "code": 406}
        headers = {"Content-Type": JSON, "Cache-Control": "no-cache, private"}
        return _response(recorded, status=200 if plain else 406, headers=headers, body=body)
    if path == "/version":
        major, minor, _ = TIDEGATE.split(".", 2)
        return _response(recorded, body={"major": major, "minor": minor, "gitVersion": f"v{TIDEGATE}"})
    kept = {
        key: value for key, value in recorded["response"]["body"].items() if key in {"swagger", "openapi"}
    }
    return _response(recorded, body=kept)


def _bad_certificate(given: Record, recorded: Record) -> bool:
    return (recorded.get("response") or {}).get("status") == 401 and shows_a_bad_one(given)


WIRE_RULES: tuple[tuple[str, Callable[[Record, Record], bool], Callable[..., dict[str, Any]]], ...] = (
    ("json-only", _json_only, _as_json),
    ("composite-only", _composite_only, lambda _given, recorded: _failure(recorded, 500)),
    (
        "failed-source-503",
        _failed_source,
        lambda _given, recorded: _failure(recorded, 503, "ServiceUnavailable"),
    ),
    ("describes-itself", _describes, _ours),
    (
        "bad-certificate-ends-tls",
        _bad_certificate,
        lambda _given, recorded: _response(recorded, status=0, headers={}, body=""),
    ),
)
