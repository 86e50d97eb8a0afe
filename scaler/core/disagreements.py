"""Where Tidegate and whoever acts in its place differed about one object: kept briefly, equal ones counted in one entry.

`comparison` finds them; `disagreement_report` tells of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

__all__ = ["KINDS", "Book", "Disagreement", "Kind"]

Kind = Literal["scaled", "not-scaled", "hpa", "metric", "refused"]
KINDS: tuple[Kind, ...] = ("scaled", "not-scaled", "hpa", "metric", "refused")
"""Replicas were changed that we would have left; left, that we would have changed; the HPA is another one than ours; its
numbers are others than those we serve; the object runs although we refuse it."""

_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One of them. `topic` says what about, within its kind; `done` and `wished` are for a person; `reason` is ours.

    `count` is how often it began, `first` when for the first time, and `last` when it was seen last.
    """

    kind: Kind
    topic: str
    done: str
    wished: str
    reason: str
    message: str
    first: datetime
    last: datetime
    count: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal ones have the same."""
        return self.kind, self.topic, self.reason


class Book:
    """All that is kept of one object: the `most` newest by their last sight, and how often each kind began."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._entries: dict[tuple[str, str, str], Disagreement] = {}
        self.begun: Counter[Kind] = Counter()

    def __iter__(self) -> Iterator[Disagreement]:
        """Newest first."""
        return iter(sorted(self._entries.values(), key=lambda entry: entry.last, reverse=True))

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, found: Disagreement) -> None:
        """It was found. An equal one from before takes it in; the newest words stand."""
        self.begun[found.kind] += 1
        known = self._entries.pop(found.key, None)
        if known is not None:
            found = replace(found, first=known.first, count=known.count + 1)
        self._entries[found.key] = found
        while len(self._entries) > self._most:
            del self._entries[min(self._entries, key=lambda key: self._entries[key].last)]

    def goes_on(self, found: Disagreement) -> None:
        """It was found before, and is so still; one with other words is another."""
        known = self._entries.get(found.key)
        if known is None:
            self.begin(found)
        else:
            self._entries[found.key] = replace(found, first=known.first, count=known.count)
