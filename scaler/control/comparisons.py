"""The observed objects' comparisons: told of what is decided and seen, asked by `/disagreements` and the metrics.

An object that is not observed has none. What is found is kept in memory only, and goes with the object or its mode.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from scaler.clock import Clock
from scaler.control.check_failed import CheckFailed
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.results import TriggerKey
from scaler.control.roster import Key
from scaler.control.sources import Sources
from scaler.control.targets import TargetKey
from scaler.core.comparison import Comparison
from scaler.core.comparison_report import Subject, document
from scaler.core.conditions import READY, conditions
from scaler.core.decision import Decision
from scaler.core.disagreements import KINDS, Kind
from scaler.core.model import DEFAULT_POLLING_INTERVAL
from scaler.core.record import Given
from scaler.core.steps import Step
from scaler.kube.client import Object

__all__ = ["Comparisons"]

_EVERY = 1.0
"""Seconds between two looks for what is due; a grace is longer."""
_REFUSED = "ScaledObjectCheckFailed"


@dataclass(slots=True, eq=False)
class _Page:
    uid: str
    comparison: Comparison
    target: TargetKey | None = None
    wanted: Object | None = None
    """The HPA that we would have; None before that is known, and where it would be none."""
    judged: bool = False
    """Is it known which HPA we would have?"""


class Comparisons:
    """See the module. Belongs to the event loop.

    `live_hpa` gives the HPA of a namespace and name as last seen. `sources` are asked anew when somebody scales what we would
    have left: the work that made them do so may be over before our next poll.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        mode: Literal["act", "observe"],
        live_hpa: Callable[[str, str], Object | None],
        sources: Sources,
    ) -> None:
        self._clock = clock
        self._mode = mode
        self._live_hpa = live_hpa
        self._sources = sources
        self._pages: dict[Key, _Page] = {}
        self._past: Counter[Kind] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    # What it is told.

    def decided(self, managed: Managed, given: Given, decision: Decision) -> None:
        """An evaluation, which is not carried out if the object is observed."""
        if managed.observed:
            self._of(managed).comparison.decided(given, decision)

    def scaled(self, managed: Managed, before: int | None, after: int | None) -> None:
        """The watch shows other replicas; None: it does not say, or the target is gone."""
        if not managed.observed or after is None:
            return
        comparison = self._of(managed).comparison
        if comparison.scaled(before, after, managed.so.floor, self._clock.now()):
            keys = {TriggerKey(managed.uid, built.index) for built in managed.triggers if built.reads}
            self._spawn(self._sources.refresh(keys))

    def target_gone(self, managed: Managed) -> None:
        """The target went away, or came."""
        page = self._pages.get(managed.key)
        if page is not None:
            page.comparison.retargeted()

    def wanted(self, managed: Managed, hpa: Object | None) -> None:
        """The HPA that the object would have, None for none."""
        page = self._of(managed)
        page.wanted, page.judged = hpa, True
        name = hpa["metadata"]["name"] if hpa is not None else managed.so.hpa_name
        self._compare(page, self._live_hpa(managed.so.namespace, name))

    def hpa_seen(self, managed: Managed, hpa: Object) -> None:
        """The object's HPA, status included, as the watch shows it."""
        page = self._pages.get(managed.key)
        if page is None or not page.judged:
            return
        if page.wanted is None or page.wanted["metadata"]["name"] == hpa["metadata"]["name"]:
            self._compare(page, hpa)

    def refused(self, managed: Managed, failure: CheckFailed) -> None:
        """A reconcile stopped at a check. Others run the object if their status says that it is ready."""
        if managed.observed:
            page = self._of(managed)
            page.judged = False
            ready = conditions(managed.so.status).get(READY)
            self._refuse(page, failure.text, runs=ready is not None and ready.status == "True")

    def broken(self, seen: Observed) -> None:
        """An observed object whose manifest our models refuse."""
        page = self._page(seen.key, seen.uid, float(DEFAULT_POLLING_INTERVAL))
        ready = conditions(seen.status).get(READY)
        text = f"{Step.SCHEMA}: {'; '.join(map(str, seen.problems))}"
        self._refuse(page, text, runs=ready is not None and ready.status == "True")

    def forget(self, key: Key) -> None:
        """There is no such object any more, or it is no longer observed."""
        page = self._pages.pop(key, None)
        if page is not None:
            self._past += page.comparison.book.begun

    def start(self) -> None:
        """Judge what is due from now on."""
        self._spawn(self._run())

    async def close(self) -> None:
        """Look at nothing more; what was found stays readable."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(_EVERY)
            now = self._clock.now()
            for page in tuple(self._pages.values()):
                due = page.comparison.due
                if due is not None and due < now:
                    page.comparison.look(now)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What it tells.

    def document(self, namespace: str | None = None) -> dict[str, Any]:
        """What `/disagreements` serves, of one namespace or all."""
        subjects = [
            Subject(*key, str(page.target or ""), page.comparison)
            for key, page in self._pages.items()
            if namespace is None or key[0] == namespace
        ]
        return document(subjects, self._mode, self._clock.now())

    def counts(self) -> dict[str, int]:
        """How many disagreements began so far, by kind."""
        total = self._past.copy()
        for page in self._pages.values():
            total.update(page.comparison.book.begun)
        return {kind: total[kind] for kind in KINDS}

    def states(self) -> dict[str, int]:
        """How many observed objects agree, disagree, or are not compared."""
        found = {"agree": 0, "disagree": 0, "not-compared": 0}
        for page in self._pages.values():
            comparison = page.comparison
            state = "disagree" if comparison.book else "agree" if comparison.compared else "not-compared"
            found[state] += 1
        return found

    def _compare(self, page: _Page, live: Object | None) -> None:
        page.comparison.hpa_seen(live, page.wanted, self._clock.now())

    def _refuse(self, page: _Page, text: str, *, runs: bool) -> None:
        page.comparison.undecided(_REFUSED, text, self._clock.now(), runs=runs)

    def _of(self, managed: Managed) -> _Page:
        page = self._page(managed.key, managed.uid, float(managed.so.polling_interval))
        if page.target != managed.target:
            if page.target is not None:
                page.comparison.retargeted()
            page.target = managed.target
        return page

    def _page(self, key: Key, uid: str, interval: float) -> _Page:
        page = self._pages.get(key)
        if page is None or page.uid != uid:
            self.forget(key)
            page = self._pages[key] = _Page(uid, Comparison(interval, self._clock.now()))
        page.comparison.interval = interval
        return page
