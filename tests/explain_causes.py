"""The causes of docs/explain.md as data, and how each is injected: a module beside this one for each group.

@cause("below activation")
async def below_activation(redis):
    async with controlled(redis) as run:
        ...
        yield run           # or run, "other-object"

What the command must then print is the page's own row: `…` stands for anything. A pattern that opens with the object's
name is the first line; another is some line.
"""

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaler.commands import explain
from scaler.commands.journal_reader import through_loopback

__all__ = ["CAUSES", "OBJECT", "PAGE", "Row", "cause", "explained", "rows", "told"]

PAGE = Path(__file__).parents[1] / "docs" / "explain.md"
OBJECT = "default/worker"
CAUSES: dict[str, Callable[..., AsyncIterator[Any]]] = {}
_ROW = re.compile(
    r"^\| (?P<cause>[^|`]+?) \| `(?P<reason>\w+)` \| `(?P<line>[^`]+)` \| (?P<mend>[^|]+?) \|$", re.MULTILINE
)


@dataclass(frozen=True)
class Row:
    """A row of the table: what happened, the reason in one word, what is printed, what to do."""

    cause: str
    reason: str
    line: str
    mend: str

    @property
    def first(self):
        return self.line.startswith(OBJECT)

    def matches(self, text):
        """Does the command's output say so, with this reason in its first line?"""
        pattern = ".*".join(map(re.escape, self.line.split("…")))
        lines = text.splitlines() or [""]
        found = (
            re.fullmatch(pattern, lines[0]) if self.first else any(re.search(pattern, x) for x in lines[1:])
        )
        return bool(found) and bool(re.search(rf"\b{self.reason}: ", lines[0]))


def rows():
    """The table, in its order."""
    return [Row(**found.groupdict()) for found in _ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def cause(name):
    """The decorated generator brings this about, and yields a Run (with an object's name, if it is not `worker`)."""

    def register(inject):
        assert name not in CAUSES
        CAUSES[name] = inject
        return inject

    return register


async def explained(run, name="worker", namespace="default"):
    """What `tidegate explain` prints on standard output."""
    server = f"http://127.0.0.1:{run.embedded.tidegate.listener.port}"
    clock = run.embedded.clock
    journals = functools.partial(through_loopback, server, clock)
    said = explain.explanation((namespace, name), "text", 20, journals, clock, follow=False)
    return "\n".join([line async for line in said])


async def told(run, row, name="worker"):
    """Wait until the command names the cause; what it says instead is the failure's message."""
    text = ""
    try:
        async with asyncio.timeout(30):
            while not row.matches(text):
                await asyncio.sleep(0.1)
                with contextlib.suppress(explain.NoAnswerError):
                    text = await explained(run, name)
    except TimeoutError:
        raise AssertionError(f"{row.cause}: expected\n{row.line}\nbut it says\n{text}") from None
    return text
