"""What the HTTP library's exceptions, and a server's refusals, mean to a trigger."""

import contextlib
import os
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from scalers.http.gate import AddressRefused
from scalers.sdk import InvalidMetadata, ScalerError, Unavailable

__all__ = ["meaning", "words"]

_FIELDS = ("error", "error_description", "message", "reason", "detail", "msg")


def meaning(error: Exception, where: str) -> ScalerError:
    """The ScalerError of what aiohttp raised while `where` (a URL as it may be shown) was asked."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
        return InvalidMetadata(str(error.os_error))
    if isinstance(error, aiohttp.InvalidURL):
        return InvalidMetadata(f"{where} cannot be asked: {error.description or 'it is no URL'}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unavailable(f"{where}: the answer breaks off")
    return Unavailable(f"{where}{_happened(error)}", connection=True)


def _happened(error: Any) -> str:
    """The end of a sentence that begins with where it happened."""
    return next(text(error) for kind, text in _HAPPENED if isinstance(error, kind))


def _text(error: BaseException) -> str:
    """In few words: without the address, which is said already, and without places in C code."""
    text = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    number = getattr(error, "errno", None)
    if not text and isinstance(number, int) and number > 0:
        text = os.strerror(number)
    return str(text or getattr(error, "strerror", None) or error) or type(error).__name__


# The first that fits: an error of a subclass stands before its class.
_HAPPENED: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (aiohttp.ClientConnectorDNSError, lambda e: f": {e.host} is not found: {_text(e.os_error)}"),
    (aiohttp.ClientProxyConnectionError, lambda e: f": cannot connect to the proxy: {_text(e.os_error)}"),
    (
        aiohttp.ClientConnectorCertificateError,
        lambda e: f": its certificate is not trusted: {_text(e.certificate_error)}",
    ),
    (aiohttp.ClientSSLError, lambda e: f": TLS fails: {_text(e.os_error)}"),
    (aiohttp.ClientConnectorError, lambda e: f": cannot connect: {_text(e.os_error)}"),
    (aiohttp.ConnectionTimeoutError, lambda _: ": cannot connect in time"),
    (aiohttp.ClientHttpProxyError, lambda e: f": the proxy answers {e.status}"),
    (aiohttp.ClientResponseError, lambda _: " does not answer as HTTP does"),
    (aiohttp.ServerDisconnectedError, lambda _: " hangs up without an answer"),
    (Exception, lambda e: f": {_text(e)}"),
)


def words(body: bytes, content_type: str) -> str:
    """What a server says of its refusal: the usual fields of JSON, or a text. Not for display uncleaned."""
    text = body[:8192].decode("utf-8", "replace")
    if "json" in content_type or text.lstrip().startswith("{"):
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            found = _said(msgspec.json.decode(body))
            if found:
                return found
    return "" if "html" in content_type or text.lstrip().startswith("<") else text


def _said(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    inner = document.get("error")
    if isinstance(inner, dict):
        document = inner
    return ": ".join(document[name] for name in _FIELDS if isinstance(document.get(name), str))
