"""The key `host`: a URL as Go's net/url reads it, since that decides in KEDA whether a trigger is accepted.

Pure. Messages never repeat the text: it usually holds a password.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

__all__ = ["Address", "badly_escaped", "parse"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USERINFO = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*\Z", re.ASCII)
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_NOT_IN_A_HOST = re.compile(r"[ \\^`{|}]")
# A host may escape only what is no ASCII, and the % itself.
_ESCAPED_ASCII = re.compile(r"%(?!25)[0-7]", re.ASCII)
_PORT = re.compile(r"(:[0-9]*)?\Z", re.ASCII)
_NO_PORT = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The parts of a URL. `path` and `parameters` are as they were written, login and host are not escaped.

    `user` None: there is no login. `port` may be larger than any port.
    """

    scheme: str
    user: str | None = None
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    path: str = ""
    parameters: str = field(default="", repr=False)

    @property
    def amqp_vhost(self) -> str:
        """All of the path but its first slash; without any, the broker's default `/`."""
        return unquote(self.path.removeprefix("/")) or "/"

    @property
    def http_vhost(self) -> str:
        """The last part of the path; without one, the broker's default `/`."""
        return unquote(self.path.rpartition("/")[2]) or "/"

    @property
    def folder(self) -> str:
        """The path without its last part: where a proxy has put the management API. Ends without a slash."""
        return "".join(f"/{part}" for part in self.path.split("/")[:-1] if part)

    @property
    def place(self) -> str:
        """host:port for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse(text: str) -> Address:
    """The parts of a URL. Raises ValueError, in words that complete "host ..."."""
    if _CONTROL.search(text):
        raise ValueError("holds a line break or another control character")
    text, _, fragment = text.partition("#")
    _unescape(fragment)
    found = _SCHEME.match(text)
    if found is None and text.startswith(":"):
        raise ValueError("has no scheme before its colon")
    scheme, rest = (found[1].lower(), text[found.end() :]) if found else ("", text)
    rest, _, parameters = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme and ":" in rest.partition("/")[0]:
            raise ValueError("has a colon where only a scheme may have one")
        # Of the form mailto:someone: a URL, but one without a host.
        return Address(scheme=scheme, path="" if scheme else _checked(rest), parameters=parameters)
    if not rest.startswith("//") or (not scheme and rest.startswith("///")):
        return Address(scheme=scheme, path=_checked(rest), parameters=parameters)
    authority, slash, path = rest[2:].partition("/")
    user, password, host, port = _authority(authority)
    return Address(
        scheme=scheme,
        user=user,
        password=password,
        host=host,
        port=port,
        path=_checked(slash + path),
        parameters=parameters,
    )


def _authority(text: str) -> tuple[str | None, str, str, int | None]:
    login, at, place = text.rpartition("@")
    if not _USERINFO.match(login):
        raise ValueError("has a character in its login that must be escaped (%40 for @, %2F for /)")
    user, _, password = login.partition(":")
    if place.startswith("["):
        host, bracket, port = place[1:].rpartition("]")
        if not bracket:
            raise ValueError("lacks the ] of an IPv6 address")
    else:
        host, _, port = place.rpartition(":")
        host, port = (host, f":{port}") if ":" in place else (place, "")
    if not _PORT.match(port):
        raise ValueError("has a port that is no number")
    if _NOT_IN_A_HOST.search(host) or _ESCAPED_ASCII.search(host):
        raise ValueError("has a character in its host name that no host name has")
    return (
        _unescape(user) if at else None,
        _unescape(password),
        _unescape(host),
        min(int(port[1:10]), _NO_PORT) if port[1:] else None,
    )


def _checked(path: str) -> str:
    _unescape(path)
    return path


def _unescape(text: str) -> str:
    if _ESCAPES.search(text):
        raise ValueError("has a % that is followed by no two hexadecimal digits (a % itself is written %25)")
    return unquote(text)


def badly_escaped(text: str) -> bool:
    """Is there a % that begins no escape?"""
    return _ESCAPES.search(text) is not None
