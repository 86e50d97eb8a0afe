"""The life of each ScaledObject under control: seen, reconciled, in charge, scaled, paused, refused, gone.

The controller brings what happens (a key from the queue, a change of a target); what follows for the object is asked of
the parts here, in the one order that is right.
"""

from dataclasses import dataclass, replace

import structlog

from scaler.clock import Clock
from scaler.control.admissions import Admissions
from scaler.control.check_failed import CheckFailed
from scaler.control.comparisons import Comparisons
from scaler.control.credentials import Credentials
from scaler.control.evaluator import Evaluator
from scaler.control.feed import Feed
from scaler.control.figures import Figures
from scaler.control.finalizer import Finalizer
from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.queue import WorkQueue
from scaler.control.reconciler import Reconciler
from scaler.control.reporter import Reporter
from scaler.control.restraints import Restraints
from scaler.control.roster import Key, Roster
from scaler.control.sightings import Sightings
from scaler.control.sources import Sources
from scaler.control.targets import Target, TargetKey
from scaler.control.ticks import Ticks
from scaler.core import annotations
from scaler.kube.errors import KubeError

__all__ = ["Lifecycle"]

_log = structlog.get_logger(__name__)
_QUIET = 3
"""So many times the API server's weakness is only tried again; after that the object's status tells of it."""
_SOON = 5.0
"""Seconds after which an object is looked at again at the latest while the API server is weak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """See the module."""

    clock: Clock
    queue: WorkQueue[Key]
    roster: Roster
    sightings: Sightings
    admissions: Admissions
    reconciler: Reconciler
    finalizer: Finalizer
    evaluator: Evaluator
    reporter: Reporter
    figures: Figures
    restraints: Restraints
    ticks: Ticks
    sources: Sources
    feed: Feed
    credentials: Credentials
    journal: Journal
    comparisons: Comparisons

    async def reconcile(self, key: Key) -> None:
        """Look at the object of this name as it is now, and do what is missing."""
        seen, managed = self.sightings.scaled_object(key), self.roster.get(key)
        if managed is not None and (
            seen is None or seen.uid != managed.uid or seen.deleted or seen.so is None
        ):
            self._forget(managed)
            if seen is None or seen.uid != managed.uid or seen.deleted:
                self.reporter.gone(managed)
            managed = None
        if seen is None:
            self.journal.gone(*key)
            self.comparisons.forget(key)
            return
        if seen.deleted:
            await self._finalize(seen)
        elif seen.so is None:
            self.journal.broken(seen)
            observed = self.reconciler.observed(seen)
            if observed:
                self.comparisons.broken(seen)
            self.reporter.broken(seen, observed=observed)
        else:
            if managed is None:
                managed = Managed.of(seen.so)
                self.roster.add(managed)
                if managed.was_braked:
                    self.restraints.resume(managed)
            await self._bring(managed)

    def target_seen(self, key: TargetKey, old: Target | None, new: Target | None) -> None:
        """A target appeared, changed or went away."""
        for managed in self.roster.of_target(key):
            if old is None or new is None or not old.same_pods(new):
                self.queue.add(managed.key)
            if old is not None and new is not None and old.replicas != new.replicas:
                self.feed.replicas_changed(managed, self.clock.monotonic())
                if old.replicas is not None and new.replicas is not None:
                    self.journal.scaled(managed, old.replicas, new.replicas, by="other")
                self.comparisons.scaled(managed, old.replicas, new.replicas)
                self._scaled(managed, old.replicas, new.replicas)
            if old is not None and new is not None and (old.replicas, old.ready) != (new.replicas, new.ready):
                now = self.clock.now()
                judged = managed.judged(new, now)
                self.feed.target_changed(managed, judged, new.replicas, self.clock.monotonic(), now)
            if old is None or new is None:
                self.comparisons.target_gone(managed)
            if new is not None and new.replicas and new.ready:
                managed.pods_ready()
            self.evaluator.watch_floor(managed)

    def tick(self, uid: str) -> None:
        """A pollingInterval is over for an object of which something is not read."""
        managed = self.roster.by_uid.get(uid)
        if managed is not None:
            self.evaluator.tick(managed)

    def again(self, uid: str) -> None:
        """The budget of new pods has some for this object: decide anew."""
        managed = self.roster.by_uid.get(uid)
        if managed is not None:
            managed.restraint = replace(managed.restraint, awaits_budget=False)
            self.evaluator.evaluate(managed)

    async def _bring(self, managed: Managed) -> None:
        """One reconcile, and what is said of it."""
        key = managed.key
        managed.observed = self.reconciler.observed(managed.so)
        if managed.observed:
            self.reporter.silence(managed)
        else:
            self.comparisons.forget(key)
        managed.unadmitted = self.admissions.judge(managed.so)
        self.reporter.pausing(managed)
        try:
            if not await self.reconciler.reconcile(managed):
                return
        except CheckFailed as failure:
            if failure.again:
                self.queue.retry(key)
            if failure.fleeting:
                self.queue.add(key, _SOON)
                if self.queue.failures(key) <= _QUIET:
                    _log.info("to be tried again", object=managed.so.key, problem=failure.text)
                    return
            managed.in_charge = False
            self.evaluator.watch_floor(managed)
            self.journal.refused(managed, failure.step, str(failure))
            self.comparisons.refused(managed, failure)
            self.reporter.check_failed(managed, failure)
            return
        self.journal.in_charge(managed)
        self.restraints.taken(managed)
        self.reporter.in_charge(managed)
        if managed.readings.polled or managed.policy().pause.full:
            self.ticks.forget(managed.uid)
        else:
            self.ticks.want(managed.uid, float(managed.so.polling_interval))
        self.evaluator.watch_floor(managed)
        self.evaluator.evaluate(managed)

    def _scaled(self, managed: Managed, before: int | None, after: int | None) -> None:
        """The watch shows other replicas than before. Somebody else's scale from zero may count as work."""
        if before is None or after is None or after == managed.written:
            return
        if after == 0:
            managed.written = (
                None  # What we wrote is over: the same count from zero may be somebody else's next.
            )
        respected = annotations.respects_external_scale(managed.so.annotations)
        if respected and before == 0 < after and managed.in_charge:
            self.reporter.scaled_by_others(managed, self.clock.now())

    async def _finalize(self, seen: Observed) -> None:
        try:
            await self.finalizer.finalize(seen)
        except KubeError as error:
            _log.info("finalizer not removed yet", object="/".join(seen.key), problem=str(error))
            self.queue.retry(seen.key)

    def _forget(self, managed: Managed) -> None:
        """The target keeps its replicas; the HPA goes with its owner."""
        managed.in_charge = False
        self.ticks.forget(managed.uid)
        self.sources.forget(managed.uid)
        self.feed.forget(managed.key)
        self.credentials.forget(managed.key)
        self.restraints.forget(managed)
        self.figures.forget(managed)
        self.admissions.forget(*managed.key)
        self.comparisons.forget(managed.key)
        self.roster.remove(managed)
