"""The role `controller`: of several processes one leads, decides and writes; the others watch and wait.

standby ──► the Lease is ours ──► leading ──► somebody else's, or given up ──► a new standby

A reign that is over leaves nothing behind: what was known is read again by the next controller of this process. While the
API server is out of reach nobody knows whether the reign is over; then the controller goes on, and the fence keeps its
writes back (see `scaler.kube.elector`).

In mode `observe` nothing is written, so there is no Lease either: every process observes by itself.
"""

import asyncio
import os
import socket
import uuid
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.registry import Collector

from metrics_adapter.feed.credentials import Folder
from metrics_adapter.feed.server import FeedServer
from metrics_adapter.store import LEADERLESS, Store
from scaler.clock import Clock
from scaler.control.controller import Controller
from scaler.control.source_settings import SourceSettings
from scaler.decision_metrics import DecisionCollector
from scaler.kube.access import Access, load
from scaler.kube.client import Kube
from scaler.kube.elector import Elector
from scaler.kube.transport import Observer
from scaler.roles.parts import VERSION, leading_gauge, lease_terms, listening, observers
from scaler.settings import LeaderSettings, RunSettings
from scaler.telemetry import ApiRequests, Listener, SourceCollector
from scalers.registry import Registry

__all__ = ["ControllerRole"]

_log = structlog.get_logger(__name__)

_BEAT = 1.0
"""Real seconds between two signs of life to the elector."""


class ControllerRole:
    """See the module. An async context manager; inside it, `serve` does the work until cancelled.

    The cluster is that of `access`, else of `kubeconfig` (None: KUBECONFIG, else in-cluster). Entering raises ConfigError or
    KubeError when it cannot be used, ValueError for certificates that cannot be, OSError for addresses and files.
    """

    def __init__(
        self,
        settings: RunSettings,
        clock: Clock,
        *,
        kubeconfig: str | os.PathLike[str] | None = None,
        access: Access | None = None,
        sources: SourceSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._kubeconfig = kubeconfig
        self._access = access
        self._source_settings = sources or SourceSettings()
        self._observer = observer
        self._stack = AsyncExitStack()
        self._collectors: tuple[Collector, ...] = ()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._leading = leading_gauge(self.registry)
        self.identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:12]}"
        self.elector: Elector | None = None
        self.controller: Controller

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything: writes under way end before the Lease is let go."""
        await self._stack.aclose()

    def ready(self) -> bool:
        """Are the watches synced? A standby is as ready as the leader."""
        return self.controller.synced

    @property
    def leading(self) -> bool:
        """Does this process lead, and may it write at this moment?"""
        return self.elector is None or self.elector.may_write()

    async def serve(self) -> None:
        """Stand by and lead in turn, until cancelled."""
        beating = asyncio.create_task(self._beats(), name="beat")
        try:
            await self._reigns()
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _build(self) -> None:
        settings, stack = self._settings, self._stack
        leader = settings.leader
        observing = settings.controller.mode == "observe"
        observer = observers(ApiRequests(self.registry), self._observer)
        access = await self._reach()
        self._placed = settings.controller
        if self._placed.allow_loopback_sources is None:
            self._placed = replace(self._placed, allow_loopback_sources=not access.in_cluster)
        self.feed = FeedServer(self._clock, Folder(Path(leader.feed_certificates)))
        stack.push_async_callback(self.feed.close)
        place = leader.feed_address, leader.feed_port
        await listening(self.feed.start(*place), *place)
        if not observing:
            self.elector = self._make_elector(leader, self.feed.port)
            stack.push_async_callback(self.elector.close)
        self._kube = Kube(access, self._clock, observer=observer, fence=self.elector, read_only=observing)
        stack.push_async_callback(self._kube.close)
        self._stand_by()
        stack.push_async_callback(self._step_down)
        self.listener = Listener(self.registry, self.ready, _Decisions(self), _Disagreements(self))
        stack.push_async_callback(self.listener.close)
        place = settings.metrics_address, settings.metrics_port
        await listening(self.listener.start(*place), *place)
        if self.elector is not None:
            self.elector.start()

    async def _reach(self) -> Access:
        return self._access or await load(self._kubeconfig, self._clock)

    def _make_elector(self, leader: LeaderSettings, port: int) -> Elector:
        host = leader.feed_host or leader.feed_address
        return Elector(
            self._reach,
            self._clock,
            namespace=leader.lease_namespace,
            name=leader.lease_name,
            identity=self.identity,
            address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            terms=lease_terms(leader),
        )

    def _stand_by(self) -> None:
        """Begin anew, watching only."""
        self.store = Store()
        self.controller = Controller(
            self._kube,
            self._clock,
            self.store,
            Registry(),
            settings=self._placed,
            sources=self._source_settings,
            version=VERSION,
            instance=socket.gethostname(),
        )
        for collector in self._collectors:
            self.registry.unregister(collector)
        self._collectors = SourceCollector(self.controller.sources), DecisionCollector(self.controller)
        for collector in self._collectors:
            self.registry.register(collector)
        self.controller.watch()

    async def _reigns(self) -> None:
        while True:
            # Who has seen nothing yet would lead into the dark.
            while not self.controller.synced:
                await self._clock.pause(0.01)
            _log.info("standing_by" if self.elector is not None else "observing")
            over = asyncio.Event() if self.elector is None else (await self.elector.reign()).over
            self._leading.set(1)
            self.controller.lead()
            self.feed.lead(self.store, self.controller.refresh)
            completing = asyncio.create_task(self._complete(), name="feed-complete")
            try:
                await over.wait()
            finally:
                completing.cancel()
                await asyncio.gather(completing, return_exceptions=True)
            await self._step_down()
            self._stand_by()

    async def _step_down(self) -> None:
        self._leading.set(0)
        self.feed.stand_by()
        await self.controller.close()

    async def _complete(self) -> None:
        """Tell adapters when all is declared; what cannot be looked at is not waited for for ever."""
        until = self._clock.monotonic() + LEADERLESS
        while not self.controller.settled and self._clock.monotonic() < until:
            await self._clock.pause(0.02)
        self.feed.complete()

    async def _beats(self) -> None:
        while self.elector is not None:
            self.elector.beat()
            await self._clock.pause(_BEAT)


class _Decisions:
    """The journal of whichever controller there is."""

    def __init__(self, role: ControllerRole) -> None:
        self._role = role

    def document(self, namespace: str, name: str, last: int | None = None) -> dict[str, Any] | None:
        """See telemetry."""
        return self._role.controller.journal.document(namespace, name, last)

    def objects(self) -> list[dict[str, Any]]:
        """See telemetry."""
        return self._role.controller.journal.objects()


class _Disagreements:
    """The report of whichever controller there is."""

    def __init__(self, role: ControllerRole) -> None:
        self._role = role

    def document(self, namespace: str | None = None) -> dict[str, Any]:
        """See telemetry."""
        return self._role.controller.comparisons.document(namespace)
