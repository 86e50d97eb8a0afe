"""What Redis tells of changed keys, kept for whoever reads them until it is fetched.

News is kept as a set of keys, so a flood of it takes no more room than the keys do. Each kind of trigger
fetches its own, since one Source may be read by several scalers. Whoever is told is held weakly: a trigger
that nobody wants any more is forgotten without a word.
"""

import asyncio
import weakref
from collections.abc import Sequence

from scalers.sdk import Change, Metadata

__all__ = ["SWEEP", "News", "Newsroom"]

SWEEP = 64
"""Keys more than twice those known before the last clean-up: then those without readers are dropped."""


class News:
    """For triggers of one kind."""

    def __init__(self) -> None:
        self._readers: dict[bytes, weakref.WeakSet[Metadata]] = {}
        self._sweep_at = SWEEP
        self._changed: set[bytes] = set()
        self._all_changed = False
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._changed)

    @property
    def known(self) -> int:
        """How many keys somebody has read."""
        return len(self._readers)

    def reads(self, key: bytes, metadata: Metadata) -> None:
        """Tell of changes to `key` as changes of this trigger. To be called before the key is read."""
        readers = self._readers.get(key)
        if readers is None:
            if len(self._readers) >= self._sweep_at:
                self._readers = {known: those for known, those in self._readers.items() if those}
                self._sweep_at = 2 * len(self._readers) + SWEEP
            readers = self._readers[key] = weakref.WeakSet()
        readers.add(metadata)

    def told(self, keys: Sequence[bytes] | None) -> None:
        """These keys have changed; None: any key may have."""
        if keys is None:
            self._all_changed = True
        else:
            self._changed.update(key for key in keys if key in self._readers)
        self._arrived.set()

    def nudge(self) -> None:
        """Make `wait` return, for something else than news."""
        self._arrived.set()

    def take(self) -> list[Change]:
        """What is new since the last time."""
        self._arrived.clear()
        changed, self._changed = self._changed, set()
        if self._all_changed:
            self._all_changed = False
            return [Change()]
        return [Change(metadata) for key in changed for metadata in list(self._readers.get(key, ()))]

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until there is news or a nudge (True), or the time is over (False)."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True


class Newsroom:
    """The news of every kind of trigger that reads from one client."""

    def __init__(self) -> None:
        self._by_kind: dict[type[Metadata], News] = {}

    def of(self, kind: type[Metadata]) -> News:
        """The news for triggers of exactly this class."""
        news = self._by_kind.get(kind)
        if news is None:
            news = self._by_kind[kind] = News()
        return news

    def told(self, keys: Sequence[bytes] | None) -> None:
        """See News."""
        for news in self._by_kind.values():
            news.told(keys)

    def nudge(self) -> None:
        """See News."""
        for news in self._by_kind.values():
            news.nudge()
