"""What the adapter says about itself: discovery, version and OpenAPI, each encoded once.

Pure. Discovery is what clusters and `kubectl` see through the aggregation layer, in the recorded shapes; the
OpenAPI documents come from `schemas`.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from metrics_adapter import schemas

__all__ = ["GROUP", "GROUP_VERSION", "INDEX", "PATHS", "Page", "pages"]

GROUP: Final = "external.metrics.k8s.io"
VERSION: Final = "v1beta1"
GROUP_VERSION: Final = f"{GROUP}/{VERSION}"
_OPENAPI_V3: Final = f"/openapi/v3/apis/{GROUP_VERSION}"
PATHS: Final = frozenset(
    {
        "/",
        "/apis",
        f"/apis/{GROUP}",
        f"/apis/{GROUP_VERSION}",
        "/openapi/v2",
        "/openapi/v3",
        _OPENAPI_V3,
        "/version",
    }
)
"""Every path with a page."""

INDEX: Final = tuple(sorted((PATHS - {"/"}) | {"/healthz", "/livez", "/metrics", "/readyz"}))
"""Every path that is always there, as `/` lists them."""


@dataclass(frozen=True, slots=True)
class Page:
    """JSON text and its entity tag, quotes included."""

    body: bytes
    etag: str


def pages(version: str) -> dict[str, Page]:
    """All pages by path, for Tidegate's `version` (as in `1.2.3`)."""
    served = {"groupVersion": GROUP_VERSION, "version": VERSION}
    group = {"name": GROUP, "versions": [served], "preferredVersion": served}
    resource = {
        "name": "externalmetrics",
        "singularName": "",
        "namespaced": True,
        "kind": "ExternalMetricValueList",
        "verbs": ["get"],
    }
    openapi = _page(schemas.openapi_v3(version, GROUP, VERSION))
    indexed = {"serverRelativeURL": f"{_OPENAPI_V3}?hash={openapi.etag.strip(chr(34))}"}
    return {
        "/": _page({"paths": INDEX}),
        "/apis": _page({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}),
        f"/apis/{GROUP}": _page({"kind": "APIGroup", "apiVersion": "v1", **group}),
        f"/apis/{GROUP_VERSION}": _page(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": GROUP_VERSION,
                "resources": [resource],
            }
        ),
        "/openapi/v2": _page(schemas.openapi_v2(version, GROUP, VERSION)),
        "/openapi/v3": _page({"paths": {f"apis/{GROUP_VERSION}": indexed}}),
        _OPENAPI_V3: openapi,
        "/version": _page(_version(version)),
    }


def _version(version: str) -> dict[str, str]:
    """Kubernetes' version document. What only a Go build knows is empty; clients want the keys to exist."""
    major, _, rest = version.partition(".")
    unknown = ("gitCommit", "gitTreeState", "goVersion", "compiler", "platform")
    return {
        "major": major,
        "minor": rest.partition(".")[0],
        "gitVersion": f"v{version}",
        "buildDate": "1970-01-01T00:00:00Z",
        **dict.fromkeys(unknown, ""),
    }


def _page(content: dict[str, Any]) -> Page:
    body = msgspec.json.encode(content)
    return Page(body, f'"{hashlib.sha512(body).hexdigest().upper()}"')
