"""The client that the triggers of one HTTP Source share: it asks, and every guard is on its way.

What an answer means is the scaler's business.
"""

import asyncio
import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDictProxy
from yarl import URL

from scalers.http import body, redirects, urls
from scalers.http.credentials import Credentials, Pairs, basic, check_headers
from scalers.http.errors import meaning, words
from scalers.http.oauth import Tokens
from scalers.http.scrub import Scrubber
from scalers.http.tls import Tls
from scalers.http.transport import Transport
from scalers.sdk import Host, InvalidMetadata, Unauthorized, Unavailable

__all__ = ["CONNECTIONS", "TIMEOUT", "Answer", "HttpClient", "open_client"]

TIMEOUT = 3.0
"""The deadline of a read, in seconds (KEDA's default)."""
CONNECTIONS = 16
_SLOWEST_CONNECT = 5.0
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, redirects followed.

    `where` is the URL as it may be shown. `said` are the server's own words where it refused, cleaned.
    """

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    where: str
    said: str = ""

    def refusal(self) -> Unavailable:
        """The error of a status that was not hoped for."""
        return Unavailable(f"{self.where} answers {self.status}" + (f": {self.said}" if self.said else ""))


class HttpClient:
    """See the module. Made by `open_client`."""

    def __init__(
        self, transport: Transport, base: str, credentials: Credentials, *, certificate: bool, slots: int
    ) -> None:
        self._transport = transport
        self._base = base
        self._home: tuple[str, str, int] | None = None
        self._credentials = credentials
        self._certificate = certificate
        self._scrubber = Scrubber(credentials.secrets())
        self._slots = asyncio.Semaphore(slots)
        self._tokens = Tokens(credentials.oauth, self._post) if credentials.oauth else None

    async def get(
        self,
        url: URL | str,
        *,
        headers: Pairs = (),
        secrets: Sequence[str] = (),
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - each trigger has its own
        limit: int = body.LIMIT,
    ) -> Answer:
        """GET a URL. The deadline starts when a connection may be used.

        `headers` are the trigger's own, `secrets` what of them no message may repeat. Answers whatever the
        status but 401 and 403 (Unauthorized). Raises ScalerError.
        """
        asked = urls.bare(urls.absolute(url) if isinstance(url, str) else url)
        if headers:
            check_headers(headers, "headers")
        self._start()
        scrubber = Scrubber((*self._scrubber.secrets, *secrets)) if secrets else self._scrubber
        async with self._slots:
            try:
                async with asyncio.timeout(timeout) as deadline:
                    answer = await self._with_token(_Ask(asked, headers, timeout, limit, scrubber))
            except TimeoutError:
                if not deadline.expired():
                    raise
                raise Unavailable(f"{urls.shown(asked)} does not answer within {timeout:g} s") from None
        if answer.status in {401, 403}:
            raise self._unauthorized(answer)
        return answer

    def _start(self) -> None:
        """Learn from the base URL whom the credentials are for, and perhaps a login."""
        if self._home is not None:
            return
        base = urls.absolute(self._base)
        given = self._credentials
        check_headers(given.headers, "authentication")
        login = urls.login(base)
        if login is not None and not any(name.lower() == "authorization" for name, _ in given.headers):
            headers = (*given.headers, basic(*login))
            self._credentials = Credentials(headers=headers, params=given.params, oauth=given.oauth)
        self._scrubber.add(*self._credentials.secrets(), *(login or ())[1:])
        self._home = urls.origin(base)

    async def _with_token(self, ask: "_Ask") -> Answer:
        """With an access token, if there are such; one that is refused is replaced once."""
        if self._tokens is None:
            return await self._follow(ask, "")
        token = await self._tokens.get()
        self._scrubber.add(token)
        answer = await self._follow(ask, token)
        if answer.status == 401:
            self._tokens.refused(token)
            token = await self._tokens.get()
            self._scrubber.add(token)
            answer = await self._follow(ask, token)
        return answer

    async def _follow(self, ask: "_Ask", token: str) -> Answer:
        """The answer at the end of the redirects."""
        url, hops = ask.url, 0
        while True:
            sent, headers = self._dress(url, ask.headers, token)
            response = await self._transport.send("GET", sent, headers, patience=ask.patience)
            try:
                location = response.headers.get("Location")
                if response.status not in redirects.STATUSES or location is None:
                    return await self._answer(response, urls.shown(url), ask)
                hops += 1
                url = redirects.target(url, location, hops, certificate=self._certificate)
            finally:
                # A connection whose body was not read to the end is closed, any other goes to the pool.
                response.release()

    def _dress(self, url: URL, headers: Pairs, token: str) -> tuple[URL, dict[str, str]]:
        """Credentials and the trigger's own headers are for its own server only."""
        if urls.origin(url) != self._home:
            return url, {}
        credentials = self._credentials
        if credentials.params:
            joint = "&" if url.raw_query_string else "?"
            url = URL(f"{url}{joint}{urllib.parse.urlencode(credentials.params)}", encoded=True)
        dressed = dict(headers)
        dressed.update(credentials.headers)
        if token:
            dressed["Authorization"] = f"Bearer {token}"
        return url, dressed

    @staticmethod
    async def _answer(response: aiohttp.ClientResponse, where: str, ask: "_Ask") -> Answer:
        try:
            content = await body.read(response, ask.limit, where)
        except aiohttp.ClientError as error:
            raise meaning(error, where) from None
        said = ""
        if response.status not in _SUCCESS:
            said = ask.scrubber.clean(words(content, response.content_type))
        return Answer(response.status, response.headers, content, where, said)

    def _unauthorized(self, answer: Answer) -> Unauthorized:
        text = f"{answer.where} answers {answer.status}" + (f": {answer.said}" if answer.said else "")
        if not self._credentials.some and not self._certificate:
            text += "; no credentials were sent (without authModes none are)"
        return Unauthorized(text)

    async def _post(self, url: str, headers: dict[str, str], form: bytes) -> tuple[int, bytes]:
        """What Tokens ask with. Redirects are not followed: they would carry the client's secret away."""
        try:
            target = urls.absolute(url)
        except InvalidMetadata as error:
            raise InvalidMetadata(f"oauthTokenURI {error}") from None
        where = urls.shown(target)
        patience = TIMEOUT * 0.75
        response = await self._transport.send(
            "POST", urls.bare(target), headers, patience=patience, data=form
        )
        try:
            return response.status, await body.read(response, body.LIMIT, where)
        except aiohttp.ClientError as error:
            raise meaning(error, where) from None
        finally:
            response.release()


@dataclass(frozen=True, slots=True)
class _Ask:
    """One read, as it goes through the methods above."""

    url: URL
    headers: Pairs
    timeout: float
    limit: int
    scrubber: Scrubber

    @property
    def patience(self) -> float:
        """Seconds for connecting: fewer than the deadline, so that who cannot be reached is told from who is slow."""
        return min(self.timeout * 0.75, _SLOWEST_CONNECT)


@contextlib.asynccontextmanager
async def open_client(
    host: Host,
    base: str,
    *,
    credentials: Credentials | None = None,
    tls: Tls | None = None,
    connections: int = CONNECTIONS,
    names: AbstractResolver | None = None,
) -> AsyncIterator[HttpClient]:
    """A client for the server of the URL `base`, who alone is shown the credentials (and a login in `base`).

    Connects when first asked. What is wrong with the settings is raised by `get`, as InvalidMetadata.
    `names` looks up host names, by default as the system does.
    """
    tls = tls or Tls()
    transport = Transport(host, tls, connections, names)
    client = HttpClient(
        transport, base, credentials or Credentials(), certificate=bool(tls.cert), slots=connections
    )
    try:
        yield client
    finally:
        await transport.close()
