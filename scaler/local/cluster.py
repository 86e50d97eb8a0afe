"""The embedded cluster as one object: start it, get a kubeconfig, close it; nothing is left behind.

It holds the API server alone: storage, HTTP, garbage collection, aggregation. Whoever starts it adds controllers.
"""

import asyncio
import base64
import secrets
import ssl
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from scaler import pki
from scaler.clock import Clock
from scaler.local.access import Access
from scaler.local.aggregator import Aggregator
from scaler.local.api import Api
from scaler.local.collector import Collector
from scaler.local.rbac import GROUP as RBAC
from scaler.local.rbac_defaults import defaults
from scaler.local.server import Server
from scaler.local.users import ADMIN

__all__ = ["Cluster"]

HOST = "127.0.0.1"
FRONT_PROXY_NAME = "front-proxy-client"
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_LONGEST_LINE = 65_536  # bytes of a request line or header: selectors can be long
_DRAIN = 0.1  # real seconds that open requests get when the listener closes


class Cluster:
    """An in-memory Kubernetes API server on https://127.0.0.1. Use it as an async context manager, or start and close."""

    def __init__(self, clock: Clock) -> None:
        self.token = secrets.token_urlsafe(32)
        self._ca = pki.make_ca("tidegate-local")
        self._front_proxy_ca = pki.make_ca("tidegate-front-proxy")
        front_proxy = pki.issue(self._front_proxy_ca, FRONT_PROXY_NAME, client=True)
        serving = pki.issue(self._ca, "kube-apiserver", hosts=(HOST, "localhost", "::1"))
        self._tls: ssl.SSLContext = pki.server_context(serving)
        self.api = Api(clock)
        self.aggregator = Aggregator(self.api, front_proxy)
        self._collector = Collector(self.api)
        self.access = Access(self.api, self.token)
        self._server = Server(self.api, self.aggregator, self.access)
        self._listener: asyncio.Server | None = None
        self._connections: web.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._populate()

    def __repr__(self) -> str:
        return f"Cluster({self.url if self.port else 'not started'})"

    @property
    def port(self) -> int:
        """The listener's port; 0 before the start."""
        return self._server.port

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"https://{HOST}:{self.port}"

    @property
    def ca(self) -> bytes:
        """The certificate (PEM) that signed the API server's."""
        return self._ca.certificate

    async def __aenter__(self) -> Self:
        if not self.port:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1 (port 0: any free one), and begin to collect garbage."""
        await self._listen(port)
        await self.aggregator.start()
        self._task = asyncio.create_task(self._collector.run(), name="collector")

    async def close(self) -> None:
        """Stop everything; open watches and requests end."""
        await self.close_listener()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.aggregator.close()

    async def close_listener(self) -> None:
        """Refuse connections and cut those there are; the state stays."""
        if self._listener is None or self._connections is None:
            return
        listener, connections = self._listener, self._connections
        self._listener = self._connections = None
        listener.close()
        connections.pre_shutdown()  # Idle ones end at once.
        await connections.shutdown(_DRAIN)
        await listener.wait_closed()

    async def open_listener(self) -> None:
        """Listen again, on the same port."""
        if self._listener is None:
            await self._listen(self.port)

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        # A client that goes away ends its request: else watches and followed logs would wait for it for ever.
        self._connections = web.Server(
            self._server.handle,
            handler_cancellation=True,
            access_log=None,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        self._listener = await loop.create_server(self._connections, HOST, port, ssl=self._tls, backlog=1024)
        self._server.port = self._listener.sockets[0].getsockname()[1]

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with the admin's token."""
        authority = base64.b64encode(self.ca).decode()
        name = "tidegate-local"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": self.url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": ADMIN.name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": ADMIN.name}}],
            "current-context": name,
        }

    def _populate(self) -> None:
        """What every cluster has: namespaces, Roles, and what aggregated servers need to know of the front proxy."""
        for name in _NAMESPACES:
            self.api.create("", "namespaces", "", {"metadata": {"name": name}})
        for plural, namespace, obj in defaults():
            self.api.create(RBAC, plural, namespace, obj)
        data = {
            "client-ca-file": self._ca.certificate.decode(),
            "requestheader-client-ca-file": self._front_proxy_ca.certificate.decode(),
            "requestheader-allowed-names": [FRONT_PROXY_NAME],
            "requestheader-username-headers": ["X-Remote-User"],
            "requestheader-group-headers": ["X-Remote-Group"],
            "requestheader-extra-headers-prefix": ["X-Remote-Extra-"],
        }
        texts = {
            key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for key, value in data.items()
        }
        config = {"metadata": {"name": "extension-apiserver-authentication"}, "data": texts}
        self.api.create("", "configmaps", "kube-system", config)
