"""An HTTP server that answers SQS and STS as a test tells it to, and remembers what it was asked.

async with AwsServer() as aws:
    aws.say("GetQueueAttributes", {"Attributes": {...}})        # or a status and headers, or a handler

It says {"Attributes": {<each that is asked for>: "1"}} unless told otherwise, and gives every role its own keys.
"""

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

__all__ = ["Asked", "AwsServer", "error"]

_KEY = re.compile(r"Credential=([^/]*)/\d+/([^/]*)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its operation, its parameters, and the access key and region it was signed for."""

    operation: str
    parameters: dict[str, Any]
    key: str
    region: str
    token: str


Handler = Callable[[web.Request, Asked], Awaitable[web.StreamResponse]]


class AwsServer:
    """See the module. It is at `host`, `port`, `url`."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.open = 0
        """Connections that are open now."""
        self.most = 0
        """The most connections that were open at a time."""
        self.minutes = 60.0
        """How long the keys of a role are good."""
        self._handlers: dict[str, Handler] = {}

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(_Counting(self), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{self.host}:{self.port}"

    def say(
        self, operation: str, answer: Any, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer this operation so from now on: JSON, or bytes as they are, or by a handler."""
        if callable(answer):
            self._handlers[operation] = answer
            return
        body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)

        async def handler(request: web.Request, asked: Asked) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self._handlers[operation] = handler

    def count(self, operation: str) -> int:
        """How often it was asked this."""
        return sum(asked.operation == operation for asked in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.read()
        target = request.headers.get("X-Amz-Target", "")
        if target:
            operation, parameters = target.partition(".")[2], msgspec.json.decode(body)
        else:
            parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            operation = parameters.get("Action", request.path)
        key = _KEY.search(request.headers.get("Authorization", ""))
        asked = Asked(
            operation=operation,
            parameters=parameters,
            key=key[1] if key else "",
            region=key[2] if key else "",
            token=request.headers.get("X-Amz-Security-Token", ""),
        )
        self.asked.append(asked)
        return await self._handlers.get(operation, self._usual)(request, asked)

    async def _usual(self, _request: web.Request, asked: Asked) -> web.StreamResponse:
        if asked.operation.startswith("AssumeRole"):
            return web.Response(body=self._role(asked), content_type="text/xml")
        names = asked.parameters.get("AttributeNames", ())
        return web.json_response({"Attributes": dict.fromkeys(names, "1")})

    def _role(self, asked: Asked) -> str:
        name = asked.parameters["RoleArn"].rpartition("/")[2]
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=self.minutes)
        number = len(self.asked)
        return (
            f"<{asked.operation}Response><{asked.operation}Result><Credentials>"
            f"<AccessKeyId>KEY-{name}-{number}</AccessKeyId><SecretAccessKey>SECRET-{name}</SecretAccessKey>"
            f"<SessionToken>TOKEN-{name}</SessionToken><Expiration>{ends.isoformat()}</Expiration>"
            f"</Credentials></{asked.operation}Result></{asked.operation}Response>"
        )


class _Counting(web.Server):
    def __init__(self, server: AwsServer) -> None:
        super().__init__(server.handle)
        self._of = server

    def connection_made(self, handler: Any, transport: Any) -> None:
        super().connection_made(handler, transport)
        self._of.open += 1
        self._of.most = max(self._of.most, self._of.open)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._of.open -= 1


def error(code: str, message: str = "why it is so") -> dict[str, str]:
    """The body of an error, as SQS writes it."""
    return {"__type": f"com.amazonaws.sqs#{code}", "message": message}
