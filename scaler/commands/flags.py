"""Flags that need more than a type: read here, and refused here with exit code 2, a sentence and the flag's name."""

import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import typer

from scaler.clock import SystemClock
from scaler.commands.process import USAGE, fail
from scalers._lib.text import parse_seconds

__all__ = ["address", "clock", "duration", "loopback", "namespaces", "refuse", "writable"]

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z", re.ASCII)


def refuse(flag: str, value: object, words: str) -> typer.Exit:
    """What to raise for a value that cannot be: `words` say what to write instead."""
    return fail(f"{flag} {value}: {words}", USAGE)


def clock() -> SystemClock:
    """The machine's clock, as the environment has it."""
    try:
        return SystemClock.from_env()
    except ValueError as error:
        raise fail(error, USAGE) from error


def duration(text: str, flag: str) -> float:
    """A Go duration above 0, in seconds. A bare number has no unit and is refused."""
    words = "write a duration above 0 with its unit, such as 15s"
    try:
        seconds = parse_seconds(text)
    except ValueError as error:
        raise refuse(flag, text, words) from error
    if seconds <= 0 or (text.isascii() and text.isdigit()):
        raise refuse(flag, text, words)
    return seconds


def address(text: str, flag: str) -> str:
    """An IP address to listen on."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise refuse(flag, text, "write an IP address, such as 127.0.0.1 or 0.0.0.0") from error


def loopback(url: str, flag: str) -> str:
    """The address `http://HOST:PORT` of a listener on this machine; nothing else may be asked without TLS and a login."""
    words = "write http://127.0.0.1:PORT, this machine's own address; a cluster is asked with --kubeconfig"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise refuse(flag, url, words) from error
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "http" or not local or extra:
        raise refuse(flag, url, words)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def namespaces(names: Iterable[str], flag: str = "--namespace") -> tuple[str, ...]:
    """Names of namespaces, each once."""
    unique = tuple(dict.fromkeys(names))
    for name in unique:
        if not _NAMESPACE.match(name):
            raise refuse(
                flag, repr(name), "is no namespace's name: use lower case letters, digits and dashes"
            )
    return unique


def writable(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written, before anything has run."""
    if path.exists() and not path.is_file():
        raise refuse(flag, path, "is there and is no file")
    if not path.parent.is_dir():
        raise refuse(flag, path, f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise refuse(flag, path, f"the folder {path.parent} may not be written to")
