"""The controller as a whole: informers in, decisions out. It routes what is seen to what must be done; no rule is here.

ScaledObject, HPA, target or namespace changed ──► queue ──► reconciler ──► in charge
source answered ──► evaluator ──► executor (replicas) and reporter (status, Events)
HPA asks for a metric ──► refresh ──► sources
"""

import asyncio
from collections.abc import Collection

from metrics_adapter.store import Metric, Store
from scaler.clock import Clock
from scaler.control.admissions import Admissions
from scaler.control.audience import Audience
from scaler.control.comparisons import Comparisons
from scaler.control.credentials import Credentials
from scaler.control.evaluator import Evaluator, Hooks
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.figures import Figures
from scaler.control.finalizer import Finalizer
from scaler.control.host import ClockHost
from scaler.control.hpas import Hpas
from scaler.control.journal import Journal
from scaler.control.lifecycle import Lifecycle
from scaler.control.queue import WorkQueue
from scaler.control.reconciler import Reconciler
from scaler.control.reporter import Reporter
from scaler.control.restraints import Restraints
from scaler.control.results import SourceInfo
from scaler.control.roster import Key, Roster
from scaler.control.sightings import Sightings
from scaler.control.source_settings import SourceSettings
from scaler.control.sources import Sources
from scaler.control.status_writer import StatusWriter
from scaler.control.targets import Targets
from scaler.control.ticks import Ticks
from scaler.control.triggers import Scalers
from scaler.core.annotations import observed
from scaler.core.brake import BrakeSettings
from scaler.core.decision import Decision
from scaler.kube.client import Kube
from scaler.kube.events import EventRecorder
from scaler.kube.mapper import Mapper
from scaler.settings import ControllerSettings

__all__ = ["Controller"]

_EVENTS = 10_000
_GRACE = 5.0
"""Real seconds that reconciles and status writes under way get at the end."""


