"""OpenAPI: what kubectl needs to validate, to explain, and to know which options the server takes. Documents are cached.

The built-in kinds' schemas are read from the models of the official Python client, loaded on the first request that asks
for them; custom resources bring their own. Only what clients use is described: one path per collection and object.
"""

import importlib
import re
from collections.abc import Callable
from typing import Any

from scaler.local.answers import json_bytes
from scaler.local.resources import Object, Registry, View

__all__ = ["OpenApi", "model_schema"]

Schema = dict[str, Any]
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_OPTIONS = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_VERSIONED = re.compile(r"(V\d+(?:(?:alpha|beta)\d+)?)(.+)")
# The client's class where it is not the version and the kind.
_CLASSES = {("", "Event"): "CoreV1Event", ("events.k8s.io", "Event"): "EventsV1Event"}


class OpenApi:
    """Serves `/openapi/v2` and `/openapi/v3`. Rebuilds when the registry has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._serial = -1
        self._documents: dict[str, bytes] = {}

    def v3_index(self) -> bytes:
        """`/openapi/v3`: where each group and version is described."""
        paths = {
            place: {"serverRelativeURL": f"/openapi/v3/{place}?hash={self._registry.serial}"}
            for place in dict.fromkeys(_place(view) for view in self._registry.views())
        }
        return json_bytes({"paths": paths})

    def v3(self, place: str) -> bytes | None:
        """`/openapi/v3/{place}`, say apis/apps/v1; None when it is not served."""
        views = [view for view in self._registry.views() if _place(view) == place]
        if not views:
            return None
        return self._cached(place, lambda: self._v3(views))

    def v2(self) -> bytes:
        """`/openapi/v2`: all at once."""
        return self._cached("v2", self._v2)

    def _cached(self, name: str, build: Callable[[], Object]) -> bytes:
        serial = self._registry.serial
        if self._serial != serial:
            self._documents.clear()
            self._serial = serial
        document = self._documents.get(name)
        if document is None:
            document = self._documents[name] = json_bytes(build())
        return document

    def _v3(self, views: list[View]) -> Object:
        schemas: dict[str, Schema] = {}
        paths: dict[str, Any] = {}
        for view in views:
            name = _schemas_for(view, schemas, "#/components/schemas/")
            body = {"content": {"*/*": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
            paths |= _paths(view, body, v3=True)
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.0"},
            "paths": paths,
            "components": {"schemas": schemas},
        }

    def _v2(self) -> Object:
        definitions: dict[str, Schema] = {}
        paths: dict[str, Any] = {}
        for view in self._registry.views():
            name = _schemas_for(view, definitions, "#/definitions/")
            paths |= _paths(view, {"schema": {"$ref": f"#/definitions/{name}"}}, v3=False)
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": "v1.36.0"},
            "paths": paths,
            "definitions": definitions,
        }


def _place(view: View) -> str:
    return f"apis/{view.group}/{view.version}" if view.group else f"api/{view.version}"


def _kind_tag(view: View) -> dict[str, str]:
    return {"group": view.group, "version": view.version, "kind": view.resource.kind}


def _paths(view: View, body: Object, *, v3: bool) -> dict[str, Any]:
    resource = view.resource
    base = (
        f"/{_place(view)}"
        + ("/namespaces/{namespace}" if resource.namespaced else "")
        + f"/{resource.plural}"
    )
    in_path = [part for part in ("namespace", "name") if part == "name" or resource.namespaced]

    def parameter(name: str, kind: str, place: str) -> dict[str, Any]:
        head = {"name": name, "in": place, "required": place == "path"}
        return {**head, "schema": {"type": kind}} if v3 else {**head, "type": kind}

    def operation(action: str, options: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
        return {
            "operationId": f"{action}{resource.kind}",
            "parameters": [parameter(name, kind, "query") for name, kind in options],
            "responses": {"200": {"description": "OK", **body}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _kind_tag(view),
        }

    collection = {"get": operation("list"), "post": operation("post", _OPTIONS)}
    one = {
        "get": operation("get"),
        "put": operation("put", _OPTIONS),
        "patch": operation("patch", (*_OPTIONS, ("force", "boolean"))),
        "delete": operation("delete", _OPTIONS[:1]),
    }
    of_collection = [parameter(name, "string", "path") for name in in_path if name != "name"]
    of_one = [parameter(name, "string", "path") for name in in_path]
    return {
        base: {**collection, "parameters": of_collection},
        f"{base}/{{name}}": {**one, "parameters": of_one},
    }


def _schemas_for(view: View, schemas: dict[str, Schema], where: str) -> str:
    """Add what describes a view's kind; the name of its schema."""
    resource = view.resource
    if resource.schema is not None:
        name = ".".join((*reversed(view.group.split(".")), view.version, resource.kind))
        schemas[name] = _custom(resource.schema, _kind_tag(view), _object_meta(schemas, where))
        return name
    found = model_schema(view.group, view.version, resource.kind)
    name = f"io.k8s.api.{(view.group or 'core').partition('.')[0]}.{view.version}.{resource.kind}"
    if found is None:
        schemas[name] = {"type": "object", "x-kubernetes-group-version-kind": [_kind_tag(view)]}
        return name
    root, definitions = found
    for below, schema in definitions.items():
        schemas[_model_name(below)] = _relocated(schema, where)
    schemas[name] = {**_relocated(root, where), "x-kubernetes-group-version-kind": [_kind_tag(view)]}
    return name


