"""Which requests go through a proxy: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as Go programs read them.

NO_PROXY is a list of names (with their subdomains), IP addresses, networks like 10.0.0.0/8, each perhaps with
`:port`, or `*`. Loopback hosts are never proxied.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Proxies"]


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of a process; URLs, perhaps with a password in them, so not shown."""

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    exceptions: tuple[str, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Proxies":
        """As an environment says: capitals first, as in Go."""

        def value(name: str) -> str:
            return (environ.get(name.upper()) or environ.get(name) or "").strip()

        parts = (part.strip().lower() for part in value("no_proxy").split(","))
        return cls(value("http_proxy"), value("https_proxy"), tuple(part for part in parts if part))

    def __bool__(self) -> bool:
        return bool(self.http or self.https)

    def choose(self, scheme: str, host: str, port: int) -> str:
        """The proxy's URL for a request to this host (no brackets), or "" for none."""
        proxy = self.https if scheme == "https" else self.http
        host = host.rstrip(".").lower()
        address = _address(host)
        if not proxy or host == "localhost" or (address is not None and address.is_loopback):
            return ""
        if any(_covers(exception, host, address, port) for exception in self.exceptions):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _covers(exception: str, host: str, address: _Address | None, port: int) -> bool:
    name, colon, its_port = exception.rpartition(":")
    if colon and its_port.isdigit() and _address(exception) is None:
        return int(its_port[:6]) == port and _covers(name, host, address, port)
    if exception == "*":
        return True
    if address is not None:
        return _holds(exception.strip("[]"), address)
    domain = exception.removeprefix("*").removeprefix(".")
    # With a leading dot only the subdomains.
    return host.endswith(f".{domain}") or (host == domain and not exception.startswith((".", "*.")))


def _holds(network: str, address: _Address) -> bool:
    """Is the address this one, or in this network?"""
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
