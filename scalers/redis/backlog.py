"""How many entries wait in streams: all, those not acknowledged, or those not yet delivered to a group.

The lag of a group is told since Redis 7. A server that is older is found out by its version, before a group is
there to show that it lacks the lag; one that does not give its version (it may be refused) is found out then.
Valkey and others that speak for Redis 7 give that version as theirs.
"""

import enum
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from hiredis import ReplyError

from scalers.redis.client import Client, Question
from scalers.redis.errors import first_word, meaning
from scalers.sdk import InvalidMetadata, NoData, NotFound, ScalerError, Unavailable

__all__ = ["Backlog", "Mode", "backlogs"]

_INFO = ("INFO", "server")
_VERSION = re.compile(rb"^redis_version:(\d+)[.\w]*", re.MULTILINE)
_LAG_SINCE = 7


class Mode(enum.Enum):
    """What is counted."""

    LENGTH = "length"
    PENDING = "pending"
    LAG = "lag"


class Backlog(NamedTuple):
    """What is asked for. `group` counts for PENDING and LAG."""

    stream: bytes
    group: bytes
    mode: Mode

    @property
    def question(self) -> Question:
        """How to ask for it."""
        match self.mode:
            case Mode.LENGTH:
                return (self.stream, ("XLEN", self.stream))
            case Mode.PENDING:
                return (self.stream, ("XPENDING", self.stream, self.group))
            case Mode.LAG:
                return (self.stream, ("XINFO", "GROUPS", self.stream))


async def backlogs(client: Client, wanted: Sequence[Backlog]) -> list[int | ScalerError]:
    """The numbers, or what keeps them from being known. Raises ScalerError when none is known."""
    questions = dict.fromkeys(backlog.question for backlog in wanted)
    lagging = next((backlog for backlog in wanted if backlog.mode is Mode.LAG), None)
    if lagging is not None and not client.tells_lag:
        questions[(lagging.stream, _INFO)] = None
    replies = dict(zip(questions, await client.ask(list(questions)), strict=True))
    too_old = None if lagging is None else _too_old(client, replies.get((lagging.stream, _INFO)))
    found = [
        too_old
        if too_old is not None and backlog.mode is Mode.LAG
        else _number(backlog, replies[backlog.question])
        for backlog in wanted
    ]
    # For a group that is not there yet, all that the stream holds is to be delivered.
    groupless = [at for at, number in enumerate(found) if number is None]
    lengths = [wanted[at]._replace(mode=Mode.LENGTH) for at in groupless]
    counts = await client.ask([length.question for length in lengths]) if lengths else []
    for at, length, reply in zip(groupless, lengths, counts, strict=True):
        found[at] = _number(length, reply)
    return [number for number in found if number is not None]


def _too_old(client: Client, info: Any) -> ScalerError | None:
    """Why the server cannot tell lags, by its version; None when it can, or does not give its version."""
    version = _VERSION.search(info) if isinstance(info, bytes) else None
    if version is not None and int(version[1]) < _LAG_SINCE:
        return InvalidMetadata(
            f"lagCount needs Redis {_LAG_SINCE} or newer, and the server says it is {version[0].decode()[14:]}; "
            "leave lagCount out to count pending entries"
        )
    client.tells_lag = client.tells_lag or version is not None
    return None


def _number(backlog: Backlog, reply: Any) -> int | ScalerError | None:
    """What a reply says; None: the stream has no such group."""
    asked = f"counting the stream {_shown(backlog.stream)}"
    if isinstance(reply, ScalerError):
        return reply
    if isinstance(reply, ReplyError):
        return _refusal(backlog, reply, asked)
    number = reply
    if backlog.mode is Mode.PENDING:
        number = reply[0] if isinstance(reply, list) and reply else None
    elif backlog.mode is Mode.LAG:
        group = _group(backlog.group, reply)
        if group is None:
            return None
        if b"lag" not in group:
            return InvalidMetadata(
                f"{asked}: the server does not tell the lag of groups; leave lagCount out to count pending entries"
            )
        number = group[b"lag"]
        if number is None:
            return NoData(
                f"{asked}: the server cannot tell how far the group {_shown(backlog.group)} is behind, as it "
                "happens after entries were deleted or a group began in the middle; it can again when the group "
                "has read to the end"
            )
    return number if isinstance(number, int) else Unavailable(f"{asked}: the answer is no number")


def _refusal(backlog: Backlog, reply: ReplyError, asked: str) -> int | ScalerError:
    word = first_word(reply)
    if word == "NOGROUP":
        return NotFound(
            f"{asked}: the stream does not exist, or it has no consumer group {_shown(backlog.group)}; create the "
            "group with XGROUP CREATE ... MKSTREAM, or give lagCount, which counts without it"
        )
    if word == "WRONGTYPE":
        return NoData(f"{_shown(backlog.stream)} is a key of another type, and no stream")
    if backlog.mode is Mode.LAG and "no such key" in str(reply).lower():
        return 0
    return meaning(reply, asked)


def _group(name: bytes, reply: Any) -> dict[bytes, Any] | None:
    """The group's properties in an answer to XINFO GROUPS: maps with RESP3, flat lists without."""
    for group in reply if isinstance(reply, list) else ():
        properties = group if isinstance(group, dict) else dict(zip(group[::2], group[1::2], strict=False))
        if properties.get(b"name") == name:
            return properties
    return None


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "backslashreplace"))
