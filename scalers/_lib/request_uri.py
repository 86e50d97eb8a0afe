"""What Go's net/url makes of a text as the target of a request: KEDA tells URLs from plain names by it.

Only the path is of interest, and whether there is one at all: what Go refuses is taken for a plain name.
"""

import ipaddress
import re
from urllib.parse import unquote_to_bytes

__all__ = ["path_of"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z", re.ASCII)
_PORT = re.compile(r"(:[0-9]*)?\Z", re.ASCII)
# In a host name, an escape may only stand for a byte that is no ASCII.
_HOST = re.compile(r"""([A-Za-z0-9\-._~!$&'()*+,;=<>"]|[^\x00-\x7f]|%[89A-Fa-f][0-9A-Fa-f])*\Z""")


def path_of(text: str) -> str | None:
    """The decoded path of an absolute URL or an absolute path; None for anything else.

    It is empty for a URL without one, such as `arn:aws:sqs:eu-west-1:1:orders`, which has a scheme and no
    slash. Go's ParseRequestURI, 1.27.
    """
    if not text or _CONTROL.search(text) or text.startswith(":"):
        return None
    if text == "*":
        return text
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() if scheme else 0 :].partition("?")[0]
    if not rest.startswith("/"):
        return "" if scheme else None
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _is_authority(authority):
            return None
        rest = slash + path
    if _BAD_ESCAPE.search(rest):
        return None
    return unquote_to_bytes(rest).decode("utf-8", "replace")


def _is_authority(authority: str) -> bool:
    userinfo, _, host = authority.rpartition("@")
    if not _USERINFO.match(userinfo) or _BAD_ESCAPE.search(userinfo):
        return False
    if host.startswith("["):
        address, bracket, port = host[1:].rpartition("]")
        return bool(bracket) and _is_ipv6(address) and _PORT.match(port) is not None
    name, colon, port = host.partition(":")
    return _HOST.match(name) is not None and _PORT.match(colon + port) is not None


def _is_ipv6(address: str) -> bool:
    try:
        ipaddress.IPv6Address(address.partition("%25")[0])
    except ValueError:
        return False
    return True
