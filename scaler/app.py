"""The composition root: the only module that builds things and wires them to each other."""

import os
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Self

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from metrics_adapter.server import AdapterServer
from metrics_adapter.store import Store
from scaler.clock import Clock
from scaler.control.controller import Controller
from scaler.control.results import SourceInfo
from scaler.control.source_settings import SourceSettings
from scaler.core.crds import crds
from scaler.decision_metrics import DecisionCollector
from scaler.kube.access import Access, load
from scaler.kube.client import Kube
from scaler.kube.transport import Observer
from scaler.local.api import Api
from scaler.local.cluster import Cluster
from scaler.local.controllers import Controllers, PodMode
from scaler.local.external_metrics import through
from scaler.pki import client_context
from scaler.roles.parts import VERSION, announce, certificate, guarded, listening, observers
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings
from scaler.telemetry import ApiRequests, Listener, SourceCollector
from scalers.registry import Registry

__all__ = ["VERSION", "Embedded", "Tidegate"]

_log = structlog.get_logger(__name__)

_AVAILABLE = 15.0
"""Real seconds for the embedded API server to find the metrics API it was told of."""


class Tidegate:
    """Controller and adapter in one process (`--role all`), against one cluster. An async context manager.

    The cluster is that of `access`, else of `kubeconfig` (None: KUBECONFIG, else in-cluster).

    Entering raises ConfigError or KubeError when the cluster cannot be used, ValueError for a setting that cannot be,
    ForeignError when external metrics are somebody else's, OSError when an address cannot be listened on.
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
        self._observer = observer
        self._clock = clock
        self._kubeconfig = kubeconfig
        self._access = access
        self._source_settings = sources or SourceSettings()
        self._stack = AsyncExitStack()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.store = Store()

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop everything, in the order that leaves no write half done."""
        await self._stack.aclose()

    async def wait_ready(self) -> None:
        """Return once the watches are synced."""
        while not self.ready():
            await self._clock.pause(0.01)

    def ready(self) -> bool:
        """Are the watches synced? Depends on no source, and not on there being objects."""
        return self.controller.synced

    async def _build(self) -> None:
        settings, clock, stack = self._settings, self._clock, self._stack
        observer = observers(ApiRequests(self.registry), self._observer)
        access = self._access or await load(self._kubeconfig, clock)
        kube = Kube(access, clock, observer=observer, read_only=settings.controller.mode == "observe")
        stack.push_async_callback(kube.close)
        guard = await guarded(access, clock, observer, stack)
        self.controller = Controller(
            kube,
            clock,
            self.store,
            Registry(),
            settings=_placed(settings.controller, access),
            sources=self._source_settings,
            version=VERSION,
            instance=socket.gethostname(),
        )
        self.registry.register(SourceCollector(self.controller.sources))
        self.registry.register(DecisionCollector(self.controller))
        ca, pair = certificate(settings)
        adapter = AdapterServer(
            clock,
            self.store,
            self.controller.refresh,
            certificate=pair,
            guard=guard,
            ready=self.ready,
            version=VERSION,
            registry=self.registry,
        )
        self.adapter = adapter
        stack.push_async_callback(adapter.close)
        place = settings.adapter.bind_address, settings.adapter.secure_port
        await listening(adapter.start(*place), *place)
        known = self.controller.journal, self.controller.comparisons
        self.listener = Listener(self.registry, self.ready, *known)
        stack.push_async_callback(self.listener.close)
        place = settings.metrics_address, settings.metrics_port
        await listening(self.listener.start(*place), *place)
        if settings.register:
            await announce(kube, settings, adapter.port, ca, access.server)
        # Last, so that one who is refused (external metrics are somebody else's) has changed nothing.
        stack.push_async_callback(self.controller.close)
        await self.controller.start()


class Embedded:
    """The embedded cluster with its controllers, and Tidegate in it unless `tidegate` is False. An async context manager.

    `observer` is told of the requests Tidegate makes. Entering raises OSError when the port cannot be listened on.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        port: int = 0,
        pods: PodMode = "process",
        hpa_sync: float = 15.0,
        tidegate: bool = True,
        settings: ControllerSettings | None = None,
        sources: SourceSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._clock = clock
        self._port = port
        self._wanted = tidegate
        self._settings = settings or ControllerSettings()
        self._source_settings = sources
        self._observer = observer
        self._stack = AsyncExitStack()
        self.cluster = Cluster(clock)
        fetch = through(self.cluster.aggregator, self.cluster.access)
        self._controllers = Controllers(self.cluster.api, pods=pods, hpa_sync=hpa_sync, fetch=fetch)
        self.tidegate: Tidegate | None = None

    @property
    def api(self) -> Api:
        """The API server's inside."""
        return self.cluster.api

    async def __aenter__(self) -> Self:
        async with self._stack as stack:
            await listening(self.cluster.start(self._port), "127.0.0.1", self._port)
            stack.push_async_callback(self.cluster.close)
            if self._wanted:
                await self._enter_tidegate(stack)
            stack.push_async_callback(self._controllers.close)
            await self._controllers.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def sources(self) -> list[SourceInfo]:
        """How Tidegate's sources are doing."""
        return self.tidegate.controller.sources() if self.tidegate is not None else []

    def decision(self, namespace: str, name: str) -> str:
        """The last decision about a ScaledObject, for a person."""
        found = self.tidegate.controller.decision(namespace, name) if self.tidegate is not None else None
        return f"{found.reason}: {found.message}" if found is not None else "not decided yet"

    async def _enter_tidegate(self, stack: AsyncExitStack) -> None:
        for crd in crds():
            self.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
        adapter = AdapterSettings(secure_port=0)
        acting = self._settings.mode == "act"
        settings = RunSettings(controller=self._settings, adapter=adapter, metrics_port=0, register=acting)
        access = Access(self.cluster.url, tls=client_context(self.cluster.ca), token=self.cluster.token)
        tidegate = Tidegate(
            settings, self._clock, access=access, sources=self._source_settings, observer=self._observer
        )
        self.tidegate = await stack.enter_async_context(tidegate)
        await self.tidegate.wait_ready()
        if acting:
            await self._registered()

    async def _registered(self) -> None:
        """Wait until the API server has found the metrics API to be available."""
        try:
            async with self._clock.deadline(_AVAILABLE):
                while not self._available():
                    await self._clock.pause(0.01)
        except TimeoutError as error:
            raise TimeoutError(f"the metrics API did not become available within {_AVAILABLE:g} s") from error

    def _available(self) -> bool:
        service = self.api.get("apiregistration.k8s.io", "apiservices", "", "v1beta1.external.metrics.k8s.io")
        found = (service.get("status") or {}).get("conditions") or ()
        return any(c["type"] == "Available" and c["status"] == "True" for c in found)


def _placed(settings: ControllerSettings, access: Access) -> ControllerSettings:
    """The settings with what follows from where we run: a pod's loopback is no place for a trigger's source."""
    if settings.allow_loopback_sources is not None:
        return settings
    return replace(settings, allow_loopback_sources=not access.in_cluster)
