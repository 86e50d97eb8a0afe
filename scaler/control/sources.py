"""All sources that are read: which trigger belongs to which Source, by equality of connection.

Cost follows sources, not objects: a thousand triggers on one Redis are one client and one pipelined read. The
reconciler says what it wants, the sink is told what came of it, and the metrics adapter asks for fresh
values. A rotated secret is simply another connection; the old Source serves until the reconciler wants the
new one.

Belongs to one event loop. The parts: Source (one connection), Dispatcher (its reading), Query (when and why),
Listeners (wake-ups), reader (calls scalers), SharedClient, breaker, schedule, lots.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

from scaler.clock import Clock
from scaler.control.query import Query
from scaler.control.results import Cause, Result, Sink, SourceInfo, TriggerKey, Wanted
from scaler.control.source import Source
from scaler.control.source_settings import SourceSettings
from scalers.sdk import Connection, Host, Metadata, Unavailable

__all__ = ["Cause", "Result", "Sink", "SourceInfo", "SourceSettings", "Sources", "TriggerKey", "Wanted"]

_DEFAULTS = SourceSettings()


class Place(NamedTuple):
    """Where a trigger is read, and what of."""

    source: Source
    query: Query
    metadata: Metadata


class Sources:
    """See the module. `sink` gets every result; nothing here raises for what a source does."""

    def __init__(self, clock: Clock, sink: Sink, *, host: Host, settings: SourceSettings = _DEFAULTS) -> None:
        self._clock = clock
        self._sink = sink
        self._host = host
        self._settings = settings
        self._sources: dict[Hashable, Source] = {}
        self._places: dict[str, dict[TriggerKey, Place]] = {}
        self._below: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def want(self, uid: str, triggers: Sequence[Wanted]) -> None:
        """Read exactly these triggers of the object: new and changed ones at once, others as they were due."""
        if self._closed:
            return
        before = self._places.pop(uid, {})
        below = uid in self._below
        after = {}
        for wanted in triggers:
            source = self._source(wanted.metadata.connection)
            known = before.get(wanted.key)
            anew = known is None or known.metadata != wanted.metadata
            query = source.join(wanted, below=below, anew=anew)
            after[wanted.key] = Place(source, query, wanted.metadata)
        if after:
            self._places[uid] = after
        for key, place in before.items():
            kept = after.get(key)
            if kept is None or kept.query is not place.query:
                place.source.leave(place.query, key, below=below)
        self._drop_empty({place.source for place in before.values()})

    def forget(self, uid: str) -> None:
        """The object is gone: read nothing for it. A result on its way is dropped."""
        self.want(uid, ())
        self._below.discard(uid)

    def below_floor(self, uid: str, below: bool) -> None:  # noqa: FBT001 - what it is about
        """May wake-ups act for the object? (Unknown: no.) What changed before is read at once."""
        if below == (uid in self._below):
            return
        if below:
            self._below.add(uid)
        else:
            self._below.discard(uid)
        for place in self._places.get(uid, {}).values():
            place.source.move(place.query, below=below)

    def source_of(self, key: TriggerKey) -> Source | None:
        """Where a trigger is read; None for one that is not, or that asks nobody."""
        place = self._place(key)
        return place.source if place is not None and place.source.remote else None

    def backing_off(self, key: TriggerKey) -> bool:
        """Would a refresh of this trigger return without a read, since it or its source failed just now?"""
        place = self._place(key)
        return place is not None and place.source.backing_off(place.query)

    async def refresh(self, keys: Collection[TriggerKey]) -> None:
        """Return when these have been read anew, or failed to be, in one batch per source.

        Joins reads that are under way. At once for what is unknown or backing off. The caller has the
        deadline; its cancellation stops no read.
        """
        wanted: defaultdict[Source, dict[Query, None]] = defaultdict(dict)
        for key in keys:
            if (place := self._place(key)) is not None:
                wanted[place.source][place.query] = None
        await asyncio.gather(*(source.refresh(queries) for source, queries in wanted.items()))

    async def reread(self, key: TriggerKey) -> Result:
        """One read that is sent after the call. An error at once while the breaker is open."""
        place = self._place(key)
        if place is not None:
            return await place.source.reread(place.query)
        return self._error("the trigger is no longer wanted")

    async def settle(self, key: TriggerKey, first: float) -> Result:
        """Read again until two reads agree: the first message of a burst is often alone when it is seen.

        `first` is the number (of the first metric) that is about to activate the object. A read every
        `settle_step` seconds, no longer than `settle_limit`: then the last read counts. Many triggers that
        settle at once share batches. The result has an error only if no read succeeded at all.
        """
        place = self._place(key)
        best = place.query.last if place is not None else None
        number = first
        try:
            async with self._clock.deadline(self._settings.settle_limit):
                while True:
                    await self._clock.pause(self._settings.settle_step)
                    result = await self.reread(key)
                    if result.error is not None:
                        return best or result
                    best = result
                    if result.readings[0].value == number:
                        return result
                    number = result.readings[0].value
        except TimeoutError:
            return best or self._error("did not answer while settling")

    def sources(self) -> list[SourceInfo]:
        """How every source is doing."""
        return [source.info() for source in self._sources.values()]

    async def close(self) -> None:
        """Close everything. Nothing is delivered any more."""
        self._closed = True
        self._places.clear()
        for source in self._sources.values():
            self._retire(source)
        self._sources.clear()
        while self._closing:
            await asyncio.wait(self._closing)

    def _place(self, key: TriggerKey) -> Place | None:
        return self._places.get(key.uid, {}).get(key)

    def _source(self, connection: Connection) -> Source:
        identity: Hashable = (type(connection), connection)
        try:
            hash(identity)
        except TypeError:  # A plugin's connection that cannot be compared is shared with nobody.
            identity = (type(connection), id(connection))
        source = self._sources.get(identity)
        if source is None:
            source = self._sources[identity] = Source(
                connection, clock=self._clock, sink=self._sink, host=self._host, settings=self._settings
            )
        return source

    def _drop_empty(self, sources: Collection[Source]) -> None:
        empty = {source for source in sources if source.empty}
        if empty:
            self._sources = {key: source for key, source in self._sources.items() if source not in empty}
            for source in empty:
                self._retire(source)

    def _retire(self, source: Source) -> None:
        task = asyncio.create_task(source.close(), name="close source")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _error(self, message: str) -> Result:
        return Result(
            error=Unavailable(message), at=self._clock.monotonic(), moment=self._clock.now(), cause="settle"
        )
