"""One Source: all triggers that are read over one connection, by one client.

It knows who wants what (members of queries), takes questions (refresh, reread) and the source's own news
(changes). The reading itself is the Dispatcher's.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, cast

from scaler.clock import Clock
from scaler.control.client import Opened, SharedClient
from scaler.control.delivery import Delivery
from scaler.control.dispatcher import Dispatcher
from scaler.control.query import Query, identify
from scaler.control.results import Result, Sink, SourceInfo, TriggerKey, Wanted
from scaler.control.schedule import spread
from scaler.control.source_settings import SourceSettings
from scaler.control.wakeups import Listeners
from scalers.sdk import Change, Connection, Host, Metadata, Scaler, Unavailable

__all__ = ["Source"]


class Source:
    """See the module. Made on the event loop; to be closed when it has become `empty`."""

    def __init__(
        self, connection: Connection, *, clock: Clock, sink: Sink, host: Host, settings: SourceSettings
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._connection = connection
        self._name = _describe(connection)
        self._queries: dict[Any, Query] = {}
        self._scalers: dict[int, Scaler[Any, Any]] = {}
        self._uses: Counter[int] = Counter()
        self._delivery = Delivery(sink, clock)
        self._client = SharedClient(connection, host=host, clock=clock, settings=settings)
        self._listeners = Listeners(clock, settings, source=self._name, changed=self._changed)
        self._dispatcher = Dispatcher(
            self._queries,
            name=self._name,
            clock=clock,
            settings=settings,
            client=self._client,
            delivery=self._delivery,
            connected=self._connected,
        )

    # Who wants what.

    @property
    def remote(self) -> bool:
        """Is somebody else asked?"""
        return bool(self._connection.remote)

    @property
    def describe(self) -> str:
        """The connection's short name; holds no secret."""
        return self._name

    @property
    def empty(self) -> bool:
        """Nobody wants anything read."""
        return not self._queries

    def join(self, wanted: Wanted, *, below: bool, anew: bool) -> Query:
        """Read this trigger from now on; a known one, with this interval, and at once only if `anew`.

        `below`: its object is below its floor.
        """
        identity = identify(wanted.scaler, wanted.metadata, wanted.key)
        query = self._queries.get(identity)
        if query is None:
            fraction = spread(f"{wanted.key.uid}/{wanted.key.index}")
            together = _together(wanted.scaler, wanted.metadata)
            query = Query(self._settings, identity, wanted.scaler, wanted.metadata, fraction, together)
            self._queries[identity] = query
            self._use(wanted.scaler, 1)
        query.join(wanted.key, wanted.interval, now=self._clock.monotonic(), below=below, anew=anew)
        self._dispatcher.replan(query)
        return query

    def leave(self, query: Query, key: TriggerKey, *, below: bool) -> None:
        """Read this trigger no longer; a result on its way is dropped."""
        query.leave(key, below=below)
        if not query.members:
            del self._queries[query.identity]
            self._dispatcher.waiters.give_up(query, self._unwanted())
            self._use(query.scaler, -1)
        self._dispatcher.replan(query)

    def move(self, query: Query, *, below: bool) -> None:
        """A member's object went below its floor, or no longer is."""
        query.below += 1 if below else -1
        if query.dirty:
            self._dispatcher.replan(query)

    # Who asks.

    def backing_off(self, query: Query) -> bool:
        """Would a refresh be answered without a read?"""
        return not self._dispatcher.breaker.closed or query.backoff.open(self._clock.monotonic())

    async def refresh(self, queries: Collection[Query]) -> None:
        """Read these, or wait for their reads that are under way. At once for what is backing off."""
        waits = []
        due = self._clock.monotonic() + self._settings.join
        for query in queries:
            if self._delivery.closed or not query.members or self.backing_off(query):
                continue
            if query.busy:
                waits.append(self._dispatcher.waiters.present(query))
            else:
                query.ask(due, "refresh")
                waits.append(self._dispatcher.waiters.next(query))
                self._dispatcher.replan(query)
        if waits:
            await asyncio.wait(waits)

    async def reread(self, query: Query) -> Result:
        """One read that is sent from now on, whatever the schedule says; not while the breaker is open."""
        if self._delivery.closed or not query.members:
            return self._unwanted()
        if not self._dispatcher.breaker.closed:
            return self._dispatcher.untried()
        query.ask(self._clock.monotonic(), "settle")
        waiting = self._dispatcher.waiters.next(query)
        self._dispatcher.replan(query)
        return await waiting

    def info(self) -> SourceInfo:
        """How it is doing."""
        return SourceInfo(
            describe=self._name,
            kind=type(self._connection).__name__,
            triggers=sum(len(query.members) for query in self._queries.values()),
            queries=len(self._queries),
            connected=self._client.current is not None,
            clients=self._client.opened,
            breaker=str(self._dispatcher.breaker.state),
            error=self._dispatcher.breaker.error,
            listening=self._listeners.listening,
            **asdict(self._dispatcher.counts),
        )

    async def close(self) -> None:
        """End every task and close the client. Whoever waits for a read is answered."""
        self._delivery.closed = True
        self._listeners.follow(None, {})
        await self._dispatcher.close()
        await self._listeners.ended()
        await self._client.close()

    # What the source tells.

    def _connected(self, opened: Opened | None) -> None:
        self._listeners.follow(opened, self._scalers)

    def _use(self, scaler: Scaler[Any, Any], count: int) -> None:
        before = set(self._scalers)
        self._uses[id(scaler)] += count
        if self._uses[id(scaler)]:
            self._scalers[id(scaler)] = scaler
        else:
            del self._uses[id(scaler)], self._scalers[id(scaler)]
        if set(self._scalers) != before:
            self._listeners.follow(self._client.current, self._scalers)

    def _changed(self, scaler: Scaler[Any, Any], change: Change) -> None:
        """Called for each change, which may be thousands a second for one query."""
        if change.metadata is None:
            queries = [query for query in self._queries.values() if query.scaler is scaler]
        else:
            found = self._queries.get(identify(scaler, cast("Metadata", change.metadata)))
            queries = [] if found is None else [found]
        for query in queries:
            if change.active is not None:
                self._push(query, change.active)
            elif query.change(specific=change.metadata is not None):
                self._dispatcher.replan(query)
            else:
                self._dispatcher.counts.dropped += 1

    def _push(self, query: Query, verdict: bool) -> None:  # noqa: FBT001 - what it is about
        now = self._clock.monotonic()
        if query.push(now, verdict):
            result = Result(at=now, moment=self._clock.now(), cause="wake-up", pushed=True, verdict=verdict)
            self._delivery.give(query, [(key, "wake-up") for key in query.members], result)
        else:
            self._dispatcher.counts.dropped += 1

    def _unwanted(self) -> Result:
        return self._delivery.failure(Unavailable("the trigger is no longer wanted"))


def _together(scaler: Scaler[Any, Any], metadata: Metadata) -> bool:
    try:
        return bool(scaler.reads_together(metadata))
    except Exception:  # noqa: BLE001 - a plugin's code
        return False


def _describe(connection: Connection) -> str:
    try:
        return str(connection.describe())
    except Exception:  # noqa: BLE001 - a plugin's code
        return type(connection).__name__
