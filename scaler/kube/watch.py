"""How a watch is kept alive: three states and one pure function.

    LISTING ──last page──► WATCHING ──410──► LISTING
       │                      │  ▲ closed after a while: at once, from the last version seen
       └──── failure ───► RESTING ┘ then where it was

`step(position, news) → position` knows nothing of sockets, caches and clocks: reflector.py does what the
position's state says and reports what came of it. The rules that keep the API server safe from us are here:

- a watch that ends cleanly is resumed at once only if it brought something or lived a second;
- the first 410 lists again at once, but a list that brought no progress rests before the next;
- back-off doubles with every failure in a row, up to 5 s while nobody answers (so that we are back within
  seconds when the API server is) and up to 30 s when it answers with failures; `Retry-After` is a minimum.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from scaler.kube import errors

__all__ = ["Ended", "Failed", "Lines", "Listed", "News", "Position", "Rested", "Seen", "State", "step"]

_ALIVE = 1.0
_FIRST_REST = 0.2
_LONGEST_REST = 30.0
_LONGEST_REST_UNREACHABLE = 5.0
_LONGEST_RETRY_AFTER = 120.0
_LONGEST_LINE = 64 * 2**20


class State(Enum):
    """What to do next."""

    LISTING = "listing"
    """Read the page that `token` asks for, the first when it is empty."""
    WATCHING = "watching"
    """Follow the changes after `version`."""
    RESTING = "resting"
    """Wait `delay` seconds."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a watch stands. `after_rest` is the state that resting leads to."""

    state: State = State.LISTING
    version: str = ""
    token: str = ""
    delay: float = 0.0
    after_rest: State = State.LISTING
    failures: int = 0
    """Failures in a row, without progress between them."""
    fresh: bool = False
    """Nothing has been learnt since the last complete list."""
    moved: bool = False
    """The present watch has brought changes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page was read; an empty `token` says that it was the last."""

    version: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The watch brought something up to `version`; a bookmark only says that nothing else happened."""

    version: str
    bookmark: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The server closed the watch in order, so many real seconds after we had asked for it."""

    after: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Listing or watching failed, so many real seconds after we had begun."""

    error: errors.KubeError
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Rested:
    """The delay is over."""


News = Listed | Seen | Ended | Failed | Rested


def step(position: Position, news: News, jitter: float = 1.0) -> Position:
    """The position after `news`. `jitter` (0 to 1) spreads the clients of one server: 0 halves a back-off."""
    match news:
        case Listed(version, ""):
            changes: dict[str, Any] = {
                "state": State.WATCHING,
                "version": version,
                "token": "",
                "fresh": True,
            }
        case Listed(_, token):
            changes = {"token": token}
        case Seen(version, bookmark=True):
            changes = {"version": version}
        case Seen(version):
            changes = {"version": version, "failures": 0, "fresh": False, "moved": True}
        case Rested():
            changes = {"state": position.after_rest, "delay": 0.0}
        case Ended(after) if position.moved or after >= _ALIVE:
            changes = {"failures": 0, "fresh": False, "moved": False}
        case Ended():
            return _rest(position, None, jitter)
        case Failed(error, after):
            return _failed(position, error, after, jitter)
    return replace(position, **changes)


def _failed(position: Position, error: errors.KubeError, after: float, jitter: float) -> Position:
    if position.state is State.LISTING:
        expired = isinstance(error, errors.Gone)  # The token: there is no going on from here.
        return _rest(replace(position, token="" if expired else position.token), error, jitter)
    if position.moved or after >= _ALIVE:
        position = replace(position, failures=0, fresh=False, moved=False)
    if _outdated(error):
        position = replace(position, state=State.LISTING, token="")
        return _rest(position, error, jitter) if position.fresh else position
    if isinstance(error, errors.ApiError) and error.status < 500 and error.status not in {401, 403, 429}:
        # Not served any more, or not understood: what we know is in doubt.
        position = replace(position, state=State.LISTING, token="")
    return _rest(position, error, jitter)


def _outdated(error: errors.KubeError) -> bool:
    """Watching from here is useless: the version is too old, or the API server (restored, emptied) is."""
    if not isinstance(error, errors.ApiError):
        return False
    too_new = any(cause.get("reason") == "ResourceVersionTooLarge" for cause in error.causes)
    return isinstance(error, errors.Gone) or error.reason == "Expired" or too_new


def _rest(position: Position, error: errors.KubeError | None, jitter: float) -> Position:
    failures = position.failures + 1
    longest = _LONGEST_REST_UNREACHABLE if isinstance(error, errors.Unreachable) else _LONGEST_REST
    delay = min(longest, _FIRST_REST * 2.0 ** min(failures - 1, 16)) * (0.5 + jitter / 2)
    if isinstance(error, errors.ApiError) and error.retry_after is not None:
        delay += min(error.retry_after, _LONGEST_RETRY_AFTER)
    return replace(
        position, state=State.RESTING, after_rest=position.state, delay=delay, failures=failures, moved=False
    )


class Lines:
    """Puts lines together from pieces, in time linear in their length, however long a line is."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes, without their ends; empty ones are left out.

        Raises ValueError when a line grows beyond anything the API server can store.
        """
        head, *rest = piece.split(b"\n")
        self._parts.append(head)
        self._length += len(head)
        if self._length > _LONGEST_LINE:
            raise ValueError(f"a line of more than {_LONGEST_LINE} bytes")
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts, self._length = [rest[-1]], len(rest[-1])
        return [line for line in lines if line.strip()]
