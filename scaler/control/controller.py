"""The controller as a whole: informers in, decisions out. It routes what is seen to what must be done; no rule is here.

ScaledObject, HPA, target or namespace changed ──► queue ──► reconciler ──► in charge
source answered ──► evaluator ──► executor (replicas) and reporter (status, Events)
HPA asks for a metric ──► refresh ──► sources
"""

import asyncio
from collections.abc import Collection

import structlog

from metrics_adapter.store import Metric, Store
from scaler.clock import Clock
from scaler.control.credentials import Credentials
from scaler.control.evaluator import Evaluator, Hooks
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.host import ClockHost
from scaler.control.hpas import Hpas
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.queue import WorkQueue
from scaler.control.reconciler import CheckFailed, Reconciler
from scaler.control.reporter import Reporter
from scaler.control.results import SourceInfo
from scaler.control.roster import Key, Roster
from scaler.control.sightings import Sightings
from scaler.control.source_settings import SourceSettings
from scaler.control.sources import Sources
from scaler.control.status_writer import StatusWriter
from scaler.control.targets import Target, TargetKey, Targets
from scaler.control.ticks import Ticks
from scaler.control.triggers import Scalers
from scaler.core.decision import Decision
from scaler.kube.client import Kube
from scaler.kube.errors import KubeError
from scaler.kube.events import EventRecorder
from scaler.kube.mapper import Mapper
from scaler.settings import ControllerSettings

__all__ = ["Controller"]

_log = structlog.get_logger(__name__)
_EVENTS = 10_000
_QUIET = 3
"""So many times the API server's weakness is only tried again; after that the object's status tells of it."""
_SOON = 5.0
"""Seconds after which an object is looked at again at the latest while the API server is weak."""
_GRACE = 5.0
"""Real seconds that reconciles and status writes under way get at the end."""