def _custom(schema: Schema, tag: dict[str, str], metadata: Schema) -> Schema:
    properties = {
        "apiVersion": {"type": "string", "description": "The version of the API this object is written in."},
        "kind": {"type": "string", "description": "The kind of this object."},
        "metadata": metadata,
    }
    return {
        **schema,
        "properties": {**(schema.get("properties") or {}), **properties},
        "x-kubernetes-group-version-kind": [tag],
    }


def _object_meta(schemas: dict[str, Schema], where: str) -> Schema:
    found = model_schema("", "v1", "ObjectMeta")
    if found is None:
        return {"type": "object"}
    root, definitions = found
    for below, schema in definitions.items():
        schemas[_model_name(below)] = _relocated(schema, where)
    schemas[f"{_META}.ObjectMeta"] = _relocated(root, where)
    reference = {"$ref": f"{where}{_META}.ObjectMeta"}
    text = "Standard object's metadata."
    return (
        {"allOf": [reference], "description": text}
        if "components" in where
        else {**reference, "description": text}
    )


def _model_name(name: str) -> str:
    """`V1PodSpec` as Kubernetes names it: kubectl shows the last word as the field's type."""
    if name == "V1ObjectMeta":
        return f"{_META}.ObjectMeta"
    found = _VERSIONED.fullmatch(name)
    return f"io.k8s.api.{found[1].lower()}.{found[2]}" if found else f"io.k8s.api.{name}"


def _relocated(schema: Any, where: str) -> Any:
    """A model's schema as Kubernetes writes it: no nulls, no titles, references to where definitions are."""
    if isinstance(schema, list):
        return [_relocated(item, where) for item in schema]
    if not isinstance(schema, dict):
        return schema
    options = [option for option in schema.get("anyOf") or () if option != {"type": "null"}]
    if len(options) == 1:
        schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
    result = {key: _part(key, value, where) for key, value in schema.items() if _is_said(key, value)}
    if "$ref" in result and "components" in where and len(result) > 1:
        result["allOf"] = [{"$ref": result.pop("$ref")}]
    return result


def _is_said(key: str, value: Any) -> bool:
    """Whether Kubernetes' documents have this too."""
    return key not in ("title", "default", "$defs") and not (key == "additionalProperties" and value is False)


def _part(key: str, value: Any, where: str) -> Any:
    if key == "properties":
        return {name: _relocated(below, where) for name, below in value.items()}
    if key == "$ref":
        return where + _model_name(value.rpartition("/")[2])
    if key == "description":
        return str(value).partition("\n\nAttributes:")[0]
    return _relocated(value, where)


_MODELS: dict[str, tuple[Schema, dict[str, Schema]] | None] = {}


def model_schema(group: str, version: str, kind: str) -> tuple[Schema, dict[str, Schema]] | None:
    """The JSON schema of a built-in kind's model and the definitions it refers to; None when there is no model."""
    name = _CLASSES.get((group, kind)) or f"{version.capitalize()}{kind}"
    if name not in _MODELS:
        models = importlib.import_module("kubernetes.client.models")
        model = getattr(models, name, None)
        if model is None:
            _MODELS[name] = None
        else:
            schema = model.model_json_schema()
            _MODELS[name] = schema, schema.get("$defs") or {}
    return _MODELS[name]
