"""How many items keys hold, whatever their type: what KEDA does in a script on the server, without a script.

Most keys are lists, and a key that does not exist counts as an empty one; so LLEN is asked first, and only
where that is the wrong type is the type asked for, and remembered until it is wrong too.
"""

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from scalers.redis.client import Client
from scalers.redis.errors import first_word, meaning
from scalers.sdk import NoData, ScalerError, Unavailable

__all__ = ["lengths"]

_LIST = "LLEN"
_COUNTS = {b"list": _LIST, b"none": _LIST, b"zset": "ZCARD", b"set": "SCARD", b"hash": "HLEN"}


async def lengths(client: Client, keys: Sequence[bytes]) -> list[int | ScalerError]:
    """The number of items of each key, or what keeps it from being known. Raises when none is known."""
    kinds = client.kinds
    replies = await client.ask([(key, (kinds.get(key, _LIST), key)) for key in keys])
    puzzles = [at for at, reply in enumerate(replies) if _is_wrong_type(reply)]
    if puzzles:
        types = await client.ask([(keys[at], ("TYPE", keys[at])) for at in puzzles])
        known = []
        for at, kind in zip(puzzles, types, strict=True):
            if kind in _COUNTS:
                kinds[keys[at]] = _COUNTS[kind]
                known.append(at)
            else:
                kinds.pop(keys[at], None)
                replies[at] = (
                    kind if isinstance(kind, ReplyError | ScalerError) else _unsupported(keys[at], kind)
                )
        counts = await client.ask([(keys[at], (kinds[keys[at]], keys[at])) for at in known])
        for at, reply in zip(known, counts, strict=True):
            replies[at] = reply
    return [_length(client, key, reply) for key, reply in zip(keys, replies, strict=True)]


def _length(client: Client, key: bytes, reply: Any) -> int | ScalerError:
    if isinstance(reply, int):
        if not reply:
            client.kinds.pop(key, None)  # An empty key does not exist; it may come back as anything.
        return reply
    if isinstance(reply, ScalerError):
        return reply
    asked = f"counting {_shown(key)}"
    if _is_wrong_type(reply):
        return Unavailable(f"{asked}: its type changed meanwhile")
    return (
        meaning(reply, asked)
        if isinstance(reply, ReplyError)
        else Unavailable(f"{asked}: the answer is no number")
    )


def _is_wrong_type(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and first_word(reply) == "WRONGTYPE"


def _unsupported(key: bytes, kind: Any) -> NoData:
    name = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else "unknown"
    return NoData(
        f"{_shown(key)} has the unsupported key type {name}: only list, zset, set and hash can be counted"
    )


def _shown(key: bytes) -> str:
    return repr(key.decode("utf-8", "backslashreplace"))
