"""Which IP addresses a trigger may make us talk to.

A trigger's author chooses the address, but we connect from where we stand: to our own ports by loopback, to
the node's and the cloud's metadata by link-local addresses. An IPv4 address can hide in an IPv6 one, so every
known form of that is unfolded first.
"""

import functools
import ipaddress
from collections.abc import Iterator

__all__ = ["refusal"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = {
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a cloud's metadata address": (
        "fd00:ec2::/64",  # AWS
        "fd20:ce::/64",  # Google Cloud
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
    ),
    "no address of one host": ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
}
# To 0.0.0.0 and :: one connects to this machine.
_LOOPBACK = ("127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128")
_LAST_32_BITS = ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
"""IPv6 prefixes whose last 32 bits are an IPv4 address: compatible, translated (SIIT), NAT64."""


def refusal(address: str, *, allow_loopback: bool) -> str | None:
    """Why a trigger may not reach this IP address (its text, perhaps with a zone), as "is ...", or None.

    Raises ValueError for what is no IP address.
    """
    return _refusal(address.partition("%")[0], allow_loopback)


@functools.lru_cache(maxsize=1024)
def _refusal(address: str, allow_loopback: bool) -> str | None:  # noqa: FBT001 - the cache's key
    for one in _unfolded(ipaddress.ip_address(address)):
        for name, networks in _NETWORKS.items():
            if any(one in network for network in networks):
                return f"is {name}, which no trigger may reach"
        if not allow_loopback and any(one in network for network in _LOOPBACK_NETWORKS):
            return (
                "is a loopback address, which triggers may not reach here (allow_loopback_sources is false)"
            )
    return None


def _unfolded(address: _Address) -> Iterator[_Address]:
    """The address, and the IPv4 addresses that traffic to it may end at."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    hidden = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _FOLDED) and not (address.is_loopback or address.is_unspecified):
        hidden.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    yield from (one for one in hidden if one is not None)


_NETWORKS = {name: tuple(map(ipaddress.ip_network, texts)) for name, texts in _NEVER.items()}
_LOOPBACK_NETWORKS = tuple(map(ipaddress.ip_network, _LOOPBACK))
_FOLDED = tuple(map(ipaddress.ip_network, _LAST_32_BITS))
