"""`pods/{name}/log`: whoever runs the pods gives the lines, this sends them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from aiohttp import web

from scaler.local.api import Logs
from scaler.local.errors import bad_request
from scaler.local.resources import Object

__all__ = ["send_log"]

_HEADERS = {"Cache-Control": "no-cache, private", "Content-Type": "text/plain"}
_PATIENCE = 0.25
"""Real seconds a refusal may take to show before the answer begins: a follower may wait for its first line for ever."""


async def send_log(
    request: web.BaseRequest, logs: Logs | None, pod: Object, query: Mapping[str, str]
) -> web.StreamResponse:
    """Stream a container's log. Raises 400 when no container can be meant, or nobody runs pods here."""
    name, container = pod["metadata"]["name"], query.get("container") or None
    spec = pod.get("spec") or {}
    names = [item["name"] for field in ("containers", "initContainers") for item in spec.get(field) or ()]
    if container is None and len(spec.get("containers") or ()) > 1:
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    if container is not None and container not in names:
        raise bad_request(f"container {container} is not valid for pod {name}")
    if logs is None:
        raise bad_request(f"pod {name} has no logs: nothing runs pods in this cluster (--pods process does)")
    lines = logs(pod, container, query)
    first = asyncio.ensure_future(_next(lines))
    response = web.StreamResponse(headers=_HEADERS)
    response.enable_chunked_encoding()
    try:
        await asyncio.wait([first], timeout=_PATIENCE)
        chunk = first.result() if first.done() else b""
        await response.prepare(request)
        while chunk is not None:
            if chunk:
                await response.write(chunk)
            chunk = await (first if not first.done() else _next(lines))
        await response.write_eof()
    except ConnectionResetError:
        pass
    finally:
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        close = getattr(lines, "aclose", None)
        if close is not None:
            await close()
    return response


async def _next(lines: AsyncIterator[bytes]) -> bytes | None:
    return await anext(lines, None)
