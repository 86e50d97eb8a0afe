"""One request to the API server, done well: the only module that touches HTTP.

- Every attempt has a real deadline; waiting for a free slot does not count against it.
- 429 is honoured for every verb, since the request was not carried out; failures and broken connections are
  repeated for reads only, because after a write nobody knows whether it happened.
- After a 401 or a failed TLS handshake the credentials are loaded anew and the request is sent once more.
- With a fence, each attempt at a write asks it just before it is sent, and must be over in the time it gives.
- Watches have a session of their own: hundreds of long answers must not use up the connections that writes
  need.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from math import inf
from typing import Protocol
from urllib.parse import urlencode

import aiohttp
import structlog
from yarl import URL

from scaler.clock import Clock
from scaler.kube import errors
from scaler.kube.access import Access
from scaler.kube.sockets import text, watchful_socket

__all__ = ["Call", "Fence", "Observer", "Transport"]

_log = structlog.get_logger(__name__)

Observer = Callable[[str, str, int, float], None]
"""Told of every answer: verb, resource (`deployments.apps/scale`), status (0: none came), real seconds."""

_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
_ATTEMPTS = 4
_LONGEST_WAIT = 10.0  # A longer Retry-After is the caller's to plan with.
_FIRST_WAIT = 0.1
_OPENING = 30.0  # kube-apiserver sends a watch's headers at once; a server that does not would be hung.
_AGENT = f"tidegate/{version('tidegate')}"


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask. `verb` and `resource` are for people and metrics; `what` names the object in messages."""

    verb: str
    method: str
    path: str
    resource: str
    what: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"

    @property
    def action(self) -> str:
        """As messages begin: `patch deployments.apps/scale shop/web`."""
        return f"{self.verb} {self.resource} {self.what}".rstrip()


class Fence(Protocol):
    """Who says whether this process may write: the elector, where one of several leads."""

    def time_for_write(self) -> float:
        """Real seconds in which a write sent now must be over; 0 or less: none may be sent."""
        ...


