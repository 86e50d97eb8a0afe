"""What a client shows to its server, and the rules for what may stand in a header.

Headers are lines of text: a value with a line break in it would be headers of the attacker's own.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scalers.sdk import InvalidMetadata

__all__ = ["Credentials", "OAuth", "Pairs", "basic", "check_headers", "forbidden"]

Pairs = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z", re.ASCII)
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
"""Headers that say how the message is to be read: whoever sets them smuggles a second request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """OAuth 2 client credentials: who asks which server for tokens. `params` are sent along."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    params: Pairs = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Headers and query parameters that go to the client's own server, and to no other."""

    headers: Pairs = field(default=(), repr=False)
    params: Pairs = field(default=(), repr=False)
    oauth: OAuth | None = None

    @property
    def some(self) -> bool:
        """Is anything shown at all?"""
        return bool(self.headers or self.params or self.oauth)

    def secrets(self) -> Iterator[str]:
        """What no message may repeat."""
        for _, value in (*self.headers, *self.params):
            yield value
            scheme, _, rest = value.partition(" ")  # Of "Bearer x": x.
            yield rest
            if scheme == "Basic":
                yield _password(rest)
        if self.oauth is not None:
            yield self.oauth.client_secret
            yield from (value for _, value in self.oauth.params)


def basic(user: str, password: str) -> tuple[str, str]:
    """The header of HTTP basic authentication."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _password(encoded: str) -> str:
    """Of a basic login; servers are seen to repeat it decoded."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def forbidden(name: str, value: str) -> str | None:
    """Why this header may not be sent, or None. Repeats no value."""
    if not _NAME.match(name):
        return f"{name!r} is no name of a header"
    if name.lower() in _OURS:
        return f"the header {name} is not yours to set"
    if _NOT_IN_A_VALUE.search(value):
        return f"the value of the header {name} holds a line break or another control character"
    return None


def check_headers(headers: Iterable[tuple[str, str]], where: str) -> None:
    """Raise InvalidMetadata for the first header that may not be sent; `where` names the field."""
    for name, value in headers:
        problem = forbidden(name, value)
        if problem is not None:
            raise InvalidMetadata(f"{where}: {problem}")
