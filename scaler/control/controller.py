"""The controller as a whole: informers in, decisions out. It routes what is seen to what must be done; no rule is here.

ScaledObject, HPA, target or namespace changed ──► queue ──► reconciler ──► in charge
source answered ──► evaluator ──► executor (replicas) and status writer
HPA asks for a metric ──► refresh ──► sources
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from metrics_adapter.store import Metric, Store
from scaler.clock import Clock
from scaler.control.evaluator import Evaluator
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.host import ClockHost
from scaler.control.hpas import Hpas, trim_hpa
from scaler.control.managed import Managed
from scaler.control.observed import Observed, Observer
from scaler.control.queue import WorkQueue
from scaler.control.reconciler import CheckFailed, Reconciler
from scaler.control.results import Result, SourceInfo, TriggerKey
from scaler.control.source_settings import SourceSettings
from scaler.control.sources import Sources
from scaler.control.status_writer import StatusWriter
from scaler.control.targets import Target, TargetKey, Targets
from scaler.control.triggers import Scalers
from scaler.core import hpa, status
from scaler.core.decision import Decision
from scaler.core.steps import Step
from scaler.kube.client import Kube, Object
from scaler.kube.events import EventRecorder
from scaler.kube.informer import Informer
from scaler.kube.mapper import Mapper
from scaler.kube.resources import HPAS, NAMESPACES, SCALED_OBJECTS
from scaler.settings import ControllerSettings

__all__ = ["Controller"]

_log = structlog.get_logger(__name__)
_EVENTS = 10_000
Key = tuple[str, str]


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
        self._queue: WorkQueue[Key] = WorkQueue(
            clock, name="reconcile", base=settings.retry_first, cap=settings.retry_cap
        )
        self._managed: dict[Key, Managed] = {}
        self._by_uid: dict[str, Managed] = {}
        self._by_target: dict[TargetKey, set[Key]] = defaultdict(set)
        self._observer = Observer()
        namespaces = settings.namespaces
        self._objects = Informer(
            kube,
            SCALED_OBJECTS,
            clock,
            decode=self._observer.decode,
            handler=self._seen,
            namespaces=namespaces,
        )
        self._live_hpas = Informer(
            kube,
            HPAS,
            clock,
            decode=trim_hpa,
            handler=self._hpa_seen,
            namespaces=namespaces,
            selector=hpa.OWNER_LABEL,
        )
        # A Role in some namespaces gives no sight of namespaces themselves; their defaults are then not read.
        self._namespaces = (
            None
            if namespaces
            else Informer(kube, NAMESPACES, clock, decode=_annotations, handler=self._namespace_seen)
        )
        self._events = EventRecorder(kube, clock, instance=instance, capacity=_EVENTS)
        self._targets = Targets(
            kube, Mapper(kube, clock), clock, namespaces=namespaces, on_change=self._target_seen
        )
        self._feed = Feed(store)
        self._status = StatusWriter(kube, clock, workers=settings.status_writers)
        host = ClockHost(clock, wake_ups=sources.wake_ups)
        self._sources = Sources(clock, self._answered, settings=sources, host=host)
        self._executor = Executor(
            self._targets,
            self._feed,
            self._events,
            clock,
            attempts=settings.scale_attempts,
            on_done=self._written,
        )
        self._evaluator = Evaluator(
            clock,
            objects=self._by_uid,
            sources=self._sources,
            targets=self._targets,
            feed=self._feed,
            executor=self._executor,
            on_first=lambda managed: self._queue.add(managed.key),
            on_decision=self._decided,
        )
        self._hpas = Hpas(kube)
        self._reconciler = Reconciler(
            clock=clock,
            kube=kube,
            scalers=scalers,
            targets=self._targets,
            sources=self._sources,
            feed=self._feed,
            hpas=self._hpas,
            live_hpa=self._live_hpas.get,
            namespace_annotations=self._annotations_of,
            activation=settings.activation,
            version=version,
            on_target=self._retarget,
        )

    async def start(self) -> None:
        """Begin to watch and to work; returns at once."""
        informers = [i for i in (self._objects, self._live_hpas, self._namespaces) if i is not None]
        loop = asyncio.get_running_loop()
        for name, run in [
            *((f"watch-{number}", informer.run()) for number, informer in enumerate(informers)),
            ("events", self._events.run()),
            ("status", self._status.run()),
            ("reconcile", self._work()),
        ]:
            self._tasks.append(loop.create_task(run, name=name))

    @property
    def synced(self) -> bool:
        """Has every watch shown a first complete list?"""
        return all(i.synced for i in (self._objects, self._live_hpas, self._namespaces) if i is not None)

    async def close(self) -> None:
        """Stop. Scale writes under way end; nothing new begins."""
        self._queue.close()
        await self._evaluator.close()
        await self._sources.close()
        await self._executor.close()
        self._status.close()
        await self._targets.close()
        for informer in (self._objects, self._live_hpas, self._namespaces):
            if informer is not None:
                await informer.close()
        await self._events.close()
        for task in self._tasks:
            if task.get_name() == "events":
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refresh(self, metrics: Collection[Metric]) -> None:
        """Have the triggers behind these metrics read again; returns when they are, or cannot be. Raises nothing."""
        keys = self._feed.keys(metrics)
        if keys:
            await self._sources.refresh(keys)

    def decision(self, namespace: str, name: str) -> Decision | None:
        """The last decision about an object; None before the first."""
        managed = self._managed.get((namespace, name))
        return managed.decision if managed is not None else None

    def sources(self) -> list[SourceInfo]:
        """How the sources are doing."""
        return self._sources.sources()

    @property
    def objects(self) -> int:
        """How many ScaledObjects are known."""
        return len(self._managed)

    # What is seen.

    def _seen(self, _: object, old: Observed | None, new: Observed | None) -> None:
        if new is None:
            if old is not None:
                self._queue.add(old.key)
            return
        self._status.observed(new.namespace, new.name, new.uid, new.resource_version, new.status)
        managed = self._by_uid.get(new.uid)
        if managed is not None and new.so is not None:
            labels = new.so.labels or managed.so.labels
            managed.so = replace(new.so, labels=labels)
        if old is None or not old.same_wish(new):
            self._queue.add(new.key)

    def _hpa_seen(self, _: object, old: Object | None, new: Object | None) -> None:
        self._hpas.seen(new, old)
        shown = new or old
        if shown is None:
            return
        owners = shown["metadata"].get("ownerReferences") or ()
        uid = next((owner.get("uid") for owner in owners if owner.get("kind") == "ScaledObject"), None)
        managed = self._by_uid.get(uid) if uid else None
        if managed is not None and _hpa_changed(old, new):
            self._queue.add(managed.key)

    def _target_seen(self, key: TargetKey, old: Target | None, new: Target | None) -> None:
        waiting = self._by_target.get(key)
        if not waiting:
            return
        for name in tuple(waiting):
            managed = self._managed.get(name)
            if managed is None:
                continue
            if old is None or new is None or old.uid != new.uid or old.containers != new.containers:
                self._queue.add(name)
            if old is not None and new is not None and old.replicas != new.replicas:
                self._feed.replicas_changed(managed, self._clock.monotonic())
            self._evaluator.watch_floor(managed)

    def _namespace_seen(self, _: object, old: Any, new: Any) -> None:
        before, after = (old or {}).get("annotations"), (new or {}).get("annotations")
        if before == after:
            return
        name = (new or old)["name"]
        for key in list(self._managed):
            if key[0] == name:
                self._queue.add(key)

    def _annotations_of(self, namespace: str) -> Mapping[str, str]:
        found = self._namespaces.get("", namespace) if self._namespaces is not None else None
        return found["annotations"] if found is not None else {}

    def _answered(self, key: TriggerKey, result: Result) -> None:
        self._evaluator.result(key, result)

    def _written(self, managed: Managed) -> None:
        self._evaluator.written(managed)

    # What is done.

    async def _work(self) -> None:
        for informer in (self._objects, self._live_hpas, self._namespaces):
            if informer is not None:
                await informer.wait_synced()
        await self._queue.run(self._settings.workers, self._reconcile)

    async def _reconcile(self, key: Key) -> None:
        seen = self._objects.get(*key)
        managed = self._managed.get(key)
        if managed is not None and (seen is None or seen.uid != managed.uid):
            self._forget(managed)
            managed = None
        if seen is None:
            return
        if seen.deleted:
            if managed is not None:
                self._forget(managed)
            await self._reconciler.finalize(seen)
            return
        if seen.so is None:
            self._broken(seen)
            return
        if managed is None:
            managed = self._managed[key] = self._by_uid[seen.uid] = Managed.of(seen.so)
        await self._bring(managed)

    async def _bring(self, managed: Managed) -> None:
        """One reconcile, and what is said of it."""
        before = managed.in_charge
        try:
            if not await self._reconciler.reconcile(managed):
                return
        except CheckFailed as failure:
            self._failed(managed, failure)
            return
        if not before:
            self._events.record(managed.reference, "KEDAScalersStarted", "Started scalers watch")
        if managed.conditions["Ready"].status != "True":
            self._events.record(managed.reference, "ScaledObjectReady", "ScaledObject is ready for scaling")
        managed.conditions = status.reconciled(managed.conditions)
        self._evaluator.watch_floor(managed)
        self._evaluator.evaluate(managed)
        self._say(managed)

    def _failed(self, managed: Managed, failure: CheckFailed) -> None:
        known = managed.conditions
        managed.conditions = status.check_failed(known, failure.step, str(failure))
        for reason, note in failure.events:
            self._events.record(managed.reference, reason, note, type="Warning")
        if known != managed.conditions:
            _log.warning("ScaledObject refused", object=managed.so.key, problem=failure.text)
        self._evaluator.watch_floor(managed)
        self._say(managed)
        if failure.again:
            self._queue.retry(managed.key)

    def _broken(self, seen: Observed) -> None:
        """The API server stored what our models refuse (another CRD than ours is installed)."""
        text = "\n".join(map(str, seen.problems))
        found = status.check_failed(status.conditions(seen.status), Step.TRIGGERS, text)
        self._status.want(seen.uid, {"conditions": found})

    def _decided(self, managed: Managed, decision: Decision) -> None:
        """What an evaluation means for the status. lastActiveTime is written at both edges of activity, never in between."""
        live = self._live_hpas.get(managed.so.namespace, managed.hpa_name)
        trouble = status.hpa_trouble(live, self._clock.now())
        managed.conditions = status.tick(decision, managed.outcomes(), trouble, managed.conditions)
        if decision.active is not None:
            before = managed.was_active if managed.active is None else managed.active
            if decision.active is not before:
                self._status.want(managed.uid, {"lastActiveTime": _text(decision.last_active)})
            managed.active = decision.active
        managed.last_active = decision.last_active
        managed.decision = decision
        self._status.want(
            managed.uid, {"conditions": managed.conditions, "triggersActivity": managed.activity()}
        )

    def _say(self, managed: Managed) -> None:
        self._status.want(managed.uid, {**managed.status(), "conditions": managed.conditions})

    def _retarget(self, managed: Managed, before: TargetKey | None) -> None:
        if before is not None:
            self._by_target[before].discard(managed.key)
        if managed.target is not None:
            self._by_target[managed.target].add(managed.key)

    def _forget(self, managed: Managed) -> None:
        """The object is gone, or is going. Its target keeps its replicas; its HPA goes with its owner."""
        managed.in_charge = False
        self._sources.forget(managed.uid)
        self._feed.forget(managed.key)
        self._status.forget(managed.uid)
        self._observer.forget(managed.uid)
        self._managed.pop(managed.key, None)
        self._by_uid.pop(managed.uid, None)
        if managed.target is not None:
            self._by_target[managed.target].discard(managed.key)
        self._events.record(managed.reference, "KEDAScalersStopped", "Stopped scalers watch")
        self._events.record(
            managed.reference, "ScaledObjectDeleted", "ScaledObject was deleted", type="Warning"
        )
        _log.info("ScaledObject gone", object=managed.so.key)


def _annotations(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a namespace."""
    meta = obj["metadata"]
    kept = {k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith("tidegate.dev/")}
    return {"name": meta["name"], "annotations": kept}


def _hpa_changed(old: Object | None, new: Object | None) -> bool:
    """Did what we compare change (also: is it gone)? Its status is judged when the next read comes."""
    if old is None or new is None:
        return True
    return any(
        old["metadata"].get(f) != new["metadata"].get(f) for f in ("uid", "labels", "annotations")
    ) or (old["spec"] != new["spec"])


def _text(moment: datetime | None) -> str | None:
    """RFC 3339 in whole seconds, rounded up: a restart may lengthen a cooldown, never shorten it."""
    if moment is None:
        return None
    return (moment + timedelta(microseconds=999_999)).strftime("%Y-%m-%dT%H:%M:%SZ")
