"""An HTTP server whose every answer the test writes, in the test's own loop; it remembers what it was asked.

async with Pages() as pages:
    pages["/queue"] = '{"size": 7}'
    pages.url("/queue"), pages.requests[-1].headers
"""

import inspect
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from multidict import CIMultiDict

__all__ = ["Asked", "Pages", "moved"]


@dataclass(frozen=True)
class Asked:
    """One request, its URL as it was sent."""

    method: str
    target: str
    headers: CIMultiDict
    body: bytes


class Pages:
    """See the module. A page is text, a status, or a function of the request that answers a response."""

    def __init__(self, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = 0
        self.requests: list[Asked] = []
        self._tls = tls
        self._pages: dict[str, Any] = {}

    def __setitem__(self, path: str, page: str | int | Callable[[web.BaseRequest], Any]) -> None:
        self._pages[path] = page

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    @property
    def base(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def url(self, path: str) -> str:
        return self.base + path

    def asked(self, path: str) -> list[Asked]:
        return [one for one in self.requests if one.target.partition("?")[0] == path]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(
            Asked(request.method, request.raw_path, CIMultiDict(request.headers), await request.read())
        )
        page = self._pages.get(request.path, 404)
        if isinstance(page, int):
            return web.Response(status=page, text="")
        if isinstance(page, str):
            return web.Response(text=page)
        answer = page(request)
        return await answer if inspect.isawaitable(answer) else answer


def moved(location: str, status: int = 302) -> Callable[[web.BaseRequest], web.Response]:
    """A page that redirects."""
    return lambda _request: web.Response(status=status, headers={"Location": location})
