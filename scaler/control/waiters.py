"""Who waits for a query's read: the one under way, or one that is not sent yet."""

import asyncio
from collections import defaultdict

from scaler.control.query import Query
from scaler.control.results import Result

__all__ = ["Waiters"]

Waiting = asyncio.Future[Result]


class Waiters:
    """Futures that a read's end resolves. A cancelled waiter concerns neither the read nor the others."""

    def __init__(self) -> None:
        self._next: defaultdict[Query, list[Waiting]] = defaultdict(list)
        self._present: defaultdict[Query, list[Waiting]] = defaultdict(list)

    def present(self, query: Query) -> Waiting:
        """Resolved by the read under way."""
        return self._add(self._present, query)

    def next(self, query: Query) -> Waiting:
        """Resolved by the next read that is sent."""
        return self._add(self._next, query)

    def sent(self, query: Query) -> None:
        """A read of the query is sent now: those who wait for the next one wait for this."""
        waiting = self._next.pop(query, None)
        if waiting:
            self._present[query] += waiting

    def done(self, query: Query, result: Result) -> None:
        """The read under way has ended."""
        self._resolve(self._present, query, result)

    def give_up(self, query: Query, result: Result) -> None:
        """No read is going to be sent."""
        self._resolve(self._next, query, result)

    def close(self, result: Result) -> None:
        """Nothing will be read any more."""
        for waiting in (self._next, self._present):
            for query in list(waiting):
                self._resolve(waiting, query, result)

    @staticmethod
    def _add(waiting: defaultdict[Query, list[Waiting]], query: Query) -> Waiting:
        future: Waiting = asyncio.get_running_loop().create_future()
        waiting[query].append(future)
        return future

    @staticmethod
    def _resolve(waiting: defaultdict[Query, list[Waiting]], query: Query, result: Result) -> None:
        for future in waiting.pop(query, ()):
            if not future.done():
                future.set_result(result)
