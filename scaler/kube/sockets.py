"""The sockets under `transport`: how they notice a peer that is gone, and how their errors are said."""

import os
import socket
from contextlib import suppress

import aiohttp

__all__ = ["text", "watchful_socket"]


def text(error: BaseException) -> str:
    """What went wrong, in words that a person can use."""
    # aiohttp's own words show the TLS context's address in memory.
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"{error.host}:{error.port}: {error.certificate_error}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {_reason(error.os_error)}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _reason(error: OSError) -> str:
    """Why, in the system's words: asyncio's repeat the address."""
    # A resolver's numbers are negative, and its words its own.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def watchful_socket(address: tuple[int, int, int, str, object]) -> socket.socket:
    """A TCP socket that notices within about half a minute when its peer has vanished without a word."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
    for name, value in options.items():
        with suppress(AttributeError, OSError):  # Linux has all of them, others some.
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
