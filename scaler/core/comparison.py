"""What is done to an object that we only observe, against what we would have done (`tidegate.dev/mode: observe`).

A Comparison is told of our decisions, of changes of the replicas (all made by others) and of the HPA in the cluster. Others
look at their own times, and a cooldown counts from their own last look. So neither side has to be first, and nothing is a
disagreement before it has lasted for longer than the grace, one pollingInterval and 5 s. Rules of this file:

1. Only the steps across the floor are compared, which are ours; from the floor upwards the HPA moves on its own.
2. A change is agreed to if any of our decisions within the grace before or after it, put before the replicas of before the
   change and with the clock at the end of the grace, comes to the same side of the floor.
3. What we wish and nobody does counts once it was wished for the grace without a break. A deactivation may take one more
   pollingInterval: the end of a cooldown is counted from a look, and found by a look.
4. An HPA and a refusal must differ for the grace without a break, a metric for the grace and a sync of the HPA.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scaler.core.comparison_hpa import differing
from scaler.core.comparison_metrics import HPA_SYNC, MetricComparison
from scaler.core.decision import Decision, Reason
from scaler.core.disagreements import Book, Disagreement, Kind
from scaler.core.judgement import judge
from scaler.core.record import Given

__all__ = ["GRACE", "Comparison", "Stance"]

GRACE = timedelta(seconds=5)
"""Beyond one pollingInterval."""

_SPEC = "HPADiffers", "that is what follows from the ScaledObject"
_CHANGES = 16
"""Changes that wait to be agreed to; with more, the oldest is judged at once."""


@dataclass(frozen=True, slots=True)
class Stance:
    """Where we stand: the reason and the words of the last decision, or why there is none (`given` None)."""

    reason: str
    message: str
    at: datetime
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    before: int
    after: int
    floor: int
    at: datetime
    stance: Stance
    """Where we stood when it was seen."""

    @property
    def up(self) -> bool:
        return self.after > self.before


@dataclass(slots=True)
class _Standing:
    """What differs without a break since `since`; a disagreement once it is due."""

    found: Disagreement
    due: datetime
    told: bool = False


class Comparison:
    """See the module. Moments are aware; `interval` is the object's pollingInterval in seconds and may be set anew."""

    def __init__(self, interval: float, since: datetime) -> None:
        self.interval = interval
        self.since = since
        self.book = Book()
        self.stance = Stance("NotDecided", "no decision was made yet", since)
        self.changes = self.agreed = 0
        """Changes across the floor that were judged, and those of them that we would have made."""
        self._replicas: int | None = None
        self._stances: dict[tuple[Reason, bool | None], Stance] = {}
        self._pending: list[_Change] = []
        self._standing: dict[tuple[Kind, str], _Standing] = {}
        self._metrics = MetricComparison()

    @property
    def grace(self) -> timedelta:
        """How much sooner or later than we others may be."""
        return timedelta(seconds=self.interval) + GRACE

    @property
    def due(self) -> datetime | None:
        """When `look` has something to judge."""
        moments = [change.at + self.grace for change in self._pending]
        moments += [standing.due for standing in self._standing.values() if not standing.told]
        return min(moments, default=None)

    @property
    def compared(self) -> bool:
        """Was there anything to compare: is there a decision of ours?"""
        return self.stance.given is not None

    # What it is told.

    def decided(self, given: Given, decision: Decision) -> None:
        """We decided; nothing of it is carried out."""
        now = given.now
        self.look(now)
        self.scaled(self._replicas, given.replicas, given.policy.floor, now)
        self.stance = Stance(str(decision.reason), decision.message, now, given)
        self._stances[decision.reason, decision.active] = self.stance
        self._pending = [change for change in self._pending if not self._agrees(change, self.stance)]
        self._settle("refused")
        self._wish(given, decision)
        judged = judge(given.policy, given.outcomes, given.replicas, given.ready, now)
        self._metrics.read(judged, now, self.grace, at_zero=given.replicas == 0)
        self._compare_metrics(now)
        self.look(now)

    def undecided(self, reason: str, message: str, now: datetime, *, runs: bool = False) -> None:
        """There is no decision of ours any more: the object is refused. `runs`: by others it is not."""
        self.look(now)
        self.stance = Stance(reason, message, now)
        self._stances.clear()
        for kind in ("not-scaled", "hpa", "metric"):
            self._settle(kind)
        if runs:
            self._stand("refused", "", now, "it runs", "refused it")
        else:
            self._settle("refused")
        self.look(now)

    def scaled(self, before: int | None, after: int, floor: int, now: datetime) -> bool:
        """The target has other replicas than `before` (None: not known). What was told before is no change.

        True when it crossed the floor and no decision so far agrees to it.
        """
        known, self._replicas = self._replicas, after
        before = known if known is not None else before
        if before is None or (before < floor) == (after < floor):
            return False
        change = _Change(before, after, floor, now, self.stance)
        self.changes += 1
        self._settle("not-scaled", "up" if change.up else "down")
        near = [self.stance, *(s for s in self._stances.values() if s.at >= now - self.grace)]
        if any(self._agrees(change, stance) for stance in near):
            return False
        self._pending.append(change)
        while len(self._pending) > _CHANGES:
            self._differ(self._pending.pop(0))
        return True

    def retargeted(self) -> None:
        """The target is gone, or another one: how many replicas it has is no change."""
        self._replicas = None
        self._pending.clear()
        self._settle("not-scaled")

    def hpa_seen(
        self, live: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None, now: datetime
    ) -> None:
        """The HPA in the cluster and the one that we would have, None where there is, or would be, none."""
        self.look(now)
        found = differing(live, wanted)
        self._settle("hpa", but=found.topic if found is not None else None)
        if found is not None:
            self._stand("hpa", found.topic, now, found.done, found.wished, because=_SPEC)
        self._metrics.hpa(live)
        self._compare_metrics(now)
        self.look(now)

    def look(self, now: datetime) -> None:
        """Judge what is due."""
        late = [change for change in self._pending if change.at + self.grace < now]
        self._pending = [change for change in self._pending if change.at + self.grace >= now]
        for change in late:
            self._differ(change)
        for standing in self._standing.values():
            if standing.told:
                self.book.goes_on(replace(standing.found, last=now))
            elif standing.due < now:
                standing.told = True
                self.book.begin(replace(standing.found, last=now))

    # How it is found.

    def _agrees(self, change: _Change, stance: Stance) -> bool:
        """Rule 2. Counts the agreement."""
        if stance.given is None:
            return False
        given = replace(stance.given, replicas=change.before, now=max(stance.at, change.at + self.grace))
        decision = given.decide()
        to = given.replicas if decision.replicas is None else decision.replicas
        above = to >= change.floor or decision.reason is Reason.HPA_IN_CHARGE
        agrees = above == (change.after >= change.floor)
        self.agreed += agrees
        return agrees

    def _differ(self, change: _Change) -> None:
        stance = change.stance if change.stance.given is not None else self.stance
        reason, message = stance.reason, stance.message
        if stance.given is not None:
            decision = replace(stance.given, replicas=change.before).decide()
            reason, message = str(decision.reason), decision.message
        self.book.begin(
            Disagreement(
                kind="scaled",
                topic="up" if change.up else "down",
                done=f"scaled from {change.before} to {change.after}",
                wished=f"left it at {change.before}",
                reason=reason,
                message=message,
                first=change.at,
                last=change.at,
            )
        )

    def _wish(self, given: Given, decision: Decision) -> None:
        """Rule 3."""
        before, to = given.replicas, decision.replicas
        if to is None or to == before:
            self._settle("not-scaled")
            return
        topic = "up" if to > before else "down"
        self._settle("not-scaled", but=topic)
        late = timedelta(seconds=self.interval if decision.reason is Reason.DEACTIVATED else 0)
        done, wished = f"left at {before}", f"scaled it from {before} to {to}"
        self._stand("not-scaled", topic, given.now, done, wished, late=late)

    def _compare_metrics(self, now: datetime) -> None:
        found = {difference.metric: difference for difference in self._metrics.differences()}
        for topic in [topic for kind, topic in self._standing if kind == "metric" and topic not in found]:
            self._settle("metric", topic)
        for metric, difference in found.items():
            because = difference.reason, difference.message
            said = difference.done, difference.wished
            self._stand("metric", metric, now, *said, late=HPA_SYNC, because=because)

    def _stand(
        self,
        kind: Kind,
        topic: str,
        now: datetime,
        done: str,
        wished: str,
        *,
        late: timedelta = timedelta(),
        because: tuple[str, str] | None = None,
    ) -> None:
        """Something differs now: since when is kept, the words are the newest. Our reason is the decision's unless given."""
        known = self._standing.get((kind, topic))
        reason, message = because or (self.stance.reason, self.stance.message)
        first = known.found.first if known is not None else now
        found = Disagreement(
            kind=kind,
            topic=topic,
            done=done,
            wished=wished,
            reason=reason,
            message=message,
            first=first,
            last=now,
        )
        told = known is not None and known.told
        self._standing[kind, topic] = _Standing(found, first + self.grace + late, told)

    def _settle(self, kind: Kind, topic: str | None = None, *, but: str | None = None) -> None:
        """Nothing of this kind (and topic) differs any more, but for one topic."""
        for key in list(self._of(kind)):
            if (topic is None or key[1] == topic) and (but is None or key[1] != but):
                del self._standing[key]

    def _of(self, kind: Kind) -> Iterator[tuple[Kind, str]]:
        return (key for key in self._standing if key[0] == kind)
