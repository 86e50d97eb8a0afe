"""The leader's side of the feed: every adapter that asks gets what the store holds, then every change.

It listens from the start, since its address is announced together with the Lease; who does not lead answers
UNAVAILABLE, and ends the streams it had when it no longer does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import grpc
import grpc.aio
import structlog

from metrics_adapter.changes import Change
from metrics_adapter.feed import feed_pb2 as pb
from metrics_adapter.feed.codec import VERSIONS, common, messages, metric_of
from metrics_adapter.feed.credentials import Folder, is_member
from metrics_adapter.samples import Metric
from metrics_adapter.store import Store
from scaler.clock import Clock

__all__ = ["OPTIONS", "SERVICE", "FeedServer"]

_log = structlog.get_logger(__name__)

SERVICE = "tidegate.feed.Feed"
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 8 << 20),
)

_BATCH = 500
"""Changes in a message: far below gRPC's limit of 4 MB."""

_BEHIND = 50_000
"""An adapter with so many changes unsent begins anew, which is less to send."""

_GRACE = 0.5
_Refresh = Callable[[Collection[Metric]], Awaitable[None]]
_Context = grpc.aio.ServicerContext[pb.Hello, pb.Batch]


@dataclass(slots=True, eq=False)
class _Watcher:
    pending: list[Change] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Reign:
    """What is served while leading."""

    store: Store
    refresh: _Refresh
    complete: bool = False
    over: bool = False
    watchers: set[_Watcher] = field(default_factory=set)

    def wake(self) -> None:
        for watcher in self.watchers:
            watcher.news.set()


class FeedServer:
    """See the module. `start`, then `lead` and `stand_by` in turn, then `close`."""

    def __init__(self, clock: Clock, folder: Folder) -> None:
        self._clock = clock
        self._folder = folder
        self._server: grpc.aio.Server | None = None
        self._reign: _Reign | None = None
        self._leave: Callable[[], None] | None = None
        self.port = 0
        """The TCP port that is listened on, after `start`."""

    @property
    def adapters(self) -> int:
        """How many adapters are being told."""
        return len(self._reign.watchers) if self._reign is not None else 0

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`:`port` (0: a free one). Raises OSError."""
        server = grpc.aio.server(options=OPTIONS)
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Watch": grpc.unary_stream_rpc_method_handler(
                self._watch, pb.Hello.FromString, pb.Batch.SerializeToString
            ),
            "Refresh": grpc.unary_unary_rpc_method_handler(
                self._refresh, pb.RefreshRequest.FromString, pb.RefreshReply.SerializeToString
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = server.add_secure_port(where, self._folder.server())
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await server.start()
        self._server = server

    def lead(self, store: Store, refresh: _Refresh) -> None:
        """Serve `store` from now on. `refresh` has metrics read anew; it raises nothing."""
        self.stand_by()
        reign = self._reign = _Reign(store, refresh)

        def changed(change: Change) -> None:
            for watcher in reign.watchers:
                watcher.pending.append(change)
                watcher.news.set()

        self._leave = store.follow(changed)

    def complete(self) -> None:
        """Everything that there is has been declared in the store: what an adapter knows besides is gone."""
        if self._reign is not None:
            self._reign.complete = True
            self._reign.wake()

    def stand_by(self) -> None:
        """End all streams and begin none, until `lead`."""
        if self._leave is not None:
            self._leave()
        reign, self._reign, self._leave = self._reign, None, None
        if reign is not None:
            reign.over = True
            reign.wake()

    async def close(self) -> None:
        """Stop listening; streams end."""
        self.stand_by()
        if self._server is not None:
            await self._server.stop(_GRACE)

    async def _watch(self, hello: pb.Hello, context: _Context) -> AsyncIterator[pb.Batch]:
        reign = await self._admit(context)
        version = common(hello.versions)
        if version is None:
            known = f"this leader speaks versions {list(VERSIONS)} of the feed, the adapter {list(hello.versions)}"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, known)
            raise AssertionError(known)  # abort raises.
        watcher = _Watcher()
        # Between the snapshot and the first change nothing may happen unseen, and nothing is awaited.
        snapshot = list(reign.store.snapshot())
        reign.watchers.add(watcher)
        _log.info("feed_watched", adapter=hello.adapter, peer=context.peer(), version=version)
        told = False
        try:
            for batch in self._batches(version, snapshot):
                yield batch
            while not reign.over:
                pending, watcher.pending = watcher.pending, []
                watcher.news.clear()
                if len(pending) > _BEHIND:
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the adapter is too far behind")
                for batch in self._batches(version, pending):
                    yield batch
                if reign.complete and not told and not watcher.pending:
                    told = True
                    yield pb.Batch(version=version, complete=True)
                await watcher.news.wait()
        finally:
            reign.watchers.discard(watcher)
            _log.info("feed_left", adapter=hello.adapter)
        await context.abort(grpc.StatusCode.UNAVAILABLE, _NOT_LEADING)

    async def _refresh(
        self,
        request: pb.RefreshRequest,
        context: grpc.aio.ServicerContext[pb.RefreshRequest, pb.RefreshReply],
    ) -> pb.RefreshReply:
        reign = await self._admit(context)
        version = common((request.version,))
        if version is None:
            known = f"this leader speaks versions {list(VERSIONS)} of the feed, not {request.version}"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, known)
            raise AssertionError(known)  # abort raises.
        metrics = [metric_of(metric) for metric in request.metrics]
        await reign.refresh(metrics)
        present = [change for metric in metrics for change in reign.store.present(metric)]
        return pb.RefreshReply(version=version, changes=messages(present, self._clock.monotonic()))

    async def _admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> _Reign:
        """Raises (by `abort`) for strangers, and where nobody leads."""
        if not is_member(context.auth_context()):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "the certificate is for something else")
        reign = self._reign
        if reign is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, _NOT_LEADING)
            raise AssertionError(_NOT_LEADING)  # abort raises.
        return reign

    def _batches(self, version: int, changes: list[Change]) -> list[pb.Batch]:
        """Ages are told as of now, so what is not sent at once is made anew."""
        rest, now = iter(changes), self._clock.monotonic()
        batches = []
        while part := list(islice(rest, _BATCH)):
            batches.append(pb.Batch(version=version, changes=messages(part, now)))
        return batches


_NOT_LEADING = "this controller does not lead"
