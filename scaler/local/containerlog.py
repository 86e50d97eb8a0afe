"""What a container wrote: its last lines in memory, for `pods/{name}/log`.

stdout and stderr share one pipe, so lines stand in the order they were written. The oldest lines go when the
log is over its size; a follower that was too slow goes on with the oldest line still there.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

LIMIT = 1 << 20
"""Bytes kept per container."""

_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The query parameters of `pods/{name}/log`."""

    container: str | None = None
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None


class Log:
    """The lines of one run of a container."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lines: deque[tuple[datetime, bytes]] = deque()
        self._first = 0  # the number of the oldest line held
        self._size = 0
        self._partial = b""
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    def feed(self, data: bytes, now: datetime) -> None:
        """Add what was read; a line counts when it ends (or is 64 KiB long)."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._add(line + b"\n", now)
        while len(self._partial) > _LONGEST_LINE:
            self._add(self._partial[:_LONGEST_LINE], now)
            self._partial = self._partial[_LONGEST_LINE:]
        self._notify()

    def close(self, now: datetime) -> None:
        """The run is over: a last line without an end is kept, followers end."""
        if self._partial:
            self._add(self._partial, now)
            self._partial = b""
        self._closed = True
        self._notify()

    def _add(self, line: bytes, now: datetime) -> None:
        self._lines.append((now, line))
        self._size += len(line)
        while self._size > self._limit and len(self._lines) > 1:
            self._size -= len(self._lines.popleft()[1])
            self._first += 1

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def text(self) -> str:
        """All that is held."""
        return b"".join(line for _, line in self._lines).decode(errors="replace")

    async def read(self, options: LogOptions) -> AsyncIterator[bytes]:
        """The lines asked for; with `follow`, further ones until the run is over."""
        number = self._start(options)
        left = options.limit_bytes
        while True:
            chunk = b"".join(_shown(line, options) for line in self._since(number) if _recent(line, options))
            number = self._first + len(self._lines)
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            if chunk:
                yield chunk
            if left == 0 or not options.follow or (self._closed and number == self._first + len(self._lines)):
                return
            await self._more(number)

    def _start(self, options: LogOptions) -> int:
        if options.tail_lines is None:
            return self._first
        return max(self._first, self._first + len(self._lines) - options.tail_lines)

    def _since(self, number: int) -> list[tuple[datetime, bytes]]:
        return list(islice(self._lines, max(0, number - self._first), None))

    async def _more(self, number: int) -> None:
        if self._closed or number < self._first + len(self._lines):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


def _recent(line: tuple[datetime, bytes], options: LogOptions) -> bool:
    return options.since is None or line[0] >= options.since


def _shown(line: tuple[datetime, bytes], options: LogOptions) -> bytes:
    if not options.timestamps:
        return line[1]
    return line[0].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line[1]
