"""A server that answers GetQueueAttributes and nothing else, as fast as it can: the load benchmark's SQS.

    python _sqs_stub.py PORT [VISIBLE]

Every queue exists and has VISIBLE messages (3), none in flight, none delayed. moto's server takes 2 to 3 ms of processor
time for a request, which would be all that a benchmark measures; this one takes 0.1 ms. `GET /counts` tells what it
was asked so far as one JSON object: requests, queues (distinct), connections (ever), most (at a time), errors. It checks no
signature, but that there is one.
"""

import asyncio
import sys
from typing import Any

import msgspec
from aiohttp import web

__all__: list[str] = []

_OPERATION = "AmazonSQS.GetQueueAttributes"


class Stub(web.Server):
    """See the module."""

    def __init__(self, visible: int) -> None:
        super().__init__(self._handle)
        self._numbers = {
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
        }
        self._queues: set[str] = set()
        self._requests = self._errors = self._total = self._open = self._most = 0

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """See web.Server."""
        super().connection_made(handler, transport)
        self._total += 1
        self._open += 1
        self._most = max(self._most, self._open)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """See web.Server."""
        super().connection_lost(handler, exc)
        self._open -= 1

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/counts":
            counts = {
                "requests": self._requests,
                "queues": len(self._queues),
                "connections": self._total,
                "most": self._most,
                "errors": self._errors,
            }
            return web.Response(body=msgspec.json.encode(counts), content_type="application/json")
        body = await request.read()
        self._requests += 1
        signed = request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 ")
        if request.headers.get("X-Amz-Target") != _OPERATION or not signed:
            self._errors += 1
            wrong = {
                "__type": "com.amazonaws.sqs#UnsupportedOperation",
                "message": "only GetQueueAttributes, signed",
            }
            return web.Response(status=400, body=msgspec.json.encode(wrong))
        asked = msgspec.json.decode(body)
        self._queues.add(asked["QueueUrl"])
        found = {name: self._numbers[name] for name in asked["AttributeNames"]}
        return web.Response(
            body=msgspec.json.encode({"Attributes": found}), content_type="application/x-amz-json-1.0"
        )


async def main(port: int, visible: int) -> None:
    runner = web.ServerRunner(Stub(visible), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3))