class Transport:
    """See the module. `timeout` is an attempt's deadline (real seconds), `jitter` gives numbers in [0, 1).

    With `read_only` it sends nothing that changes an object.
    """

    def __init__(
        self,
        access: Access,
        clock: Clock,
        *,
        observer: Observer | None = None,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on a back-off.
        timeout: float = 10.0,
        concurrency: int = 32,
        fence: Fence | None = None,
        read_only: bool = False,
    ) -> None:
        self.access = access
        self.clock = clock
        self.jitter = jitter
        self._observer = observer
        self._timeout = timeout
        self._concurrency = concurrency
        self._fence = fence
        self._read_only = read_only
        self._slots = asyncio.Semaphore(concurrency)
        self._renewing = asyncio.Lock()
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._closed = False

    async def request(self, call: Call, *, timeout: float | None = None, patient: bool = True) -> bytes:  # noqa: ASYNC109 - an attempt's, kept by the Clock.
        """The body of a successful answer. Raises KubeError. Without `patient` nothing is repeated."""
        if self._read_only and not _reads(call):
            raise errors.ReadOnly(f"{call.action}: not sent, since this process only observes")
        renewed = False
        attempt = 0
        while True:
            access = self.access
            try:
                async with self._slots:
                    return await self._attempt(call, self._timeout if timeout is None else timeout)
            except errors.KubeError as error:
                if not renewed and _refused(error) and await self._renew(access):
                    renewed = True
                    continue
                attempt += 1
                wait = self._wait(call, error, attempt)
                if not patient or wait is None:
                    raise
            await self.clock.pause(wait)

    async def stream(self, call: Call, *, idle: float) -> AsyncGenerator[bytes, None]:
        """The body as it comes, after an empty piece when it begins.

        Raises KubeError: Unreachable also after `idle` real seconds of silence.
        """
        access = self.access
        try:
            response = await self._open(call, idle)
        except errors.KubeError as error:
            if not _refused(error) or not await self._renew(access):
                raise
            response = await self._open(call, idle)
        try:
            yield b""
            async for piece in response.content.iter_any():
                yield piece
        except _FAILURES as error:
            raise errors.Unreachable(f"{call.action}: cut off: {text(error)}") from error
        finally:
            response.close()

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        self._closed = True
        await self._drop_sessions()

    async def _attempt(self, call: Call, seconds: float) -> bytes:
        seconds = min(seconds, self._time_for(call))
        began, status = self.clock.monotonic(), 0
        try:
            async with (
                self.clock.deadline(seconds),
                await self._send(call, "requests", _NO_TIMEOUT) as response,
            ):
                body = await response.read()
                status = response.status
        except _FAILURES as error:
            raise _unreachable(call, error, seconds) from error
        finally:
            self._observe(call, status, began)
        if status >= 400:
            raise errors.from_response(call.action, status, body, response.headers)
        return body

    async def _open(self, call: Call, idle: float) -> aiohttp.ClientResponse:
        began, status = self.clock.monotonic(), 0
        timeout = aiohttp.ClientTimeout(total=None, sock_read=idle)
        try:
            async with self.clock.deadline(_OPENING):
                response = await self._send(call, "watches", timeout)
                status = response.status
                if status < 400:
                    return response
                async with response:
                    body = await response.read()
        except _FAILURES as error:
            raise _unreachable(call, error, _OPENING) from error
        finally:
            self._observe(call, status, began)
        raise errors.from_response(call.action, status, body, response.headers)

    async def _send(
        self,
        call: Call,
        session: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own.
    ) -> aiohttp.ClientResponse:
        access = self.access
        headers = {"Accept": "application/json"}
        authorization = await access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        query = f"?{urlencode(call.query)}" if call.query else ""
        self._time_for(call)  # The credentials may have taken their time.
        return await self._session(session).request(
            call.method,
            URL(f"{access.server}{call.path}{query}", encoded=True),
            data=call.body,
            headers=headers,
            timeout=timeout,
            proxy=access.proxy,
            server_hostname=access.tls_server_name,
            allow_redirects=False,
        )

    def _time_for(self, call: Call) -> float:
        """Real seconds in which the call must be over. Raises NotLeader when it may not be sent at all."""
        if self._fence is None or _reads(call):
            return inf
        seconds = self._fence.time_for_write()
        if seconds <= 0:
            raise errors.NotLeader(f"{call.action}: not sent, since this process does not lead at the moment")
        return seconds

    def _session(self, name: str) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("the client is closed")
        if name not in self._sessions:
            connector = aiohttp.TCPConnector(
                limit=self._concurrency if name == "requests" else 0,
                ssl=self.access.tls or True,
                socket_factory=watchful_socket,
            )  # trust_env would look for proxies and netrc on every request: half of its cost.
            self._sessions[name] = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                headers={"User-Agent": _AGENT},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[name]

    async def _drop_sessions(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _renew(self, refused: Access) -> bool:
        """Load the credentials anew, unless somebody else just did. True when there are others to try."""
        async with self._renewing:
            if self.access is not refused:
                return True
            renewed = await refused.renew()
            if renewed is None:
                return False
            _log.info("credentials_renewed", server=renewed.server)
            self.access = renewed
            await self._drop_sessions()
            return True

    def _wait(self, call: Call, error: errors.KubeError, attempt: int) -> float | None:
        """How long to wait before the next attempt, in real seconds; None: there is none."""
        if attempt >= _ATTEMPTS or self._closed:
            return None
        after = error.retry_after if isinstance(error, errors.ApiError) else None
        if after is not None and after > _LONGEST_WAIT:
            return None
        curable = isinstance(error, (errors.Unreachable, errors.ServerError)) and not isinstance(
            error.__cause__, TimeoutError
        )
        if isinstance(error, errors.TooManyRequests) or (call.method == "GET" and curable):
            return max(after or 0.0, _FIRST_WAIT * 2.0 ** (attempt - 1) * (0.5 + self.jitter() / 2))
        return None

    def _observe(self, call: Call, status: int, began: float) -> None:
        if self._observer is not None:
            seconds = (self.clock.monotonic() - began) / self.clock.factor
            self._observer(call.verb, call.resource, status, seconds)


_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # The Clock's deadline is the only one.


def _reads(call: Call) -> bool:
    """Does the call change no object? A TokenRequest makes none, though it is posted."""
    return call.method == "GET" or (call.verb == "create" and call.resource == "serviceaccounts/token")


def _refused(error: errors.KubeError) -> bool:
    tls = isinstance(error.__cause__, (aiohttp.ClientSSLError, ssl.SSLError))
    return tls or isinstance(error, errors.Unauthenticated)


def _unreachable(call: Call, error: BaseException, seconds: float) -> errors.Unreachable:
    late = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
    return errors.Unreachable(f"{call.action}: {f'no answer within {seconds:g} s' if late else text(error)}")
