"""OpenAPI v2 and v3 of the external-metrics API, from one table of operations and one of schemas.

Pure. The API server merges the v2 document into its own and passes the v3 one on to `kubectl explain`; both
know kinds by `x-kubernetes-group-version-kind`, and definitions that other APIs share by their Go names.
"""

from typing import Any, Final

__all__ = ["openapi_v2", "openapi_v3"]

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_METRICS: Final = "io.k8s.metrics.pkg.apis.external_metrics.v1beta1"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_VERSION_INFO: Final = "io.k8s.apimachinery.pkg.version.Info"

_TEXT: Final = {"type": "string"}
_KIND: Final = {"kind": _TEXT, "apiVersion": _TEXT}

Json = dict[str, Any]


def openapi_v2(version: str, group: str, served: str) -> Json:
    """The Swagger 2.0 document of `group`/`served`."""
    paths: Json = {}
    for path, tag, schema, listing in _operations(group, served):
        operation: Json = {
            "description": _DESCRIPTIONS[schema],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "schemes": ["https"],
            "tags": [tag],
            "operationId": _operation_id(tag, schema),
            "responses": {"200": {"description": "OK", "schema": _ref("#/definitions/", schema)}},
            **(_list_extensions(group, served) if listing else {}),
        }
        paths[path] = {"get": operation}
        if listing:
            paths[path]["parameters"] = [
                {
                    "name": name,
                    "in": place,
                    "description": text,
                    "required": place == "path",
                    "uniqueItems": True,
                }
                | _TEXT
                for name, place, text in _PARAMETERS
            ]
    info = {"title": "tidegate-adapter", "version": version}
    return {
        "swagger": "2.0",
        "info": info,
        "paths": paths,
        "definitions": _schemas("#/definitions/", group, served),
    }


def openapi_v3(version: str, group: str, served: str) -> Json:
    """The OpenAPI 3.0 document of `group`/`served`: what lies below that path, as in a real cluster."""
    prefix = "#/components/schemas/"
    paths: Json = {}
    for path, tag, schema, listing in _operations(group, served):
        if not path.startswith(f"/apis/{group}/{served}/"):
            continue
        content = {"application/json": {"schema": _ref(prefix, schema)}}
        operation: Json = {
            "description": _DESCRIPTIONS[schema],
            "tags": [tag],
            "operationId": _operation_id(tag, schema),
            "responses": {"200": {"description": "OK", "content": content}},
            **(_list_extensions(group, served) if listing else {}),
        }
        paths[path] = {"get": operation}
        if listing:
            paths[path]["parameters"] = [
                {"name": name, "in": place, "description": text, "required": place == "path", "schema": _TEXT}
                for name, place, text in _PARAMETERS
            ]
    return {
        "openapi": "3.0.0",
        "info": {"title": "tidegate-adapter", "version": version},
        "paths": paths,
        "components": {"schemas": _schemas(prefix, group, served)},
    }


_PARAMETERS: Final = (
    ("namespace", "path", "The namespace of the ScaledObject."),
    ("resource", "path", "The metric's name, as in the HPA; its case does not matter."),
    ("labelSelector", "query", "Which ScaledObject: scaledobject.keda.sh/name=<name>."),
)

_DESCRIPTIONS: Final = {
    f"{_META}.APIGroupList": "The API groups that are served.",
    f"{_META}.APIGroup": "The versions of a group.",
    f"{_META}.APIResourceList": "The resources of a version.",
    f"{_METRICS}.ExternalMetricValueList": "The present value of an external metric.",
    _VERSION_INFO: "The version of this server.",
}


def _operations(group: str, served: str) -> list[tuple[str, str, str, bool]]:
    """Path, tag, schema of the answer, and whether it lists values."""
    name = group.replace(".", "_").removesuffix("_k8s_io")
    version = f"/apis/{group}/{served}/"
    return [
        ("/apis/", "apis", f"{_META}.APIGroupList", False),
        (f"/apis/{group}/", name, f"{_META}.APIGroup", False),
        (version, f"{name}_{served}", f"{_META}.APIResourceList", False),
        (
            f"{version}namespaces/{{namespace}}/{{resource}}",
            f"{name}_{served}",
            f"{_METRICS}.ExternalMetricValueList",
            True,
        ),
        ("/version/", "version", _VERSION_INFO, False),
    ]


