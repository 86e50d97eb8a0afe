"""Playing a life at a multiple of its pace: among others, and once more, alone and slower, if it differs in time only.

A fast clock makes long what takes real time: IO, and a machine with other work.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from life_comparison import compared
from lifecycle import Seen, replay
from replica_steps import Verdict

__all__ = ["PATIENCE", "played"]

PATIENCE = 600
"""Seconds that a test may take: one that is to be alone waits until the others are done."""

_FACTOR = float(os.environ.get("TIDEGATE_TIME_FACTOR") or 8)
_SLOW = 2.0


async def played(given: Mapping[str, Any], promised: Mapping[str, Any], folder: Path) -> Seen:
    """Play a record's input. `folder` is one that all workers of this run share."""
    with _floor(folder, alone=False):
        seen = await replay(given, _FACTOR)
    if compared(seen, promised) is Verdict.LATE and _FACTOR > _SLOW:
        with _floor(folder, alone=True):
            seen = await replay(given, _SLOW)
    return seen


@contextmanager
def _floor(folder: Path, *, alone: bool) -> Iterator[None]:
    """Many may be on it, or one alone. Who waits to be alone holds the door, so that nobody overtakes."""
    with (folder / "lifecycle.door").open("w") as door, (folder / "lifecycle.floor").open("w") as floor:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
