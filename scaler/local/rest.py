"""The resource endpoints: from an HTTP request to the calls of `Writer` and back to bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from scaler.local import apply, patch, scale
from scaler.local.accept import Form, negotiate
from scaler.local.answers import decode, json_bytes, json_response, read_body
from scaler.local.api import Api, timestamp
from scaler.local.errors import (
    Cause,
    bad_request,
    forbidden,
    invalid_options,
    method_not_allowed,
    not_found,
    required,
    unsupported_media_type,
)
from scaler.local.lists import Selection, flag, number, page, selection
from scaler.local.podlog import send_log
from scaler.local.resources import Object, View
from scaler.local.routes import Target
from scaler.local.shapes import BuiltinShape, shape_of
from scaler.local.store import Item, clone
from scaler.local.strategic import strategic
from scaler.local.tables import metadata_only, table
from scaler.local.watching import stream
from scaler.local.writes import DeleteOptions, Options

__all__ = ["Rest"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, understood."""

    request: web.BaseRequest
    query: Mapping[str, str]
    view: View
    namespace: str
    target: Target
    form: Form


class Rest:
    """Answers for every stored resource."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def answer(self, request: web.BaseRequest, view: View, target: Target) -> web.StreamResponse:
        """The response to a request for a resource. Raises ApiError."""
        resource = view.resource
        if target.namespace is not None and not resource.namespaced:
            raise not_found(resource, target.name)
        call = _Call(
            request,
            request.query,
            view,
            target.namespace or "",
            target,
            negotiate(request.headers.get("Accept", "")),
        )
        method = request.method
        if not target.name:
            return await self._collection(call, method)
        if resource.namespaced and target.namespace is None:
            raise method_not_allowed()
        self._check_subresource(call)
        if method == "GET":
            return await self._get(call)
        if method == "PUT":
            return await self._put(call)
        if method == "PATCH":
            return await self._patch(call)
        if method == "DELETE" and not target.subresource:
            return await self._delete(call)
        raise method_not_allowed()

    def _check_subresource(self, call: _Call) -> None:
        resource, part = call.view.resource, call.target.subresource
        known = {
            "": True,
            "status": resource.has_status,
            "scale": resource.scale is not None,
            "log": resource.key == ("", "pods"),
            "finalize": resource.key == ("", "namespaces"),
        }
        if not known.get(part):
            raise not_found(resource, call.target.name)

    # Reading

    async def _collection(self, call: _Call, method: str) -> web.StreamResponse:
        resource, query = call.view.resource, call.query
        if method == "POST":
            if resource.namespaced and call.target.namespace is None:
                raise method_not_allowed()
            return await self._create(call)
        if method not in ("GET", "DELETE"):
            raise method_not_allowed()
        select = selection(resource, call.namespace if call.target.namespace is not None else None, query)
        if method == "DELETE":
            return await self._delete_collection(call, select)
        if flag(query, "watch"):
            return await self._watch(call, select)
        return self._list(call, select)

    def _list(self, call: _Call, select: Selection) -> web.Response:
        found = page(self._api.store, self._api.writer.shelf(call.view.resource), select, call.query)
        resource, form = call.view.resource, call.form
        if form.kind == "Table":
            return self._table(call, [self._shown(call.view, item) for item in found.items], found.metadata)
        if form.kind:
            items = b",".join(json_bytes(metadata_only(item.obj)) for item in found.items)
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        else:
            items = b",".join(self._bytes(call.view, item) for item in found.items)
            kind, version = resource.list_kind, call.view.api_version
        head = json_bytes({"kind": kind, "apiVersion": version, "metadata": found.metadata})
        return json_response(head[:-1] + b',"items":[' + items + b"]}", content_type=form.media_type)

    async def _get(self, call: _Call) -> web.StreamResponse:
        resource, target = call.view.resource, call.target
        item = self._api.writer.need(resource, call.namespace, target.name)
        if target.subresource == "log":
            return await send_log(call.request, self._api.logs, item.obj, call.query)
        if target.subresource == "scale":
            return self._object(call, scale.read(resource, item.obj))
        return self._item(call, item)

    async def _watch(self, call: _Call, select: Selection) -> web.StreamResponse:
        view, form = call.view, call.form
        resource = view.resource
        blank = {"kind": resource.kind, "apiVersion": view.api_version}
        headed = True

        def as_object(kind: str, item: Item) -> bytes:
            return b'{"type":"%s","object":%s}\n' % (kind.encode(), self._bytes(view, item))

        def as_form(kind: str, item: Item) -> bytes:
            nonlocal headed
            obj = self._shown(view, item)
            if form.kind == "Table":
                obj = self._as_table(call, [obj], {"resourceVersion": str(item.version)}, headed=headed)
                headed = False
            else:
                obj = metadata_only(obj)
            return json_bytes({"type": kind, "object": obj}) + b"\n"

        api, shelf = self._api, self._api.writer.shelf(resource)
        line = as_form if form.kind else as_object
        return await stream(call.request, api.clock, api.store, shelf, select, line, blank)

    # Writing

    def _options(self, call: _Call, validation: str = "Warn") -> Options:
        query = call.query
        dry_run = query.get("dryRun", "")
        if dry_run not in ("", "All"):
            text = f'Unsupported value: "{dry_run}": supported values: "All"'
            raise invalid_options("Options", Cause("dryRun", "FieldValueNotSupported", text))
        manager = (
            query.get("fieldManager") or call.request.headers.get("User-Agent", "unknown").partition("/")[0]
        )
        return Options(
            manager=manager, dry_run=bool(dry_run), validation=query.get("fieldValidation") or validation
        )

    async def _body(self, call: _Call) -> Any:
        return decode(await read_body(call.request), call.request.headers.get("Content-Type", ""))

    async def _create(self, call: _Call) -> web.Response:
        body, options = await self._body(call), self._options(call)
        return self._item(
            call, self._api.writer.create(call.view, call.namespace, body, options), 201, options
        )

    async def _put(self, call: _Call) -> web.Response:
        body, options, target = await self._body(call), self._options(call), call.target
        writer, resource = self._api.writer, call.view.resource
        if target.subresource == "scale":
            item = writer.need(resource, call.namespace, target.name)
            return self._scaled(call, item, body, options)
        if target.subresource == "finalize":
            return self._finalize(call, body, options)
        if target.subresource == "log":
            raise method_not_allowed()
        item = writer.update(call.view, call.namespace, target.name, body, options, target.subresource)
        return self._item(call, item, 200, options)

    def _scaled(self, call: _Call, item: Item, body: Any, options: Options) -> web.Response:
        resource = call.view.resource
        changed = scale.written(resource, item.obj, body)
        after = self._api.writer.replace(resource, item, changed, options, "")
        return self._object(call, scale.read(resource, after.obj))

    def _finalize(self, call: _Call, body: Any, options: Options) -> web.Response:
        item = self._api.writer.need(call.view.resource, "", call.target.name)
        finalizers = (body.get("spec") or {}).get("finalizers") if isinstance(body, dict) else None
        changed = {**clone(item.obj), "spec": {"finalizers": finalizers or []}}
        return self._item(
            call, self._api.writer.replace(call.view.resource, item, changed, options, ""), 200, options
        )

    async def _patch(self, call: _Call) -> web.Response:
        resource, target = call.view.resource, call.target
        media_type = call.request.headers.get("Content-Type", "").partition(";")[0].strip()
        accepted = (JSON_PATCH, MERGE_PATCH, *(() if resource.custom else (STRATEGIC_PATCH,)), APPLY_PATCH)
        if media_type not in accepted or target.subresource in ("log", "finalize"):
            raise unsupported_media_type(accepted)
        body = decode(await read_body(call.request), media_type, accepted)
        options = self._options(call)
        if media_type == APPLY_PATCH:
            return self._apply(call, body, options)
        item = self._api.writer.need(resource, call.namespace, target.name)
        is_scale = target.subresource == "scale"
        base = scale.read(resource, item.obj) if is_scale else self._shown(call.view, item)
        if media_type == JSON_PATCH:
            changed = patch.json_patch(base, body)
        elif not isinstance(body, dict):
            raise bad_request("a merge patch of an object is an object")
        elif media_type == MERGE_PATCH:
            changed = clone(patch.merge(base, body))
        else:
            changed = strategic(base, body, BuiltinShape())
        if is_scale:
            return self._scaled(call, item, changed, options)
        after = self._api.writer.update(
            call.view, call.namespace, target.name, changed, options, target.subresource
        )
        return self._item(call, after, 200, options)

    def _apply(self, call: _Call, body: Any, options: Options) -> web.Response:
        view, target, writer = call.view, call.target, self._api.writer
        resource = view.resource
        if not call.query.get("fieldManager"):
            raise invalid_options("PatchOptions", required("fieldManager", "is required for apply patch"))
        if target.subresource == "scale":
            raise bad_request("server-side apply of a Scale is not supported; use a merge patch")
        if not isinstance(body, dict) or not body.get("apiVersion") or not body.get("kind"):
            raise bad_request("an applied configuration needs apiVersion and kind")
        body.setdefault("metadata", {}).setdefault("name", target.name)
        if resource.namespaced:
            body["metadata"].setdefault("namespace", call.namespace)
        if resource.has_status and target.subresource != "status":
            body.pop("status", None)
        item = writer.shelf(resource).get(call.namespace, target.name)
        now = timestamp(self._api.clock.now())
        live = None if item is None else self._shown(view, item)
        merged = apply.apply(
            live, body, options.manager, now, shape=shape_of(resource.schema), force=flag(call.query, "force")
        )
        options = Options(
            manager=options.manager, dry_run=options.dry_run, validation=options.validation, applied=True
        )
        if item is None:
            return self._item(call, writer.create(view, call.namespace, merged, options), 201, options)
        after = writer.update(view, call.namespace, target.name, merged, options, target.subresource)
        return self._item(call, after, 200, options)

    # Deleting

    async def _delete_options(self, call: _Call) -> DeleteOptions:
        data = await read_body(call.request)
        body = decode(data, call.request.headers.get("Content-Type", "")) if data.strip() else {}
        if not isinstance(body, dict):
            raise bad_request("DeleteOptions must be an object")
        query = call.query
        conditions = body.get("preconditions") or {}
        policy = body.get("propagationPolicy") or query.get("propagationPolicy")
        if body.get("orphanDependents") is True:
            policy = "Orphan"
        grace = body.get("gracePeriodSeconds")
        return DeleteOptions(
            propagation=policy,
            grace=number(query, "gracePeriodSeconds") if grace is None else grace,
            uid=conditions.get("uid"),
            version=conditions.get("resourceVersion"),
            dry_run=bool(body.get("dryRun") or query.get("dryRun")),
        )

    async def _delete(self, call: _Call) -> web.Response:
        options = await self._delete_options(call)
        resource, name = call.view.resource, call.target.name
        if resource.key == ("", "namespaces") and name in ("default", "kube-system", "kube-public"):
            raise forbidden(resource, name, "this namespace may not be deleted")
        item, gone = self._api.writer.delete(resource, call.namespace, name, options)
        if not gone or resource.graceful:
            return self._item(call, item)
        details = {
            "name": name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": item.obj["metadata"]["uid"],
        }
        details = {key: value for key, value in details.items() if value}
        return self._object(
            call,
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details},
        )

    async def _delete_collection(self, call: _Call, select: Selection) -> web.Response:
        options = await self._delete_options(call)
        resource = call.view.resource
        found = page(self._api.store, self._api.writer.shelf(resource), select, call.query)
        for item in found.items:
            self._api.writer.delete(resource, item.namespace, item.name, options)
        items = b",".join(self._bytes(call.view, item) for item in found.items)
        head = json_bytes(
            {"kind": resource.list_kind, "apiVersion": call.view.api_version, "metadata": found.metadata}
        )
        return json_response(head[:-1] + b',"items":[' + items + b"]}")

    # Forms

    @staticmethod
    def _shown(view: View, item: Item) -> Object:
        return view.outgoing(item.obj) if view.outgoing else item.obj

    def _bytes(self, view: View, item: Item) -> bytes:
        return json_bytes(view.outgoing(item.obj)) if view.outgoing else item.data

    def _item(
        self, call: _Call, item: Item, status: int = 200, options: Options | None = None
    ) -> web.Response:
        headers = None
        if options and options.warnings:
            escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in options.warnings)
            headers = {"Warning": ", ".join(f'299 - "{text}"' for text in escaped)}
        if call.form.kind:
            shown = self._shown(call.view, item)
            metadata = {"resourceVersion": str(item.version)}
            if call.form.kind == "Table":
                return self._table(call, [shown], metadata, status)
            return json_response(json_bytes(metadata_only(shown)), status, headers=headers)
        return json_response(
            self._bytes(call.view, item), status, headers=headers, content_type=call.form.media_type
        )

    def _object(self, call: _Call, obj: Object) -> web.Response:
        return json_response(json_bytes(obj), content_type=call.form.media_type)

    def _table(self, call: _Call, objects: list[Object], metadata: Object, status: int = 200) -> web.Response:
        return json_response(json_bytes(self._as_table(call, objects, metadata)), status)

    def _as_table(
        self, call: _Call, objects: list[Object], metadata: Object, *, headed: bool = True
    ) -> Object:
        include = call.query.get("includeObject") or "Metadata"
        now = self._api.clock.now().timestamp()
        columns = call.view.resource.columns
        return table(columns, objects, now, include=include, metadata=metadata, headed=headed)