def _operation_id(tag: str, schema: str) -> str:
    words = "".join(word.capitalize() for word in tag.split("_"))
    return f"get{words}{schema.rpartition('.')[2]}"


def _gvk(group: str, served: str, kind: str = "ExternalMetricValueList") -> Json:
    return {"group": group, "version": served, "kind": kind}


def _list_extensions(group: str, served: str) -> Json:
    return {"x-kubernetes-action": "list", "x-kubernetes-group-version-kind": _gvk(group, served)}


def _schemas(prefix: str, group: str, served: str) -> Json:
    """Every schema by its Go name; references go to `prefix`."""

    def ref(name: str) -> Json:
        return _ref(prefix, name)

    def items(name: str) -> Json:
        return {"type": "array", "items": ref(name)}

    texts = {"type": "array", "items": _TEXT}
    version = f"{_META}.GroupVersionForDiscovery"
    address = f"{_META}.ServerAddressByClientCIDR"
    group_fields = {
        "name": _TEXT,
        "versions": items(version),
        "preferredVersion": ref(version),
        "serverAddressByClientCIDRs": items(address),
    }
    return {
        _QUANTITY: _TEXT | {"description": "A number with an optional suffix, such as 2500m."},
        f"{_META}.Time": _TEXT | {"format": "date-time"},
        version: _object({"groupVersion": _TEXT, "version": _TEXT}, "groupVersion", "version"),
        address: _object({"clientCIDR": _TEXT, "serverAddress": _TEXT}, "clientCIDR", "serverAddress"),
        f"{_META}.ListMeta": _object(
            {
                "selfLink": _TEXT,
                "resourceVersion": _TEXT,
                "continue": _TEXT,
                "remainingItemCount": {"type": "integer", "format": "int64"},
            }
        ),
        f"{_META}.APIGroup": _object(_KIND | group_fields, "name", "versions"),
        f"{_META}.APIGroupList": _object(_KIND | {"groups": items(f"{_META}.APIGroup")}, "groups"),
        f"{_META}.APIResource": _object(
            {
                **dict.fromkeys(
                    ("name", "singularName", "kind", "group", "version", "storageVersionHash"), _TEXT
                ),
                "namespaced": {"type": "boolean"},
                **dict.fromkeys(("verbs", "shortNames", "categories"), texts),
            },
            *("name", "singularName", "namespaced", "kind", "verbs"),
        ),
        f"{_META}.APIResourceList": _object(
            _KIND | {"groupVersion": _TEXT, "resources": items(f"{_META}.APIResource")},
            *("groupVersion", "resources"),
        ),
        _VERSION_INFO: _object(dict.fromkeys(_VERSION_KEYS, _TEXT), *_VERSION_KEYS),
        f"{_METRICS}.ExternalMetricValue": _object(
            _KIND
            | {
                "metricName": _TEXT | {"description": "The name of the metric."},
                "metricLabels": {
                    "type": "object",
                    "additionalProperties": _TEXT,
                    "description": "Labels of this value; none are given.",
                },
                "timestamp": ref(f"{_META}.Time") | {"description": "When the source answered."},
                "window": {
                    "type": "integer",
                    "format": "int64",
                    "description": "Seconds averaged over; never given.",
                },
                "value": ref(_QUANTITY) | {"description": "The value of the metric."},
            },
            *("metricName", "metricLabels", "timestamp", "value"),
        ),
        f"{_METRICS}.ExternalMetricValueList": _object(
            _KIND
            | {
                "metadata": ref(f"{_META}.ListMeta"),
                "items": items(f"{_METRICS}.ExternalMetricValue") | {"description": "Exactly one value."},
            },
            "items",
        )
        | {
            "description": _DESCRIPTIONS[f"{_METRICS}.ExternalMetricValueList"],
            "x-kubernetes-group-version-kind": [_gvk(group, served)],
        },
    }


_VERSION_KEYS: Final = (
    *("major", "minor", "gitVersion", "gitCommit", "gitTreeState"),
    *("buildDate", "goVersion", "compiler", "platform"),
)


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


def _ref(prefix: str, name: str) -> Json:
    return {"$ref": f"{prefix}{name}"}
