"""Who is due when: a heap of items with one due time each, and the spread that keeps a herd apart.

Pure: times are arguments, in seconds.
"""

import heapq
import itertools
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

__all__ = ["EPSILON", "Schedule", "spread"]

EPSILON = 1e-6
"""Times closer than this are the same: a sleep may end a rounding error before the time it was asked for."""

T = TypeVar("T", bound=Hashable)


def spread(name: str) -> float:
    """A fraction in (0, 1]: always the same for a name, and evenly spread over different ones."""
    return (int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) + 1) / 2**32


class Schedule(Generic[T]):
    """Each item is due at most once. Entries of items moved or dropped stay in the heap until cleared."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._due: dict[T, tuple[float, int]] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._due)

    def put(self, item: T, due: float) -> None:
        """`item` is due then, and no longer when it was due before."""
        current = self._due.get(item)
        if current is not None and current[0] == due:
            return
        number = next(self._order)
        self._due[item] = (due, number)
        heapq.heappush(self._heap, (due, number, item))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(at, order, thing) for thing, (at, order) in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, item: T) -> None:
        """`item` is not due at all."""
        self._due.pop(item, None)

    def next(self) -> float | None:
        """When the first is due; None when nothing is."""
        while self._heap and not self._holds(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float, ahead: float = 0.0, slack: Callable[[T], float] = lambda _: 0.0) -> list[T]:
        """Remove and answer the items that are due, in order.

        Of the items due within `ahead` seconds more, those come along whose `slack` (how much too early each
        may be) allows it.
        """
        taken, left = [], []
        while (due := self.next()) is not None and due <= now + ahead + EPSILON:
            entry = heapq.heappop(self._heap)
            if due <= now + max(0.0, slack(entry[2])) + EPSILON:
                taken.append(entry[2])
                del self._due[entry[2]]
            else:
                left.append(entry)
        for entry in left:
            heapq.heappush(self._heap, entry)
        return taken

    def _holds(self, entry: tuple[float, int, T]) -> bool:
        return self._due.get(entry[2]) == entry[:2]
