"""The aggregation layer: APIServices, and the requests passed on to the servers behind them.

As in a real cluster a request goes to the service's address over TLS, with a front-proxy client certificate and the
user in X-Remote-* headers; the server's certificate must be signed by spec.caBundle and name `<service>.<namespace>.svc`.
Only services of type ExternalName have an address here.
"""

import asyncio
import base64
import binascii
import os
import ssl
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from multidict import CIMultiDict
from yarl import URL

from scaler import pki
from scaler.local.api import Api, timestamp
from scaler.local.errors import ApiError
from scaler.local.resources import Key, Object
from scaler.local.store import DELETED, Change

__all__ = ["Aggregator", "Answer", "Unavailable"]

_log = structlog.get_logger(__name__)
_KEY = ("apiregistration.k8s.io", "apiservices")
_CHECK_DEADLINE, _REQUEST_DEADLINE = 5.0, 60.0  # real seconds
_PERIOD, _RETRY = 10.0, 1.0  # schedule seconds between checks of an available and of an unavailable one
_DROPPED = {
    "authorization", "connection", "content-length", "host", "keep-alive", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip

Answer = tuple[int, Mapping[str, str], bytes]


class Unavailable(Exception):
    """The server behind an APIService cannot be asked; the text says why."""


@dataclass(slots=True)
class _Backend:
    """One APIService as it was last seen. `address` None: `problem` says why there is none."""

    name: str
    spec: dict[str, Any]
    context: ssl.SSLContext | None = None
    bundle: str = ""
    available: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Aggregator:
    """Knows the registered APIServices, keeps their Available condition, and forwards."""

    def __init__(self, api: Api, front_proxy: pki.KeyPair) -> None:
        self._api = api
        self._front_proxy = front_proxy
        self._backends: dict[tuple[str, str], _Backend] = {}
        self._session: aiohttp.ClientSession | None = None
        api.store.listeners.append(self._heard)

    async def start(self) -> None:
        """Open the client session."""
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        for backend in self._backends.values():
            self._watch(backend)

    async def close(self) -> None:
        """Stop checking, close every connection."""
        tasks = [backend.task for backend in self._backends.values() if backend.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()
            self._session = None

    def versions(self) -> Iterable[tuple[str, str]]:
        """The (group, version)s other servers serve."""
        return tuple(self._backends)

    def serves(self, group: str, version: str) -> bool:
        """Whether a path belongs to another server."""
        return (group, version) in self._backends

    def _heard(self, key: Key, change: Change) -> None:
        if key == ("", "services"):
            self._service_changed(change.item.namespace, change.item.name)
        if key != _KEY:
            return
        spec = change.item.obj["spec"]
        place = (spec.get("group") or "", spec["version"])
        backend = self._backends.get(place)
        if change.type == DELETED or not spec.get("service"):
            if backend:
                del self._backends[place]
                if backend.task:
                    backend.task.cancel()
        elif backend is None:
            backend = self._backends[place] = _Backend(change.item.name, spec)
            if self._session:
                self._watch(backend)
        elif backend.spec != spec:
            backend.spec = spec
            backend.wake.set()

    def _service_changed(self, namespace: str, name: str) -> None:
        for backend in self._backends.values():
            service = backend.spec["service"]
            if (service["namespace"], service["name"]) == (namespace, name):
                backend.wake.set()

    def _watch(self, backend: _Backend) -> None:
        backend.task = asyncio.create_task(self._keep_checking(backend), name=f"apiservice-{backend.name}")

    async def _keep_checking(self, backend: _Backend) -> None:
        while True:
            backend.wake.clear()
            reason, message = await self._check(backend)
            backend.available = reason == "Passed"
            self._tell(backend, reason, message)
            waiter = asyncio.create_task(backend.wake.wait())
            timer = asyncio.create_task(self._api.clock.sleep(_PERIOD if backend.available else _RETRY))
            try:
                await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiter.cancel()
                timer.cancel()

    async def _check(self, backend: _Backend) -> tuple[str, str]:
        spec = backend.spec
        path = f"/apis/{spec.get('group')}/{spec['version']}"
        headers = {"X-Remote-User": "system:kube-aggregator", "X-Remote-Group": "system:masters"}
        try:
            status, _, _ = await self._send(backend, "GET", path, "", headers, b"", _CHECK_DEADLINE)
        except Unavailable as failure:
            reason = "FailedDiscoveryCheck" if self._address(spec) else "ServiceNotFound"
            return reason, f"failing or missing response from {backend.name}: {failure}"
        if not 200 <= status < 300:
            return "FailedDiscoveryCheck", f"bad status from {path}: {status}"
        return "Passed", "all checks passed"

    def _tell(self, backend: _Backend, reason: str, message: str) -> None:
        """Write the Available condition when it changed."""
        status = "True" if reason == "Passed" else "False"
        try:
            present = self._api.get(*_KEY, "", backend.name)
            conditions: list[Object] = (present.get("status") or {}).get("conditions") or [{}]
            old = conditions[0]
            if (old.get("status"), old.get("reason"), old.get("message")) == (status, reason, message):
                return
            moved = (
                timestamp(self._api.clock.now()) if old.get("status") != status else old["lastTransitionTime"]
            )
            condition = {"type": "Available", "status": status, "lastTransitionTime": moved}
            condition |= {"reason": reason, "message": message}
            patch = {"status": {"conditions": [condition]}}
            self._api.merge_patch(*_KEY, "", backend.name, patch, subresource="status")
        except ApiError as failure:
            if failure.code != 404:
                raise
            return
        _log.info(
            "apiservice_availability", name=backend.name, available=status, reason=reason, message=message
        )

    # Requests

    def _address(self, spec: Mapping[str, Any]) -> tuple[str, int] | None:
        reference = spec["service"]
        try:
            service = self._api.get("", "services", reference["namespace"], reference["name"])
        except ApiError:
            return None
        if service["spec"].get("type") != "ExternalName":
            return None
        return service["spec"]["externalName"], int(reference.get("port") or 443)

    def _context(self, backend: _Backend) -> ssl.SSLContext:
        """Trust of the present caBundle; kept until that changes."""
        spec = backend.spec
        bundle = "insecure" if spec.get("insecureSkipTLSVerify") else str(spec.get("caBundle") or "")
        if backend.context is None or backend.bundle != bundle:
            try:
                if bundle == "insecure":
                    context = pki.client_context(self._front_proxy.certificate, self._front_proxy)
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                else:
                    context = pki.client_context(base64.b64decode(bundle), self._front_proxy)
            except (ssl.SSLError, binascii.Error, ValueError) as failure:
                raise Unavailable(f"spec.caBundle is no certificate: {failure}") from failure
            backend.context, backend.bundle = context, bundle
        return backend.context

    async def forward(
        self,
        method: str,
        path: str,
        query: str,
        *,
        user: str,
        groups: Iterable[str] = (),
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Pass a request on as the given user: `path` is /apis/{group}/{version}/..., `query` the raw query.

        Answers (status, headers, body). 503 when the APIService is not available or its server cannot be reached, 404
        when there is none.
        """
        parts = path.split("/")
        backend = self._backends.get((parts[2], parts[3])) if len(parts) > 3 else None
        if backend is None:
            return _plain(404, "404 page not found\n")
        if not backend.available:
            return _plain(503, "service unavailable\n")
        sent: CIMultiDict[str] = CIMultiDict(
            (name, value)
            for name, value in (headers or {}).items()
            if name.lower() not in _DROPPED and not name.lower().startswith(("x-remote-", "x-forwarded-"))
        )
        host = (headers or {}).get("Host", "kubernetes.default.svc")
        sent["Accept"] = accept
        sent["Audit-Id"] = str(uuid.uuid4())
        forwarded = {"For": "127.0.0.1", "Host": host, "Proto": "https", "Uri": path}
        sent.extend({f"X-Forwarded-{name}": value for name, value in forwarded.items()})
        for group in groups:
            sent.add("X-Remote-Group", group)
        sent["X-Remote-User"] = user
        try:
            return await self._send(backend, method, path, query, sent, body, _REQUEST_DEADLINE)
        except Unavailable as failure:
            backend.wake.set()
            return _plain(503, f"error trying to reach service: {failure}\n")

    async def _send(
        self,
        backend: _Backend,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> Answer:
        address = self._address(backend.spec)
        service = backend.spec["service"]
        if address is None:
            raise Unavailable(
                f"service/{service['name']} in {service['namespace']!r} is not present, or not of type ExternalName"
            )
        if self._session is None:
            raise Unavailable("the cluster is not running")
        context = self._context(backend)
        host, port = address
        url = URL.build(scheme="https", host=host, port=port, path=path, query_string=query, encoded=True)
        name = f"{service['name']}.{service['namespace']}.svc"
        try:
            async with (
                self._api.clock.deadline(deadline),
                self._session.request(
                    method,
                    URL(str(url), encoded=True),
                    headers=CIMultiDict([*headers.items(), ("Host", f"{name}:{port}")]),
                    data=body or None,
                    ssl=context,
                    server_hostname=name,
                    allow_redirects=False,
                    skip_auto_headers=("User-Agent", "Content-Type"),
                ) as response,
            ):
                return response.status, dict(response.headers), await response.read()
        except TimeoutError as failure:
            raise Unavailable(f"no answer within {deadline:g} s") from failure
        except aiohttp.ClientConnectorCertificateError as failure:
            raise Unavailable(f"{host}:{port}: {failure.certificate_error}") from failure
        except aiohttp.ClientConnectorError as failure:
            number = failure.os_error.errno or 0  # A resolver's are negative.
            why = os.strerror(number) if number > 0 else failure.os_error.strerror
            raise Unavailable(f"cannot connect to {host}:{port}: {why}") from failure
        except (aiohttp.ClientError, OSError, ssl.SSLError) as failure:
            raise Unavailable(str(failure) or type(failure).__name__) from failure


def _plain(status: int, text: str) -> Answer:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return status, headers, text.encode()
