"""Requests go out and responses come in: sessions of aiohttp behind the address policy and the proxies.

Nothing is opened before the first request, so that whatever is wrong with the settings is told to whoever
reads.
"""

import asyncio
import contextlib
import functools
import os
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from scalers._lib.proxies import Proxies
from scalers.http import urls
from scalers.http.errors import meaning
from scalers.http.gate import AddressRefused, Gate
from scalers.http.tls import Tls
from scalers.sdk import Host, InvalidMetadata

__all__ = ["Transport"]

_IDLE_SECONDS = 75.0
"""Longer than the usual pollingInterval, so that polls find their connection still open."""
_HEADERS = {"User-Agent": "tidegate", "Accept-Encoding": "identity"}


class Transport:
    """See the module. `names`: where host names are looked up, by default as the system does."""

    def __init__(self, host: Host, tls: Tls, connections: int, names: AbstractResolver | None = None) -> None:
        self._gate = Gate(allow_loopback=host.allow_loopback, names=names)
        self._tls = tls
        self._connections = connections
        self._proxies = Proxies.of(os.environ)
        self._opening = asyncio.Lock()
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: URL, headers: dict[str, str], *, patience: float, data: bytes | None = None
    ) -> aiohttp.ClientResponse:
        """The response, its body still unread: to be released. Redirects are not followed.

        `patience`: seconds for connecting. Raises ScalerError.
        """
        self._gate.check(url.raw_host or "")
        session, proxy = self._direct or await self._open(), ""
        if self._proxied is not None:
            proxy = self._proxies.choose(url.scheme, url.raw_host or "", url.port or 0)
            if proxy:
                await self._check_name(url)
                session = self._proxied
        try:
            return await session.request(
                method,
                url,
                headers=headers,
                data=data,
                allow_redirects=False,
                timeout=_timeout(patience),
                proxy=proxy or None,
            )
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise
            raise meaning(error, urls.shown(url)) from None

    async def close(self) -> None:
        """Close every connection, and wait until that is done."""
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._direct is None:
                context = await self._tls.context()
                if self._proxies:
                    # The operator's own proxy may be anywhere; what it is asked for is checked before.
                    self._proxied = self._session(context=context, gate=None)
                self._direct = self._session(context=context, gate=self._gate)
            return self._direct

    def _session(self, *, context: ssl.SSLContext | bool, gate: Gate | None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=context,
            limit=self._connections,
            keepalive_timeout=_IDLE_SECONDS,
            resolver=gate,
            socket_factory=gate.socket if gate is not None else None,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def _check_name(self, url: URL) -> None:
        """The proxy looks the name up, and may find more than we do: what we find is checked at least."""
        try:
            with contextlib.suppress(ValueError):
                await self._gate.resolve(url.raw_host or "", url.port or 0)
        except AddressRefused as error:
            raise InvalidMetadata(str(error)) from None
        except OSError:
            return


@functools.lru_cache(maxsize=64)
def _timeout(patience: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=patience)
