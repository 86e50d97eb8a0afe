"""The adapter's side of the feed: one stream from the leader into the store, and requests to read anew.

Whoever the Lease names is asked; a stream that ends is begun anew, soon and then ever more slowly. The store keeps what it
was told last, and knows meanwhile that nobody leads.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from contextlib import suppress

import grpc.aio
import structlog

from metrics_adapter.feed import feed_pb2 as pb
from metrics_adapter.feed.codec import VERSIONS, Reception, metric_message
from metrics_adapter.feed.credentials import NAME, Folder
from metrics_adapter.feed.server import SERVICE
from metrics_adapter.samples import Metric
from metrics_adapter.store import Store
from scaler.clock import Clock

__all__ = ["FeedClient"]

_log = structlog.get_logger(__name__)

_FIRST, _LONGEST = 0.1, 2.0
"""Real seconds until a stream is begun anew, at first and at most."""

_REFRESH = 10.0
"""Real seconds that a request to read anew may take at most; who waits for it has a shorter deadline."""

_OPTIONS = (
    ("grpc.ssl_target_name_override", NAME),
    # A leader that was stopped, or whose machine is gone, says nothing: ask whether it lives.
    ("grpc.keepalive_time_ms", 3000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Each try has a channel of its own.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 8 << 20),
)


class FeedClient:
    """See the module. `follow` says who leads, `run` is one task of the owner's."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        folder: Folder,
        *,
        name: str,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on it.
    ) -> None:
        self._clock = clock
        self._store = store
        self._folder = folder
        self._name = name
        self._jitter = jitter
        self._address = ""
        self._moved = asyncio.Event()
        self._channel: grpc.aio.Channel | None = None
        self._reception: Reception | None = None
        self._version = 0
        self._trouble = ""
        self._lost = clock.monotonic()
        self.was_connected = False
        """Was this adapter ever told everything?"""
        store.leaderless = store.partial = True

    @property
    def connected(self) -> bool:
        """Is a leader telling us, and has it told everything?"""
        return not self._store.leaderless and not self._store.partial

    @property
    def silent(self) -> float:
        """Seconds since the last stream that told everything ended, or since the start; 0 while connected."""
        return 0.0 if self.connected else self._clock.monotonic() - self._lost

    @property
    def address(self) -> str:
        """Who leads, as far as is known; "" when nobody is known."""
        return self._address

    def follow(self, address: str) -> None:
        """The leader is at this HOST:PORT; "": nobody leads."""
        if address != self._address:
            self._address = address
            self._moved.set()

    async def run(self) -> None:
        """Keep the store fed until cancelled."""
        failures = 0
        while True:
            self._moved.clear()
            if not self._address:
                await self._moved.wait()
                failures = 0
                continue
            watching = asyncio.ensure_future(self._watch(self._address))
            moved = asyncio.ensure_future(self._moved.wait())
            try:
                await asyncio.wait((watching, moved), return_when=asyncio.FIRST_COMPLETED)
                lived = watching.done() and watching.result()
            finally:
                for task in (watching, moved):
                    task.cancel()
                await asyncio.gather(watching, moved, return_exceptions=True)
            if self._moved.is_set():
                failures = 0
                continue
            failures = 1 if lived else failures + 1
            wait = min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, 10)) * (0.5 + self._jitter() / 2)
            with suppress(TimeoutError):
                async with self._clock.deadline(wait):
                    await self._moved.wait()

    async def refresh(self, metrics: Collection[Metric]) -> None:
        """Have the leader read these metrics anew; returns when the store has them, at once without a leader."""
        channel, reception = self._channel, self._reception
        if channel is None or reception is None:
            return
        ask = channel.unary_unary(
            f"/{SERVICE}/Refresh", pb.RefreshRequest.SerializeToString, pb.RefreshReply.FromString
        )
        request = pb.RefreshRequest(version=self._version, metrics=map(metric_message, metrics))
        try:
            reply = await ask(request, timeout=_REFRESH)
        except grpc.aio.AioRpcError as error:
            _log.info("feed_refresh_failed", error=_text(error))
            return
        if reception is self._reception:
            reception.take_changes(
                reply.changes, self._clock.monotonic(), self._clock.now(), self._clock.factor
            )

    async def _watch(self, address: str) -> bool:
        """One stream to its end; did it begin?"""
        began = False
        try:
            credentials = self._folder.read().channel()
            async with grpc.aio.secure_channel(address, credentials, options=_OPTIONS) as channel:
                watch = channel.unary_stream(
                    f"/{SERVICE}/Watch", pb.Hello.SerializeToString, pb.Batch.FromString
                )
                reception = Reception(self._store)
                async for batch in watch(pb.Hello(versions=VERSIONS, adapter=self._name)):
                    if not began:
                        began = True
                        self._begin(channel, reception, batch.version, address)
                    clock = self._clock
                    reception.take(batch, clock.monotonic(), clock.now(), clock.factor)
                    self.was_connected = self.was_connected or self.connected
            self._note(address, "the stream ended")
        except grpc.aio.AioRpcError as error:
            self._note(address, _text(error))
        finally:
            self._end()
        return began

    def _begin(self, channel: grpc.aio.Channel, reception: Reception, version: int, address: str) -> None:
        self._channel, self._reception, self._version = channel, reception, version
        self._store.leaderless = False
        self._trouble = ""
        _log.info("feed_begun", leader=address, version=version)

    def _end(self) -> None:
        self._channel = self._reception = None
        if self.connected:
            self._lost = self._clock.monotonic()
        self._store.leaderless = self._store.partial = True

    def _note(self, address: str, trouble: str) -> None:
        """Tell of trouble when it begins or changes."""
        if trouble != self._trouble:
            _log.warning("feed_trouble", leader=address, error=trouble)
            self._trouble = trouble


def _text(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name}: {error.details()}"