class Controller:
    """See the module. `start`, then `synced`, then `close`; one per process."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        store: Store,
        scalers: Scalers,
        *,
        settings: ControllerSettings,
        sources: SourceSettings,
        version: str,
        instance: str,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None
        self._queue: WorkQueue[Key] = WorkQueue(
            clock, name="reconcile", base=settings.retry_first, cap=settings.retry_cap
        )
        self._roster = Roster()
        hpas = Hpas(kube)
        self._status = StatusWriter(kube, clock, workers=settings.status_writers)
        self._sightings = Sightings(
            kube,
            clock,
            namespaces=settings.namespaces,
            queue=self._queue,
            roster=self._roster,
            hpas=hpas,
            status=self._status,
        )
        self._events = EventRecorder(kube, clock, instance=instance, capacity=_EVENTS)
        self._credentials = Credentials(
            kube, clock, settings=settings, events=self._events, again=self._queue.add
        )
        self._reporter = Reporter(clock, self._status, self._events, self._sightings.hpa)
        self._targets = Targets(
            kube,
            Mapper(kube, clock),
            clock,
            namespaces=settings.namespaces,
            on_change=self._target_seen,
        )
        self._feed = Feed(store)
        self._sources = Sources(
            clock,
            lambda key, result: self._evaluator.result(key, result),  # noqa: PLW0108 - it is made below.
            settings=sources,
            host=ClockHost(
                clock,
                kube,
                wake_ups=sources.wake_ups,
                allow_loopback=settings.allow_loopback_sources is not False,
            ),
        )
        self._executor = Executor(
            self._targets,
            self._feed,
            self._events,
            clock,
            attempts=settings.scale_attempts,
            on_done=lambda managed: self._evaluator.written(managed),  # noqa: PLW0108 - as above.
        )
        self._evaluator = Evaluator(
            clock,
            objects=self._roster.by_uid,
            sources=self._sources,
            targets=self._targets,
            feed=self._feed,
            executor=self._executor,
            hooks=Hooks(
                blind=lambda: self._sightings.blind,
                in_touch=lambda: self._sightings.in_touch,
                hoped_for=lambda managed: self._queue.add(managed.key),
                decided=self._reporter.decided,
                failed=self._reporter.trigger_failed,
                replicas_unknown=self._reporter.replicas_unknown,
            ),
        )
        self._ticks = Ticks(clock, self._tick)
        self._reconciler = Reconciler(
            clock=clock,
            kube=kube,
            scalers=scalers,
            roster=self._roster,
            targets=self._targets,
            credentials=self._credentials,
            sources=self._sources,
            feed=self._feed,
            hpas=hpas,
            live_hpa=self._sightings.hpa,
            namespace_annotations=self._sightings.defaults,
            activation=settings.activation,
            version=version,
        )

    async def start(self) -> None:
        """Begin to watch and to work; returns at once."""
        runs = (
            *self._sightings.runs(),
            *self._credentials.runs(),
            self._ticks.run(),
            self._status.run(),
            self._work(),
        )
        self._tasks = [asyncio.create_task(run) for run in runs]
        self._telling = asyncio.create_task(self._events.run())

    @property
    def synced(self) -> bool:
        """Has every watch shown a first complete list?"""
        return self._sightings.synced and self._credentials.synced

    async def close(self) -> None:
        """Stop. Writes under way end; nothing new begins."""
        self._queue.close()
        self._ticks.close()
        await self._evaluator.close()
        await self._sources.close()
        await self._executor.close()
        self._status.close()
        await self._targets.close()
        await self._sightings.close()
        await self._credentials.close()
        if self.synced and self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE)
        await self._events.close()
        tasks = [*self._tasks, *([self._telling] if self._telling is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self, metrics: Collection[Metric]) -> None:
        """Have the triggers behind these metrics read again; returns when they are, or cannot be. Raises nothing."""
        keys = self._feed.keys(metrics)
        if keys:
            await self._sources.refresh(keys)

    def decision(self, namespace: str, name: str) -> Decision | None:
        """The last decision about an object; None before the first."""
        managed = self._roster.get((namespace, name))
        return managed.decision if managed is not None else None

    def sources(self) -> list[SourceInfo]:
        """How the sources are doing."""
        return self._sources.sources()

    @property
    def objects(self) -> int:
        """How many ScaledObjects are under control."""
        return len(self._roster)

    def _target_seen(self, key: TargetKey, old: Target | None, new: Target | None) -> None:
        for managed in self._roster.of_target(key):
            if old is None or new is None or not old.same_pods(new):
                self._queue.add(managed.key)
            if old is not None and new is not None and old.replicas != new.replicas:
                self._feed.replicas_changed(managed, self._clock.monotonic())
            self._evaluator.watch_floor(managed)

    async def _work(self) -> None:
        while not self.synced:
            await self._clock.pause(0.01)
        await self._queue.run(self._settings.workers, self._reconcile)

    async def _reconcile(self, key: Key) -> None:
        seen, managed = self._sightings.scaled_object(key), self._roster.get(key)
        if managed is not None and (
            seen is None or seen.uid != managed.uid or seen.deleted or seen.so is None
        ):
            self._forget(managed)
            if seen is None or seen.uid != managed.uid or seen.deleted:
                self._reporter.gone(managed)
            managed = None
        if seen is None:
            return
        if seen.deleted:
            await self._finalize(seen)
        elif seen.so is None:
            self._reporter.broken(seen)
        else:
            if managed is None:
                managed = Managed.of(seen.so)
                self._roster.add(managed)
            await self._bring(managed)

    async def _bring(self, managed: Managed) -> None:
        """One reconcile, and what is said of it."""
        key = managed.key
        try:
            if not await self._reconciler.reconcile(managed):
                return
        except CheckFailed as failure:
            if failure.again:
                self._queue.retry(key)
            if failure.fleeting:
                self._queue.add(key, _SOON)
                if self._queue.failures(key) <= _QUIET:
                    _log.info("to be tried again", object=managed.so.key, problem=failure.text)
                    return
            managed.in_charge = False
            self._evaluator.watch_floor(managed)
            self._reporter.check_failed(managed, failure)
            return
        self._reporter.in_charge(managed)
        if managed.polled:
            self._ticks.forget(managed.uid)
        else:
            self._ticks.want(managed.uid, float(managed.so.polling_interval))
        self._evaluator.watch_floor(managed)
        self._evaluator.evaluate(managed)

    def _tick(self, uid: str) -> None:
        managed = self._roster.by_uid.get(uid)
        if managed is not None:
            self._evaluator.evaluate(managed)

    async def _finalize(self, seen: Observed) -> None:
        try:
            await self._reconciler.finalize(seen)
        except KubeError as error:
            _log.info("finalizer not removed yet", object="/".join(seen.key), problem=str(error))
            self._queue.retry(seen.key)

    def _forget(self, managed: Managed) -> None:
        """The target keeps its replicas; the HPA goes with its owner."""
        managed.in_charge = False
        self._ticks.forget(managed.uid)
        self._sources.forget(managed.uid)
        self._feed.forget(managed.key)
        self._credentials.forget(managed.key)
        self._roster.remove(managed)
