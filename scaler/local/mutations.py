"""Requests that change one object: POST, PUT and the four kinds of PATCH."""

import asyncio
from typing import Any

from aiohttp import web

from scaler.local import apply, patch, scale
from scaler.local.answers import decode, read_body
from scaler.local.api import Api, timestamp
from scaler.local.calls import Call
from scaler.local.errors import (
    Cause,
    bad_request,
    invalid_options,
    method_not_allowed,
    required,
    unsupported_media_type,
)
from scaler.local.lists import flag
from scaler.local.openapi import model_schema
from scaler.local.resources import Object
from scaler.local.shapes import BuiltinShape, shape_of
from scaler.local.store import Item, clone
from scaler.local.strategic import strategic
from scaler.local.strict import unknown_fields
from scaler.local.writes import Options, undecodable

__all__ = ["Mutations"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def _options(call: Call, *, applied: bool = False) -> Options:
    query = call.query
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        text = f'Unsupported value: "{dry_run}": supported values: "All"'
        raise invalid_options("Options", Cause("dryRun", "FieldValueNotSupported", text))
    agent = call.request.headers.get("User-Agent", "unknown").partition("/")[0]
    return Options(
        manager=query.get("fieldManager") or agent,
        dry_run=bool(dry_run),
        validation=query.get("fieldValidation") or "Warn",
        applied=applied,
        guard=call.guard,
    )


class Mutations:
    """Answers requests that write."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create(self, call: Call) -> web.Response:
        """POST to a collection."""
        body, options = decode(await read_body(call.request), call.content_type), _options(call)
        await self._check_strictly(call, body, options)
        item = self._api.writer.create(call.view, call.namespace, body, options)
        return call.answer_item(item, 201, options.warnings)

    async def put(self, call: Call) -> web.Response:
        """PUT of an object, its status, its scale or a namespace's finalizers."""
        body, options = decode(await read_body(call.request), call.content_type), _options(call)
        writer, resource, target = self._api.writer, call.view.resource, call.target
        if target.subresource == "log":
            raise method_not_allowed()
        item = writer.need(resource, call.namespace, target.name)
        if target.subresource == "scale":
            return self._scaled(call, item, body, options)
        if target.subresource == "finalize":
            spec = body.get("spec") if isinstance(body, dict) else None
            body = {**clone(item.obj), "spec": {"finalizers": (spec or {}).get("finalizers") or []}}
            return call.answer_item(writer.replace(resource, item, body, options, ""))
        await self._check_strictly(call, body, options)
        after = writer.update(call.view, call.namespace, target.name, body, options, target.subresource)
        return call.answer_item(after, 200, options.warnings)

    async def patch(self, call: Call) -> web.Response:
        """PATCH by the body's media type."""
        resource, target = call.view.resource, call.target
        media_type = call.content_type.partition(";")[0].strip()
        accepted = (JSON_PATCH, MERGE_PATCH, *(() if resource.custom else (STRATEGIC_PATCH,)), APPLY_PATCH)
        if media_type not in accepted or target.subresource in ("log", "finalize"):
            raise unsupported_media_type(accepted)
        body = decode(await read_body(call.request), media_type, accepted)
        if media_type == APPLY_PATCH:
            return await self._apply(call, body)
        options = _options(call)
        await self._prepare_strictness(call, options)
        # From here to the write nothing waits: what is read is what is patched.
        item = self._api.writer.need(resource, call.namespace, target.name)
        if target.subresource == "scale":
            changed = _patched(scale.read(resource, item.obj), body, media_type)
            return self._scaled(call, item, changed, options)
        changed = _patched(call.shown(item), body, media_type)
        self._check_fields(call, changed, options)
        after = self._api.writer.update(
            call.view, call.namespace, target.name, changed, options, target.subresource
        )
        return call.answer_item(after, 200, options.warnings)

    def _scaled(self, call: Call, item: Item, body: Any, options: Options) -> web.Response:
        resource = call.view.resource
        changed = scale.written(resource, item.obj, body)
        after = self._api.writer.replace(resource, item, changed, options, "")
        return call.answer_object(scale.read(resource, after.obj))

    async def _apply(self, call: Call, body: Any) -> web.Response:
        view, target, writer = call.view, call.target, self._api.writer
        resource = view.resource
        options = _options(call, applied=True)
        if not call.query.get("fieldManager"):
            raise invalid_options("PatchOptions", required("fieldManager", "is required for apply patch"))
        if target.subresource == "scale":
            raise bad_request("server-side apply of a Scale is not supported; use a merge patch")
        if not isinstance(body, dict) or not isinstance(body.get("metadata") or {}, dict):
            raise bad_request("an applied configuration is an object with apiVersion, kind and metadata")
        if not body.get("apiVersion") or not body.get("kind"):
            raise bad_request("an applied configuration needs apiVersion and kind")
        await self._check_strictly(call, body, options)
        own = body.get("metadata") or {}
        identity = {"name": target.name} | ({"namespace": call.namespace} if resource.namespaced else {})
        body = {**body, "metadata": {**identity, **own}}
        if target.subresource == "status":
            body = {key: value for key, value in body.items() if key != "spec"}
        elif resource.has_status:
            body.pop("status", None)
        item = writer.shelf(resource).get(call.namespace, target.name)
        merged = apply.apply(
            None if item is None else call.shown(item),
            body,
            options.manager,
            timestamp(self._api.clock.now()),
            shape=shape_of(resource.schema),
            force=flag(call.query, "force"),
        )
        if item is None:
            created = writer.create(view, call.namespace, merged, options)
            return call.answer_item(created, 201, options.warnings)
        after = writer.update(view, call.namespace, target.name, merged, options, target.subresource)
        return call.answer_item(after, 200, options.warnings)

    # Strict validation of built-in kinds needs their schemas, whose first use takes a while: that happens in a thread.

    async def _prepare_strictness(self, call: Call, options: Options) -> None:
        if options.validation == "Strict" and not call.view.resource.custom:
            view = call.view
            await asyncio.to_thread(model_schema, view.group, view.version, view.resource.kind)

    def _check_fields(self, call: Call, body: Any, options: Options) -> None:
        view = call.view
        if options.validation != "Strict" or view.resource.custom or not isinstance(body, dict):
            return
        found = model_schema(view.group, view.version, view.resource.kind)
        unknown = list(unknown_fields(body, *found)) if found else []
        if unknown:
            raise undecodable(view.resource, unknown)

    async def _check_strictly(self, call: Call, body: Any, options: Options) -> None:
        await self._prepare_strictness(call, options)
        self._check_fields(call, body, options)


def _patched(base: Object, body: Any, media_type: str) -> Any:
    if media_type == JSON_PATCH:
        return patch.json_patch(base, body)
    if not isinstance(body, dict):
        raise bad_request("a merge patch of an object is an object")
    if media_type == MERGE_PATCH:
        return clone(patch.merge(base, body))
    return strategic(base, body, BuiltinShape())
