"""The HTTP side: who may speak, what is asked, which part answers."""

import asyncio

import structlog
from aiohttp import web

from scaler.local.access import Access
from scaler.local.aggregator import Aggregator
from scaler.local.answers import decode, error, json_bytes, json_response, plain, read_body
from scaler.local.api import Api
from scaler.local.discovery import VERSION, Discovery
from scaler.local.errors import ApiError, internal, method_not_allowed
from scaler.local.openapi import OpenApi
from scaler.local.resources import Object
from scaler.local.rest import Rest
from scaler.local.reviews import review
from scaler.local.routes import Target, parse
from scaler.local.users import User

__all__ = ["Server"]

_log = structlog.get_logger(__name__)
_HEALTH = ("healthz", "livez", "readyz")
_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_REVIEW_GROUPS = ("authorization.k8s.io", "authentication.k8s.io")


class Server:
    """Answers every request of the API server's listener."""

    def __init__(self, api: Api, aggregator: Aggregator, access: Access) -> None:
        self._api = api
        self._aggregator = aggregator
        self._access = access
        self._rest = Rest(api)
        self._discovery = Discovery(api.registry)
        self._openapi = OpenApi(api.registry)
        self._building = asyncio.Lock()
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The entry point for aiohttp."""
        try:
            self._check_host(request)
            user = self._access.user(request.headers)
            self._access.check(user, request.method, request.path, request.query)
            return await self._route(request, request.path, user)
        except ApiError as failure:
            return error(failure)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it was, the client is told, and the server goes on
            _log.exception("request_failed", method=request.method, path=request.path)
            return error(internal(f"{type(failure).__name__}: {failure}"))

    def _check_host(self, request: web.BaseRequest) -> None:
        """A browser tricked into resolving some name to 127.0.0.1 must not get in: this server starts processes."""
        name = request.headers.get("Host", "")
        if name in _HOSTS or any(name == f"{host}:{self.port}" for host in _HOSTS):
            return
        raise ApiError(
            403, "Forbidden", f"Host {name!r} is refused: this server answers to 127.0.0.1 and localhost only"
        )

    async def _route(self, request: web.BaseRequest, path: str, user: User) -> web.StreamResponse:
        target = parse(path)
        if target is None:
            return await self._document(request, path)
        if self._aggregator.serves(target.group, target.version):
            return await self._forward(request, user)
        if not target.plural:
            found = self._discovery.resources(target.group, target.version)
            return _not_served() if found is None else json_response(json_bytes(found))
        if target.group in _REVIEW_GROUPS:
            return await self._review(request, target, user)
        view = self._api.registry.view(target.group, target.version, target.plural)
        if view is None:
            return _not_served()
        return await self._rest.answer(request, view, target, self._access.guard(user))

    async def _document(self, request: web.BaseRequest, path: str) -> web.Response:
        """Health, version, discovery above the versions, OpenAPI, the root."""
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        path = path.rstrip("/")
        if path.lstrip("/").partition("/")[0] in _HEALTH:
            return plain("ok")
        if path.startswith("/openapi/"):
            return await self._described(path)
        found = self._found(path)
        return _not_served() if found is None else json_response(json_bytes(found))

    def _found(self, path: str) -> Object | None:
        """The document at a path; None: there is none."""
        aggregated = self._aggregator.versions()
        match path.split("/")[1:]:
            case []:
                return {"paths": list(_PATHS)}
            case ["version"]:
                return VERSION
            case ["api"]:
                return self._discovery.api_versions()
            case ["apis"]:
                return self._discovery.groups(aggregated)
            case ["apis", group]:
                return self._discovery.group(group, aggregated)
        return None

    async def _described(self, path: str) -> web.Response:
        """OpenAPI. Built in a thread when it is asked for the first time: the built-in kinds take seconds."""
        if path == "/openapi/v3":
            return json_response(self._openapi.v3_index())
        async with self._building:
            document: bytes | None = None
            if path == "/openapi/v2":
                document = await asyncio.to_thread(self._openapi.v2)
            elif path.startswith("/openapi/v3/"):
                document = await asyncio.to_thread(self._openapi.v3, path.removeprefix("/openapi/v3/"))
        return _not_served() if document is None else json_response(document)

    async def _review(self, request: web.BaseRequest, target: Target, user: User) -> web.Response:
        if request.method != "POST":
            raise method_not_allowed()
        body = decode(await read_body(request), request.headers.get("Content-Type", ""))
        answer = review(target.plural, target.namespace, body, user, self._access)
        return _not_served() if answer is None else json_response(json_bytes(answer), 201)

    async def _forward(self, request: web.BaseRequest, user: User) -> web.Response:
        status, headers, body = await self._aggregator.forward(
            request.method,
            request.rel_url.raw_path,
            request.rel_url.raw_query_string,
            user=user.name,
            groups=user.groups,
            accept=request.headers.get("Accept", "*/*"),
            headers=request.headers,
            body=await read_body(request),
        )
        dropped = ("content-length", "transfer-encoding", "content-encoding", "connection")
        kept = {name: value for name, value in headers.items() if name.lower() not in dropped}
        return web.Response(status=status, headers=kept, body=body)


def _not_served() -> web.Response:
    return plain("404 page not found\n", 404)
