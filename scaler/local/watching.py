"""One watch: the stream of a resource's changes to one client.

A watch ends cleanly when its time is over or the server stops; falling behind the history is told as an ERROR event with
code 410, after which the client lists anew.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import msgspec
from aiohttp import web

from scaler.clock import Clock
from scaler.local.errors import ApiError, Cause, invalid_options
from scaler.local.lists import Selection, flag, number
from scaler.local.resources import Object
from scaler.local.store import ADDED, DELETED, MODIFIED, Change, Cursor, Item, Shelf, Store

__all__ = ["Line", "stream"]

Line = Callable[[str, Item], bytes]
"""Turns (type, object) into one line of the stream."""

_LONGEST = 3600.0
_BOOKMARKS = 60.0
_HEADERS = {"Cache-Control": "no-cache, private", "Content-Type": "application/json"}
_encode = msgspec.json.Encoder().encode


def _event(kind: str, obj: Object) -> bytes:
    return _encode({"type": kind, "object": obj}) + b"\n"


class _Start:
    """How a watch begins: which objects come first, and where the cursor stands."""

    def __init__(self, store: Store, shelf: Shelf, select: Selection, query: Mapping[str, str]) -> None:
        version = number(query, "resourceVersion")
        self.initial = flag(query, "sendInitialEvents")
        match = query.get("resourceVersionMatch")
        if self.initial and match != "NotOlderThan":
            why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", why))
        if match and "sendInitialEvents" not in query:
            why = (
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", why))
        if version:
            store.check_version(version)
        self.failure: ApiError | None = None
        self.items: list[Item] = []
        if self.initial or (not version and "sendInitialEvents" not in query):
            self.items = [item for item in shelf.items(select.namespace) if select.has(item)]
            self.cursor: Cursor | None = shelf.follow()
            return
        try:
            self.cursor = shelf.follow(version or None)
        except ApiError as failure:
            self.cursor, self.failure = None, failure


async def stream(
    request: web.BaseRequest,
    clock: Clock,
    store: Store,
    shelf: Shelf,
    select: Selection,
    line: Line,
    blank: Object,
) -> web.StreamResponse:
    """Answer a watch request until it ends. `blank` is an object of the kind without metadata, for bookmarks."""
    query = request.query
    start = _Start(store, shelf, select, query)
    response = web.StreamResponse(headers=_HEADERS)
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        if start.failure:
            await response.write(_event("ERROR", start.failure.status()))
        elif start.cursor:
            await _run(response, clock, store, select, line, blank, start, query)
        with suppress(ConnectionResetError):
            await response.write_eof()
    except ConnectionResetError:
        pass
    finally:
        if start.cursor:
            start.cursor.close()
    return response


async def _run(
    response: web.StreamResponse,
    clock: Clock,
    store: Store,
    select: Selection,
    line: Line,
    blank: Object,
    start: _Start,
    query: Mapping[str, str],
) -> None:
    cursor = start.cursor
    if cursor is None:
        return
    bookmarks = flag(query, "allowWatchBookmarks")
    if start.items:
        await response.write(b"".join(line(ADDED, item) for item in start.items))
    if start.initial and bookmarks:
        await response.write(_bookmark(blank, store.version, ended=True))
    seconds = float(number(query, "timeoutSeconds") or _LONGEST)
    with suppress(TimeoutError):
        async with clock.deadline(seconds):
            while True:
                over = cursor.over  # asked first: what came before the end is still told
                try:
                    changes = cursor.take()
                except ApiError as failure:
                    await response.write(_event("ERROR", failure.status()))
                    return
                data = b"".join(_lines(changes, select, line))
                if data:
                    await response.write(data)
                if over:
                    break
                await _wait(response, clock, store, cursor, blank if bookmarks else None)
    if bookmarks:
        await response.write(_bookmark(blank, store.version))


async def _wait(
    response: web.StreamResponse, clock: Clock, store: Store, cursor: Cursor, blank: Object | None
) -> None:
    """Until there is something to take; with bookmarks in between."""
    while True:
        try:
            async with clock.deadline(_BOOKMARKS):
                await cursor.ready.wait()
                return
        except TimeoutError:
            if blank is not None:
                await response.write(_bookmark(blank, store.version))


def _bookmark(blank: Object, version: int, *, ended: bool = False) -> bytes:
    metadata: Object = {"resourceVersion": str(version)}
    if ended:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return _event("BOOKMARK", {**blank, "metadata": metadata})


def _lines(changes: list[Change], select: Selection, line: Line) -> Iterator[bytes]:
    """What a watcher sees of some changes: one that makes an object leave its selection reads as a deletion."""
    for change in changes:
        item, old = change.item, change.old
        if select.chosen is None:
            if select.namespace is None or item.namespace == select.namespace:
                yield line(change.type, item)
            continue
        is_in, was_in = select.has(item), old is not None and select.has(old)
        if change.type == DELETED:
            if was_in:
                yield line(DELETED, item)
        elif is_in:
            yield line(MODIFIED if was_in else ADDED, item)
        elif was_in and old is not None:
            metadata = {**old.obj["metadata"], "resourceVersion": str(item.version)}
            yield line(DELETED, Item({**old.obj, "metadata": metadata}, item.version))
