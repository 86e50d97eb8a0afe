"""An API server that misbehaves as told: raw HTTP on a loopback port, for tests of scaler.kube.

By default it lists `objects` and keeps watches open and silent. A test queues other answers, each used once:

    api.lists.append(fails(500))
    api.watches.append(stream(event("ADDED", thing("a", 7)), RESET))

Every request is kept in `requests`. It may be stopped and started again on the same port.
"""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from scaler.kube.access import Access

EOF, CUT, RESET, HANG = "EOF", "CUT", "RESET", "HANG"
"""How a stream goes on: ends in order; closes without an end; resets the connection; says nothing more."""


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def kind(self):
        if self.query.get("watch"):
            return "watch"
        return "list" if self.method == "GET" and "limit" in self.query else self.method


def thing(name, version, namespace="shop", uid=None, **more):
    """A ConfigMap as the API server writes it."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def event(kind, obj):
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version):
    return event(
        "BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}}
    )


def status(code, reason="", message="", **details):
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**body, "message": message or reason, "reason": reason, "details": details, "code": code}


def answers(code, obj, **headers):
    """Answer with a JSON body. Header names are written with underscores."""

    async def answer(exchange):
        body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
        await exchange.answer(code, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def fails(code, reason="", message="", *, retry_after=None, **details):
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return answers(code, status(code, reason, message, **details), **headers)


def lists(*objects, version, token=""):
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    return answers(
        200, {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": list(objects)}
    )


def stream(*parts):
    """Begin a chunked answer; bytes are sent, EOF, CUT, RESET and HANG act, awaitables and callables are used."""

    async def answer(exchange):
        await exchange.begin()
        for part in parts:
            if isinstance(part, bytes):
                await exchange.chunk(part)
            elif callable(part):
                await part()
            else:
                await exchange.finish(part)
                return
        await exchange.finish(HANG)

    return answer


async def hangs(exchange):
    """Accept the request and never answer."""
    await exchange.finish(HANG)


async def resets(exchange):
    await exchange.finish(RESET)


@dataclass
class _Exchange:
    request: Request
    writer: asyncio.StreamWriter
    keep: bool = True

    async def answer(self, code, body, headers):
        fixed = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        await self._head(code, fixed | headers)
        self.writer.write(body)
        await self.writer.drain()

    async def begin(self):
        await self._head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})

    async def chunk(self, data):
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def finish(self, how):
        self.keep = how == EOF
        if how == EOF:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()
        elif how == RESET:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        elif how == HANG:
            await asyncio.Event().wait()

    async def _head(self, code, headers):
        lines = [f"HTTP/1.1 {code} {code}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode())
        await self.writer.drain()


@dataclass
class ScriptedApi:
    objects: dict = field(default_factory=dict)
    version: int = 1
    lists: deque = field(default_factory=deque)
    watches: deque = field(default_factory=deque)
    others: deque = field(default_factory=deque)
    paths: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    port: int = 0

    def __post_init__(self):
        self._server = None
        self._connections = set()

    @property
    def access(self):
        return Access(f"http://127.0.0.1:{self.port}")

    def put(self, *objects):
        for obj in objects:
            self.objects[obj["metadata"]["name"]] = obj
            self.version = max(self.version, int(obj["metadata"]["resourceVersion"]))

    def asked(self, kind):
        """The requests of a kind: "list", "watch", or a method."""
        return [request for request in self.requests if request.kind == kind]

    def counts(self):
        return Counter(request.kind for request in self.requests)

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        """Close the listener and every connection."""
        if self._server is None:
            return
        self._server.close()
        connections, self._connections = self._connections, set()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader, writer):
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head.split(" ")
        headers = {name.title(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        parts = urlsplit(target)
        request = Request(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
        self.requests.append(request)
        exchange = _Exchange(request, writer)
        await self._script(request)(exchange)
        return exchange.keep

    def _script(self, request):
        if request.path in self.paths:
            return self.paths[request.path]
        if request.kind == "watch":
            return self.watches.popleft() if self.watches else stream(HANG)
        if request.kind == "list":
            return self.lists.popleft() if self.lists else lists(*self.objects.values(), version=self.version)
        return self.others.popleft() if self.others else fails(404, "NotFound")


async def until(condition, within=30.0):
    """Return when `condition()` holds, polled; fails after so many real seconds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not reached within {within} s"
        await asyncio.sleep(0.005)
