"""The journal: what was decided about each object, what became of it, and who changed its replicas.

Bounded: `length` decisions an object and as many other entries, of which fewer are kept where there are very many objects.
It is told of every evaluation and keeps references only; JSON is made when somebody asks (`core/explain_document`). Nothing
of it outlives the process: what was decided before a restart is the log's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaler.clock import Clock
from scaler.control.journal_page import Page
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.core.decision import Decision
from scaler.core.explain_document import document, summary
from scaler.core.explain_entries import Actor, Facts, Kind, Subject
from scaler.core.explain_hpa import view
from scaler.core.record import Given
from scaler.core.status import steady
from scaler.core.steps import Step
from scaler.kube.client import Object

__all__ = ["Journal"]

_ALTOGETHER = 40_000
"""Decisions kept of all objects together, in the order of 50 MB; each object keeps `_LEAST` in any case."""
_LEAST = 5


class Journal:
    """See the module.

    `live_hpa` gives the HPA of a namespace and name as last seen; `trouble` says what keeps the whole controller from acting,
    "" when nothing does.
    """

    def __init__(
        self,
        clock: Clock,
        length: int = 50,
        *,
        live_hpa: Callable[[str, str], Object | None] = lambda _namespace, _name: None,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self._clock = clock
        self._length = length
        self._live_hpa = live_hpa
        self._trouble = trouble
        self._pages: dict[str, Page] = {}
        self._uids: dict[tuple[str, str], str] = {}

    # What it is told.

    def decided(
        self, managed: Managed, given: Given, decision: Decision, *, acted: bool, held: str = ""
    ) -> None:
        """An evaluation. `acted` False: mode observe. `held`: why it is not carried out although it should be."""
        page = self._of(managed)
        if page.decided(given, decision, acted=acted, held=held):
            self._trim(page)

    def scaled(self, managed: Managed, before: int, after: int, *, by: Actor, why: str = "") -> None:
        """The replicas changed: `tidegate` wrote them (`why`, its reason), or the watch shows it (`other`).

        Of the latter the journal finds out whether it was our own write, or the HPA's (see `hpa_seen`).
        """
        page = self._of(managed)
        if by == "tidegate":
            page.wrote(before, after, why, self._clock.now())
        else:
            page.saw(before, after, self._clock.now())
        self._trim(page)

    def hpa_seen(self, managed: Managed, hpa: Object) -> None:
        """The object's HPA, status included, as the watch shows it."""
        self._of(managed).hpa_seen(hpa, self._clock.now())

    def hpa_ensured(self, managed: Managed, wanted: Object, mended: Sequence[str] | None) -> None:
        """The HPA is as `wanted`: nothing was to be done, these fields were mended, or (None) it had to be made."""
        text = self._of(managed).ensured(wanted, mended)
        if text:
            self._tell(managed, "hpa", "HPAWritten", text)

    def refused(self, managed: Managed, step: Step, text: str) -> None:
        """A reconcile stopped at a check."""
        self._refuse(self._of(managed), step, text)

    def broken(self, seen: Observed) -> None:
        """The API server stored what our models refuse."""
        page = self._page(seen.namespace, seen.name, seen.uid)
        page.managed = None
        self._refuse(page, Step.SCHEMA, "\n".join(map(str, seen.problems)))

    def in_charge(self, managed: Managed) -> None:
        """A reconcile succeeded: nothing is refused any more."""
        page = self._of(managed)
        if page.refusal is not None:
            page.refusal = None
            self._tell(managed, "in-charge", "InCharge", "all checks passed")

    def failed_write(self, managed: Managed, decision: Decision, error: str) -> None:
        """The replicas that were decided on could not be written."""
        text = f"the replicas could not be written: {error}"
        self._tell(managed, "write-failed", str(decision.reason), text)

    def replicas_unknown(self, managed: Managed, error: str) -> None:
        """Nothing could be decided, since the target's replicas could not be read."""
        text = f"the target's replicas could not be read: {error}"
        self._tell(managed, "replicas-unknown", "ErrorGettingCurrentReplicas", text)

    def gone(self, namespace: str, name: str) -> None:
        """There is no object of that name (any more)."""
        self.forget(self._uids.get((namespace, name), ""))

    def forget(self, uid: str) -> None:
        """The object is gone."""
        page = self._pages.pop(uid, None)
        if page is not None and self._uids.get((page.namespace, page.name)) == uid:
            del self._uids[page.namespace, page.name]

    # What it tells.

    def document(self, namespace: str, name: str, last: int | None = None) -> dict[str, Any] | None:
        """The JSON document about an object, with the newest `last` entries; None for one that is not known."""
        page = self._pages.get(self._uids.get((namespace, name), ""))
        if page is None:
            return None
        return document(self._subject(page), page.entries, self._clock.now(), last)

    def objects(self) -> list[dict[str, Any]]:
        """Every object with its last reason, by namespace and name."""
        known = sorted(self._pages.values(), key=lambda page: (page.namespace, page.name))
        return [summary(page.subject(), page.decisions) for page in known]

    def _subject(self, page: Page) -> Subject:
        managed = page.managed
        if managed is None:
            return page.subject()
        live = self._live_hpa(page.namespace, managed.hpa_name) if managed.hpa_name else None
        return replace(
            page.subject(),
            target=str(managed.target) if managed.target is not None else "",
            waiting=managed.waiting,
            paused=managed.policy().pause.any,
            observed=managed.observed,
            hpa=view(live) if live is not None else None,
            trouble=self._trouble(),
            triggers=_facts(managed),
            unadmitted=tuple(f"{refused.problem} ({refused.reason})" for refused in managed.unadmitted),
        )

    def _of(self, managed: Managed) -> Page:
        page = self._pages.get(managed.so.uid)
        if page is None:
            page = self._page(managed.so.namespace, managed.so.name, managed.so.uid)
        page.managed = managed
        return page

    def _page(self, namespace: str, name: str, uid: str) -> Page:
        page = self._pages.get(uid)
        if page is None:
            self.gone(namespace, name)  # A namesake that nobody said was gone.
            page = self._pages[uid] = Page(namespace, name, uid, self._clock.now())
            self._uids[namespace, name] = uid
        return page

    def _refuse(self, page: Page, step: Step, text: str) -> None:
        told = f"{step}: {steady(text)}"
        page.refusal = page.happened("refused", "ScaledObjectCheckFailed", told, self._clock.now())
        self._trim(page)

    def _tell(self, managed: Managed, kind: Kind, word: str, text: str) -> None:
        page = self._of(managed)
        page.happened(kind, word, text, self._clock.now())
        self._trim(page)

    def _trim(self, page: Page) -> None:
        page.trim(max(_LEAST, min(self._length, _ALTOGETHER // len(self._pages))))


def _facts(managed: Managed) -> Mapping[int, Facts]:
    return {
        built.index: Facts(
            type=built.type,
            activation=float(built.metadata.activation) if built.metadata is not None else None,
        )
        for built in managed.triggers
    }
