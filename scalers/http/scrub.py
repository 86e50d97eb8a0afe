"""What of a server's answer may stand in a message: short, on one line, and without our secrets.

Servers and proxies repeat what they were sent: a URL with its key, a header with its token.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["Scrubber"]

_LONGEST = 300
_SHORTEST_SECRET = 3
"""A shorter one would blacken every other word, and is no secret either."""
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")


class Scrubber:
    """Knows the secrets of one client."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets: tuple[str, ...] = ()
        """All that is blackened, the longest first: one may be a part of another."""
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """More secrets, in whichever way they may be written."""
        ways = {way for s in secrets for way in (s, quote(s, safe=""), quote_plus(s))}
        if not ways.issubset(self.secrets):
            known = (one for one in ways.union(self.secrets) if len(one) >= _SHORTEST_SECRET)
            self.secrets = tuple(sorted(known, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """The text on one line, shortened, secrets blackened."""
        text = text[: 20 * _LONGEST]
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = "".join(c if c.isprintable() else " " for c in _USERINFO.sub("***@", text))
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
