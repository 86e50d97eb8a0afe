"""Redis Cluster's map: which node serves which key.

A key belongs to one of 16,384 slots by the checksum of its name, or of the part between the first { and the
next }, if that is not empty; each slot belongs to one master.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from scalers.redis.errors import meaning
from scalers.sdk import InvalidMetadata, Unavailable

__all__ = ["SLOTS", "Address", "SlotMap", "redirection", "slot_map", "slot_of"]

SLOTS = 16384
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SlotMap:
    """`masters` are all that serve a slot; `by_slot` is one for each slot, None where nobody does."""

    masters: tuple[Address, ...]
    by_slot: tuple[Address | None, ...]

    def of(self, key: bytes) -> Address | None:
        """The node that serves this key."""
        return self.by_slot[slot_of(key)]


def slot_of(key: bytes) -> int:
    """The slot of a key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    # CRC16-CCITT from 0, which is the checksum of the specification.
    return binascii.crc_hqx(key, 0) % SLOTS


def slot_map(reply: Any, asked: Address) -> SlotMap:
    """The map in an answer to CLUSTER SLOTS by the node at `asked`. Raises ScalerError."""
    if isinstance(reply, ReplyError):
        text = str(reply)
        if "cluster support disabled" in text or "unknown command" in text.lower():
            raise InvalidMetadata(
                f"{asked[0]}:{asked[1]} is no node of a Redis Cluster ({text[:80]}); for one server use the "
                "type without -cluster"
            )
        raise meaning(reply, "asking for the cluster's slots")
    by_slot: list[Address | None] = [None] * SLOTS
    masters: dict[Address, None] = {}
    try:
        for start, end, master, *_ in reply:
            address = _announced(master, asked)
            masters[address] = None
            for slot in range(start, end + 1):
                by_slot[slot] = address
    except (TypeError, ValueError, IndexError) as error:
        raise Unavailable(f"{asked[0]}:{asked[1]} answered CLUSTER SLOTS with something else") from error
    if not masters:
        raise Unavailable(f"{asked[0]}:{asked[1]} knows no node that serves slots", connection=True)
    return SlotMap(tuple(masters), tuple(by_slot))


def redirection(reply: ReplyError, asked: Address) -> Address | None:
    """Where `MOVED slot host:port` and `ASK slot host:port` point to; without a host, to the node asked."""
    _, _, place, *_ = (*str(reply).split(" "), "", "")
    host, colon, port = place.rpartition(":")
    try:
        return (_host(host, asked), _port(port)) if colon else None
    except ValueError:
        return None


def _announced(master: Sequence[Any], asked: Address) -> Address:
    """The place of a node in CLUSTER SLOTS: host, port, identity and perhaps more of its names.

    A node that does not know its host says nothing or ?: it is the one asked, or one whose IP address stands
    among its further names.
    """
    host, port, *more = master
    name = host.decode() if isinstance(host, bytes) else ""
    if name in {"", "?"}:
        further = more[1] if len(more) > 1 else {}
        pairs = further if isinstance(further, dict) else dict(zip(further[::2], further[1::2], strict=False))
        ip = pairs.get(b"ip", b"")
        name = ip.decode() if isinstance(ip, bytes) else ""
    return _host(name, asked), _port(port)


def _host(name: str, asked: Address) -> str:
    return asked[0] if name in {"", "?"} else name


def _port(port: str | int) -> int:
    number = int(port)
    if not 0 < number < 65536:
        raise ValueError(port)
    return number