class Controller:
    """See the module. `start`, then `synced`, then `close`; or `watch` as a standby, and `lead` when it is this one's turn.

    `figures`, `restraints`, `admissions` and `journal` are there to be asked by metrics and by `explain`.
    """

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
        self.figures = Figures()
        self.admissions = Admissions()
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None
        self._queue: WorkQueue[Key] = WorkQueue(
            clock, name="reconcile", base=settings.retry_first, cap=settings.retry_cap
        )
        self._roster = Roster()
        hpas = Hpas(kube)
        self._status = StatusWriter(kube, clock, workers=settings.status_writers)
        self.journal = Journal(
            clock,
            settings.journal_length,
            live_hpa=lambda *key: self._sightings.hpa(*key),  # noqa: PLW0108 - it is made below.
            trouble=lambda: self._sightings.trouble,
        )
        self._sightings = Sightings(
            kube,
            clock,
            namespaces=settings.namespaces,
            queue=self._queue,
            roster=self._roster,
            hpas=hpas,
            status=self._status,
            hpa_seen=lambda *seen: audience.hpa_seen(*seen),  # noqa: PLW0108 - as above.
            observed=lambda so: reconciler.observed(so),  # noqa: PLW0108 - as above.
        )
        self._events = EventRecorder(kube, clock, instance=instance, capacity=_EVENTS)
        self._credentials = Credentials(
            kube,
            clock,
            settings=settings,
            events=self._events,
            again=self._queue.add,
            silent=lambda place: observed({}, self._sightings.defaults(place), settings.mode),
        )
        self._reporter = Reporter(clock, self._status, self._events, self._sightings.hpa)
        self._targets = Targets(
            kube,
            Mapper(kube, clock),
            clock,
            namespaces=settings.namespaces,
            on_change=lambda *change: self._lifecycle.target_seen(*change),  # noqa: PLW0108 - it is made below.
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
        self.comparisons = Comparisons(
            clock, mode=settings.mode, live_hpa=self._sightings.hpa, sources=self._sources
        )
        self.restraints = Restraints(
            clock,
            brake=BrakeSettings(
                share=settings.brake_share, least=settings.brake_least, pace=settings.brake_pace
            ),
            wake_budget=settings.wake_budget,
            source_of=self._sources.source_of,
            tell=self._reporter.warn,
            again=lambda uid: self._lifecycle.again(uid),  # noqa: PLW0108 - as above.
        )
        self._executor = Executor(
            self._targets,
            self._feed,
            self._events,
            clock,
            attempts=settings.scale_attempts,
            journal=self.journal,
            on_done=lambda managed: self._evaluator.written(managed),  # noqa: PLW0108 - as above.
        )
        audience = Audience(
            clock=clock,
            restraints=self.restraints,
            figures=self.figures,
            journal=self.journal,
            comparisons=self.comparisons,
            reporter=self._reporter,
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
                restrain=self.restraints.restrain,
                read=self.restraints.read,
                hoped_for=lambda managed: self._queue.add(managed.key),
                decided=audience.decided,
                failed=self._reporter.trigger_failed,
                held=audience.held,
                replicas_unknown=audience.replicas_unknown,
            ),
        )
        self._ticks = Ticks(clock, lambda uid: self._lifecycle.tick(uid))  # noqa: PLW0108 - as above.
        reconciler = Reconciler(
            clock=clock,
            kube=kube,
            scalers=scalers,
            roster=self._roster,
            targets=self._targets,
            credentials=self._credentials,
            sources=self._sources,
            feed=self._feed,
            hpas=hpas,
            journal=self.journal,
            comparisons=self.comparisons,
            live_hpa=self._sightings.hpa,
            namespace_annotations=self._sightings.defaults,
            activation=settings.activation,
            mode=settings.mode,
            version=version,
        )
        finalizer = Finalizer(
            kube=kube,
            targets=self._targets,
            hpas=hpas,
            live_hpa=self._sightings.hpa,
            observed=reconciler.observed,
        )
        self._lifecycle = Lifecycle(
            clock=clock,
            queue=self._queue,
            roster=self._roster,
            sightings=self._sightings,
            admissions=self.admissions,
            reconciler=reconciler,
            finalizer=finalizer,
            evaluator=self._evaluator,
            reporter=self._reporter,
            figures=self.figures,
            restraints=self.restraints,
            ticks=self._ticks,
            sources=self._sources,
            feed=self._feed,
            credentials=self._credentials,
            journal=self.journal,
            comparisons=self.comparisons,
        )

    async def start(self) -> None:
        """Begin to watch and to work; returns at once."""
        self.watch()
        self.lead()

    def watch(self) -> None:
        """Begin to watch; nothing follows from what is seen, and nothing is read or written."""
        self._tasks += [
            asyncio.create_task(run) for run in (*self._sightings.runs(), *self._credentials.runs())
        ]

    def lead(self) -> None:
        """Begin to work on what is watched."""
        runs = (self._ticks.run(), self.restraints.run(), self._status.run(), self._work())
        self._tasks += [asyncio.create_task(run) for run in runs]
        self.comparisons.start()
        self._telling = asyncio.create_task(self._events.run())

    @property
    def settled(self) -> bool:
        """Has every ScaledObject that is there been looked at, and none to be tried again?"""
        queue = self._queue
        return self.synced and not (len(queue) or queue.active or queue.delayed)

    @property
    def synced(self) -> bool:
        """Has every watch shown a first complete list?"""
        return self._sightings.synced and self._credentials.synced

    async def close(self) -> None:
        """Stop. Writes under way end; nothing new begins."""
        self._queue.close()
        self._ticks.close()
        self.restraints.close()
        await self.comparisons.close()
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

    async def _work(self) -> None:
        while not self.synced:
            await self._clock.pause(0.01)
        await self._queue.run(self._settings.workers, self._lifecycle.reconcile)
