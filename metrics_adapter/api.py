"""The external-metrics API as a function: what is asked, and what is answered. Pure; `server` does the rest.

`route` reads a request line into one of a few kinds; what is wrong with it already is a `Response` in itself.
`answer` takes a `Query` to the store. Status codes and bodies are those recorded of KEDA's adapter, but for
one: a source that fails is 503 with its reason (KEDA: 500), unlike a metric that nobody declared.
"""

from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import Any, Final, Literal, overload

from metrics_adapter.attributes import NAMESPACE_PARTS, fields, segments
from metrics_adapter.documents import GROUP, GROUP_VERSION, INDEX, PATHS
from metrics_adapter.selector import MalformedSelectorError, UnsupportedSelectorError, equalities
from metrics_adapter.store import Metric, Sample, Stale, Store, Undeclared, Unserved

__all__ = [
    "LABEL",
    "Document",
    "Health",
    "Query",
    "Response",
    "Route",
    "Telemetry",
    "answer",
    "route",
    "status",
]

LABEL: Final = "scaledobject.keda.sh/name"
"""The label whose value names the ScaledObject in an HPA's metric selector."""

_NAMESPACES: Final = ("apis", *GROUP_VERSION.split("/"), "namespaces")
_HEALTH: Final = frozenset({"/healthz", "/livez", "/readyz"})


@dataclass(frozen=True, slots=True)
class Response:
    """Status code and JSON body. `age` is the served sample's, in seconds."""

    status: int
    body: dict[str, Any]
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`healthz`, `livez` or `readyz`: for anyone."""

    check: str


@dataclass(frozen=True, slots=True)
class Document:
    """One of the documents of `documents.PATHS`."""

    path: str


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The server's own metrics, as Prometheus text."""


@dataclass(frozen=True, slots=True)
class Query:
    """The value of one metric."""

    metric: Metric


Route = Health | Document | Telemetry | Query | Response


def route(method: str, path: str, query: str = "", accept: str = "") -> Route:
    """What is asked. `path` and `query` are as on the request line, percent-escapes and all. Never raises."""
    parts = segments(path)
    known = "/" + "/".join(parts) if parts is not None else ""
    asked: Route
    if parts and parts[:4] == _NAMESPACES and len(parts) == 6 and parts[5] not in NAMESPACE_PARTS:
        asked = _query(parts[4], parts[5], query)
    elif known in _HEALTH:
        asked = Health(known.removeprefix("/"))
    elif known == "/metrics":
        asked = Telemetry()
    elif known in PATHS:
        asked = Document(known)
    elif path.startswith(f"/apis/{GROUP_VERSION}/"):
        return status(404, "the server could not find the requested resource", "NotFound", {})
    else:
        return Response(404, {"paths": INDEX})  # As every API server answers outside its groups.
    if method != "GET" and not (method == "HEAD" and isinstance(asked, Health)):
        return _not_allowed()
    if isinstance(asked, Query | Document) and not _acceptable(accept):
        return _not_acceptable()
    return asked


@overload
def answer(query: Query, store: Store, now: float, *, refreshed: Literal[True]) -> Response: ...
@overload
def answer(query: Query, store: Store, now: float, *, refreshed: bool = False) -> Response | Stale: ...
def answer(query: Query, store: Store, now: float, *, refreshed: bool = False) -> Response | Stale:
    """Answer from the store, or say which metric must be read first; with `refreshed`, answer in any case.

    `now` is in the store's monotonic seconds.
    """
    found = store.serve(query.metric, now, refreshed=refreshed)
    match found:
        case Stale():
            return found
        case Unserved(metric=metric, reason=reason, message=message):
            return status(503, f"metric {metric.name}: {reason}: {message}", "ServiceUnavailable")
        case Undeclared(known_object=True):
            asked = query.metric
            return status(500, f"no metric {asked.name!r} in ScaledObject {asked.namespace}/{asked.object}")
        case Undeclared():
            asked = query.metric
            return status(500, f"no ScaledObject {asked.namespace}/{asked.object} is scaled here")
    return Response(200, _values(found.metric, found.sample), found.age)


def status(code: int, message: str, reason: str = "", details: dict[str, str] | None = None) -> Response:
    """A `Status` of failure, as every Kubernetes client understands it."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    return Response(code, body | {"code": code})


def _values(metric: Metric, sample: Sample) -> dict[str, Any]:
    # Given a negative AverageValue the real HPA scales up to its limit; what is meant is "no replicas": 0.
    value = "0" if sample.value.startswith("-") else sample.value
    return {
        "kind": "ExternalMetricValueList",
        "apiVersion": GROUP_VERSION,
        "metadata": {},
        "items": [
            {
                "metricName": metric.name,
                "metricLabels": None,
                "timestamp": f"{sample.moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "value": value,
            }
        ],
    }


def _query(namespace: str, name: str, query: str) -> Query | Response:
    given = fields(query)
    if given.get("watch", "false").lower() not in {"false", "0"}:
        message = f'watch is not supported on resources of kind "*.{GROUP}"'
        return status(405, message, "MethodNotAllowed", {"group": GROUP, "kind": "*"})
    try:
        scaled_object = equalities(given.get("labelSelector", "")).get(LABEL)
    except MalformedSelectorError as error:
        return status(400, str(error), "BadRequest")
    except UnsupportedSelectorError as error:
        return status(500, str(error))
    if not scaled_object:
        return status(500, f"which ScaledObject is not said: give labelSelector={LABEL}=<name>")
    return Query(Metric(namespace, scaled_object, name))


@lru_cache(maxsize=64)
def _acceptable(accept: str) -> bool:
    """Whether JSON will do. A media range with `as=` wants another shape (a Table), which there is not."""
    for media_range in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if kind in {"", "*/*", "application/*", "application/json"} and not any(
            parameter.startswith("as=") for parameter in parameters
        ):
            return True
    return False


def _not_acceptable() -> Response:
    message = "406: Not Acceptable\n\nAvailable representations: application/json"
    return status(406, message, "NotAcceptable", {})


def _not_allowed() -> Response:
    return status(
        405, "the server does not allow this method on the requested resource", "MethodNotAllowed", {}
    )
