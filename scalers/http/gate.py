"""The address policy of triggers, kept where connections are made.

It looks at the address that is connected to, so it does not matter how the address was written, what a name
resolved to, or whether it resolves to something else the next time (DNS rebinding). What it refuses is an
OSError to the HTTP library, and InvalidMetadata to everybody else.
"""

import asyncio
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from scalers._lib.addresses import refusal
from scalers.sdk import InvalidMetadata

__all__ = ["AddressRefused", "Gate"]

_LOOKUP_SECONDS = 2.5
"""Shorter than the default deadline of a read, so that a name server that does not answer is named."""


class AddressRefused(OSError):
    """A trigger may not reach this address."""


class Gate(AbstractResolver):
    """A resolver that answers only with permitted addresses, and the last look before a socket is made.

    `names`: where names are looked up; by default the system's resolver, in threads.
    """

    def __init__(self, *, allow_loopback: bool, names: AbstractResolver | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._names = names or ThreadedResolver()

    def check(self, host: str) -> None:
        """Raise InvalidMetadata if `host` is an IP address that is refused. Names pass: see `resolve`."""
        try:
            reason = refusal(host, allow_loopback=self._allow_loopback)
        except ValueError:
            return
        if reason is not None:
            raise InvalidMetadata(f"{host} {reason}")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The permitted addresses. Raises AddressRefused when there are none, OSError when it is unknown."""
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                found = await self._names.resolve(host, port, family)
        except TimeoutError:
            raise OSError("the name server does not answer") from None
        reasons = [refusal(one["host"], allow_loopback=self._allow_loopback) for one in found]
        good = [one for one, reason in zip(found, reasons, strict=True) if reason is None]
        if not found:
            raise OSError(f"{host} has no address")
        if not good:
            raise AddressRefused(f"{host} resolves to {found[0]['host']}, which {reasons[0]}")
        return good

    def socket(self, addr_info: Any) -> socket.socket:
        """Make the socket that will be connected to `addr_info`. Raises AddressRefused."""
        family, kind, protocol, _, address = addr_info
        reason = refusal(address[0], allow_loopback=self._allow_loopback)
        if reason is not None:
            raise AddressRefused(f"{address[0]} {reason}")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def close(self) -> None:
        """See AbstractResolver."""
        await self._names.close()
