"""The role `adapter`: the external-metrics API, served from what the leading controller tells.

It holds no state that it could not be told again, so any number of them run. Discovery and health depend on no leader:
the deletion of every namespace in the cluster depends on them.
"""

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from metrics_adapter.feed.client import FeedClient
from metrics_adapter.feed.credentials import Folder
from metrics_adapter.server import AdapterServer
from metrics_adapter.store import LEADERLESS, Store
from scaler.clock import Clock
from scaler.kube.access import Access, load
from scaler.kube.cache import Change
from scaler.kube.client import Kube
from scaler.kube.lease import Record, read
from scaler.kube.reflector import Reflector
from scaler.kube.resources import LEASES
from scaler.kube.transport import Observer
from scaler.roles.parts import VERSION, announce, certificate, fed_gauge, guarded, listening, observers
from scaler.settings import RunSettings
from scaler.telemetry import ApiRequests, Listener

__all__ = ["AdapterRole"]

_log = structlog.get_logger(__name__)


class AdapterRole:
    """See the module. An async context manager; inside it, `serve` follows the leader until cancelled.

    Entering raises what ControllerRole raises, and ForeignError when external metrics are somebody else's.
    """

    def __init__(
        self,
        settings: RunSettings,
        clock: Clock,
        *,
        kubeconfig: str | os.PathLike[str] | None = None,
        access: Access | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._kubeconfig = kubeconfig
        self._access = access
        self._observer = observer
        self._stack = AsyncExitStack()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        fed_gauge(self.registry).set_function(lambda: float(self.feed.connected))
        self.store = Store()

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._stack.aclose()

    def ready(self) -> bool:
        """Is this adapter fed, or was it less than half a minute ago, or has nobody led for less than that?"""
        if not self._lease.synced.is_set():
            return False
        if self.feed.connected:
            return True
        expected = self.feed.address and not self.feed.was_connected
        return not expected and self.feed.silent < LEADERLESS

    async def serve(self) -> None:
        """Follow the leader until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.run(), name="lease")
            tasks.create_task(self.feed.run(), name="feed")

    async def _build(self) -> None:
        settings, clock, stack = self._settings, self._clock, self._stack
        leader = settings.leader
        observer = observers(ApiRequests(self.registry), self._observer)
        access = self._access or await load(self._kubeconfig, clock)
        kube = Kube(access, clock, observer=observer)
        stack.push_async_callback(kube.close)
        self.feed = FeedClient(
            clock, self.store, Folder(Path(leader.feed_certificates)), name=socket.gethostname()
        )
        self._lease = Reflector[Record](
            kube,
            LEASES,
            clock,
            decode=read,
            handler=self._lease_seen,
            namespace=leader.lease_namespace,
            field_selector=f"metadata.name={leader.lease_name}",
        )
        guard = await guarded(access, clock, observer, stack)
        ca, pair = certificate(settings)
        self.adapter = AdapterServer(
            clock,
            self.store,
            self.feed.refresh,
            certificate=pair,
            guard=guard,
            ready=self.ready,
            version=VERSION,
            registry=self.registry,
        )
        stack.push_async_callback(self.adapter.close)
        place = settings.adapter.bind_address, settings.adapter.secure_port
        await listening(self.adapter.start(*place), *place)
        self.listener = Listener(self.registry, self.ready)
        stack.push_async_callback(self.listener.close)
        place = settings.metrics_address, settings.metrics_port
        await listening(self.listener.start(*place), *place)
        if settings.register:
            await announce(kube, settings, self.adapter.port, ca, access.server)

    def _lease_seen(self, _: Change, __: Record | None, new: Record | None) -> None:
        """Whoever held it last is asked, also when that was long ago: nobody else knows more."""
        self.feed.follow(new.address if new is not None else "")
