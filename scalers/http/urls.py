"""URLs as users write them: http or https, perhaps with a login in them, which no message may show.

They are parsed by the library that connects (yarl), so that what was checked is what is used.
"""

import re

from yarl import URL

from scalers.sdk import InvalidMetadata

__all__ = ["absolute", "bare", "login", "origin", "redacted", "shown"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A URL of these characters alone is sent as it was written, %-escapes included.
_PLAIN = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*\Z", re.ASCII)
# Up to the last @, since a password with an unescaped slash is what makes many a text no URL.
_USERINFO = re.compile(r"(?<=://)[^\s'\"]*@")
_QUERY = re.compile(r"\?[^\s'\"]+")


def absolute(text: str) -> URL:
    """The URL of a text. Raises InvalidMetadata, in words that follow the field's name."""
    if _CONTROL.search(text):
        raise InvalidMetadata("holds a line break or another control character")
    try:
        url = URL(text, encoded=bool(_PLAIN.match(text)))
        host, port = url.host, url.port
    except (ValueError, TypeError):
        raise InvalidMetadata(
            f"{redacted(text)!r} is no URL: write it like http://prometheus.shop:9090"
        ) from None
    if url.scheme not in {"http", "https"}:
        what = f"has the scheme {url.scheme}" if url.scheme else "has no scheme"
        raise InvalidMetadata(f"{redacted(text)!r} {what}: write http://... or https://...")
    if not host or " " in host or not port:
        raise InvalidMetadata(f"{redacted(text)!r} names no host: write it like http://prometheus.shop:9090")
    return url.with_fragment(None) if url.raw_fragment else url


def bare(url: URL) -> URL:
    """Without the login."""
    return url.with_user(None) if url.raw_user is not None or url.raw_password is not None else url


def login(url: URL) -> tuple[str, str] | None:
    """The user and password in a URL."""
    if url.raw_user is None and url.raw_password is None:
        return None
    return url.user or "", url.password or ""


def origin(url: URL) -> tuple[str, str, int]:
    """Scheme, host and port: whom a credential is meant for."""
    return url.scheme, (url.raw_host or "").lower(), url.port or 0


def shown(url: URL) -> str:
    """For messages: where, without login and query, which may hold secrets."""
    host = f"[{url.raw_host}]" if ":" in (url.raw_host or "") else url.raw_host
    port = "" if url.is_default_port() else f":{url.port}"
    _, at, path = url.raw_path.rpartition("@")
    if at:  # In user:12/34@host all after the slash is path, but it was meant as a password.
        path = f"/***@{path}"
    return f"{url.scheme}://{host}{port}{path if path != '/' else ''}"


def redacted(text: str) -> str:
    """Any text with the logins and queries of URLs in it blackened."""
    return _QUERY.sub("?***", _USERINFO.sub("***@", text))
