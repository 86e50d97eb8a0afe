"""The resource endpoints: which method on which part does what; reading and deleting. Writing is in `mutations`."""

from aiohttp import web

from scaler.local import scale
from scaler.local.accept import negotiate
from scaler.local.answers import decode, json_bytes, json_response, read_body
from scaler.local.api import Api
from scaler.local.calls import Call
from scaler.local.deletion import DeleteOptions
from scaler.local.errors import bad_request, forbidden, method_not_allowed, not_found
from scaler.local.lists import Selection, flag, number, page, selection
from scaler.local.mutations import Mutations
from scaler.local.podlog import send_log
from scaler.local.resources import View
from scaler.local.routes import Target
from scaler.local.store import Item
from scaler.local.tokens import issue
from scaler.local.watching import stream
from scaler.local.writes import Guard

__all__ = ["Rest"]

_KEPT_NAMESPACES = ("default", "kube-system", "kube-public")


class Rest:
    """Answers for every stored resource."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._mutations = Mutations(api)

    async def answer(
        self, request: web.BaseRequest, view: View, target: Target, guard: Guard
    ) -> web.StreamResponse:
        """The response to a request for a resource. Raises ApiError."""
        resource = view.resource
        if target.namespace is not None and not resource.namespaced:
            raise not_found(resource, target.name)
        form = negotiate(request.headers.get("Accept", ""))
        now = self._api.clock.now().timestamp()
        call = Call(request, request.query, view, target.namespace or "", target, form, now, guard)
        if resource.namespaced and target.namespace is None and (target.name or request.method == "POST"):
            raise method_not_allowed()
        return await (self._one(call) if target.name else self._collection(call))

    async def _collection(self, call: Call) -> web.StreamResponse:
        resource, method = call.view.resource, call.request.method
        if method == "POST":
            return await self._mutations.create(call)
        if method not in ("GET", "DELETE"):
            raise method_not_allowed()
        select = selection(resource, call.target.namespace, call.query)
        if method == "DELETE":
            return await self._delete_collection(call, select)
        if flag(call.query, "watch"):
            return await self._watch(call, select)
        return call.answer_page(page(self._api.store, self._api.writer.shelf(resource), select, call.query))

    async def _one(self, call: Call) -> web.StreamResponse:
        resource, part = call.view.resource, call.target.subresource
        known = {
            "": True,
            "status": resource.has_status,
            "scale": resource.scale is not None,
            "log": resource.key == ("", "pods"),
            "finalize": resource.key == ("", "namespaces"),
            "token": resource.key == ("", "serviceaccounts"),
        }
        if not known.get(part):
            raise not_found(resource, call.target.name)
        method = call.request.method
        if part == "token":
            return await self._token(call)
        if method == "GET":
            return await self._get(call)
        if method == "PUT":
            return await self._mutations.put(call)
        if method == "PATCH":
            return await self._mutations.patch(call)
        if method == "DELETE" and not part:
            return await self._delete(call)
        raise method_not_allowed()

    async def _get(self, call: Call) -> web.StreamResponse:
        resource, target = call.view.resource, call.target
        item = self._api.writer.need(resource, call.namespace, target.name)
        if target.subresource == "log":
            return await send_log(call.request, self._api.logs, item.obj, call.query)
        if target.subresource == "scale":
            return call.answer_object(scale.read(resource, item.obj))
        return call.answer_item(item)

    async def _token(self, call: Call) -> web.Response:
        if call.request.method != "POST":
            raise method_not_allowed()
        body = decode(await read_body(call.request), call.content_type)
        account = self._api.writer.need(call.view.resource, call.namespace, call.target.name).obj
        return json_response(json_bytes(issue(account, body, self._api.clock.now())), 201)

    async def _watch(self, call: Call, select: Selection) -> web.StreamResponse:
        resource = call.view.resource
        blank = {"kind": resource.kind, "apiVersion": call.view.api_version}
        headed = True

        def line(kind: str, item: Item) -> bytes:
            nonlocal headed
            first, headed = headed, False
            return call.line(kind, item, headed=first)

        api = self._api
        return await stream(
            call.request, api.clock, api.store, api.writer.shelf(resource), select, line, blank
        )

    async def _delete_options(self, call: Call) -> DeleteOptions:
        data = await read_body(call.request)
        body = decode(data, call.content_type) if data.strip() else {}
        if not isinstance(body, dict) or not isinstance(body.get("preconditions") or {}, dict):
            raise bad_request("DeleteOptions must be an object, and its preconditions too")
        conditions = body.get("preconditions") or {}
        policy = body.get("propagationPolicy") or call.query.get("propagationPolicy")
        grace = body.get("gracePeriodSeconds")
        if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
            raise bad_request("DeleteOptions.gracePeriodSeconds must be an integer")
        return DeleteOptions(
            propagation="Orphan" if body.get("orphanDependents") is True else policy,
            grace=number(call.query, "gracePeriodSeconds") if grace is None else grace,
            uid=conditions.get("uid"),
            version=conditions.get("resourceVersion"),
            dry_run=bool(body.get("dryRun") or call.query.get("dryRun")),
        )

    async def _delete(self, call: Call) -> web.Response:
        options = await self._delete_options(call)
        resource, name = call.view.resource, call.target.name
        if resource.key == ("", "namespaces") and name in _KEPT_NAMESPACES:
            raise forbidden(resource, name, "this namespace may not be deleted")
        item, gone = self._api.writer.delete(resource, call.namespace, name, options)
        if not gone or resource.graceful:
            return call.answer_item(item)
        details = {"name": name, "group": resource.group, "kind": resource.plural}
        details = {key: value for key, value in details.items() if value} | {
            "uid": item.obj["metadata"]["uid"]
        }
        return call.answer_object(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    async def _delete_collection(self, call: Call, select: Selection) -> web.Response:
        options = await self._delete_options(call)
        resource = call.view.resource
        found = page(self._api.store, self._api.writer.shelf(resource), select, call.query)
        for item in found.items:
            self._api.writer.delete(resource, item.namespace, item.name, options)
        return call.answer_page(found)
