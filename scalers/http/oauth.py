"""OAuth 2 client credentials (RFC 6749, 4.4): one token at a time, asked for before the old one expires.

A token that is still good outlives a token server that does not answer.
"""

import asyncio
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from scalers.http.credentials import OAuth, basic, forbidden
from scalers.sdk import InvalidMetadata, ScalerError, Unauthorized, Unavailable

__all__ = ["Ask", "Tokens"]

Ask = Callable[[str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Post a form to a URL with these headers. Answers status and body; raises ScalerError."""

_MARGIN = 30.0
"""Seconds before its end at which a token is replaced; at most a tenth of its life."""
_NO_END = 1e9


class Tokens:
    """The tokens of one client."""

    def __init__(self, oauth: OAuth, ask: Ask) -> None:
        self._oauth = oauth
        self._ask = ask
        self._token = ""
        self._renew_at = self._ends_at = 0.0
        self._asking = asyncio.Lock()
        self._in_body = False

    async def get(self) -> str:
        """A token. Raises ScalerError."""
        if self._now() < self._renew_at:
            return self._token
        async with self._asking:
            if self._now() < self._renew_at:
                return self._token
            try:
                await self._renew()
            except Unavailable:
                if self._now() >= self._ends_at:
                    raise
            return self._token

    def refused(self, token: str) -> None:
        """The server did not accept this token: the next one is a new one."""
        if token == self._token:
            self._renew_at = self._ends_at = 0.0

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _renew(self) -> None:
        asked = self._now()
        status, body = await self._post()
        if status in {400, 401} and not self._in_body:
            # Some servers want client_id and client_secret in the form and do not know the header.
            self._in_body = True
            second, text = await self._post()
            if second == 200:
                status, body = second, text
            else:
                self._in_body = False
        document = _decoded(body)
        if status != 200:
            raise self._refusal(status, document)
        token, life = document.get("access_token"), document.get("expires_in")
        if not isinstance(token, str) or not token or forbidden("Authorization", token):
            raise Unavailable("the token server answers without an access_token")
        try:
            seconds = float(life) if life else _NO_END
        except (TypeError, ValueError):
            seconds = _NO_END
        self._token = token
        self._ends_at = asked + seconds
        self._renew_at = self._ends_at - min(_MARGIN, seconds / 10)

    async def _post(self) -> tuple[int, bytes]:
        oauth = self._oauth
        form = [("grant_type", "client_credentials"), *oauth.params]
        if oauth.scopes:
            form.append(("scope", " ".join(oauth.scopes)))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._in_body:
            form += [("client_id", oauth.client_id), ("client_secret", oauth.client_secret)]
        else:
            quoted = (urllib.parse.quote_plus(text) for text in (oauth.client_id, oauth.client_secret))
            headers.update([basic(*quoted)])
        return await self._ask(oauth.token_url, headers, urllib.parse.urlencode(form).encode())

    def _refusal(self, status: int, document: dict[str, Any]) -> ScalerError:
        code = document.get("error")
        text = f"the token server answers {status}" + (f" ({code})" if isinstance(code, str) else "")
        if code in {"invalid_scope", "unsupported_grant_type", "invalid_request"}:
            return InvalidMetadata(f"{text}: check scopes and endpointParams")
        if status in {400, 401, 403}:
            return Unauthorized(f"{text}: it refused clientID or clientSecret")
        return Unavailable(text)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
