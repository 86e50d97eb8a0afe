"""Who is told of what the evaluator decides and the watch of HPAs shows, in the one order that is right."""

from dataclasses import dataclass

from scaler.clock import Clock
from scaler.control.comparisons import Comparisons
from scaler.control.figures import Figures
from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.reporter import Reporter
from scaler.control.restraints import Restraints
from scaler.core.decision import Decision
from scaler.core.record import Given
from scaler.kube.client import Object

__all__ = ["Audience"]

_HELD = "ScaledObjects are not watched just now, and nothing is taken away on what may be out of date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """See the module."""

    clock: Clock
    restraints: Restraints
    figures: Figures
    journal: Journal
    comparisons: Comparisons
    reporter: Reporter

    def decided(self, managed: Managed, given: Given, decision: Decision) -> None:
        """A decision is final."""
        self.restraints.decided(managed, decision)
        self.figures.decided(managed, decision, given.replicas, self.clock.monotonic())
        self.journal.decided(managed, given, decision, acted=not managed.observed)
        self.comparisons.decided(managed, given, decision)
        self.reporter.decided(managed, given, decision)

    def held(self, managed: Managed, given: Given, decision: Decision) -> None:
        """A decision is not carried out, since ScaledObjects are not watched at this moment."""
        self.journal.decided(managed, given, decision, acted=not managed.observed, held=_HELD)

    def replicas_unknown(self, managed: Managed, error: str) -> None:
        """Nothing could be decided: the target's replicas could not be read."""
        self.journal.replicas_unknown(managed, error)
        self.reporter.replicas_unknown(managed, error)

    def hpa_seen(self, managed: Managed, hpa: Object) -> None:
        """The object's HPA, status included, as the watch shows it."""
        self.journal.hpa_seen(managed, hpa)
        self.comparisons.hpa_seen(managed, hpa)
