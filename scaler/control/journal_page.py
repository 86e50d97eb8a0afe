"""One object's page of the journal: what is kept of it, and who changed its replicas.

The watch shows that replicas changed, never who did it. Our own write is known from its answer, the HPA's from its status;
either may come before or after the watch. What neither claims was somebody else.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from scaler.control.managed import Managed
from scaler.core.decision import Decision, Reason
from scaler.core.explain_document import Entry
from scaler.core.explain_entries import Decided, Happened, Kind, Scaled, Subject
from scaler.core.explain_hpa import HpaView, view
from scaler.core.record import Given
from scaler.kube.client import Object

__all__ = ["Page"]

_SOON = timedelta(seconds=60)
"""An HPA's status tells of a change of replicas within this time; as a rule at once."""


@dataclass(slots=True, eq=False)
class Page:
    """See the module. `since` is when this process first saw the object; `refusal` is set while it is not in charge for it."""

    namespace: str
    name: str
    uid: str
    since: datetime
    managed: Managed | None = None
    decisions: deque[Decided] = field(default_factory=deque)
    others: deque[Scaled | Happened] = field(default_factory=deque)
    refusal: Happened | None = None
    _ensured: int | None = None
    """The HPA as it was wanted last, in short; None while there should be none."""
    _scaled: str | None = None
    """The HPA's lastScaleTime as seen last; None before its first sight."""
    _rescale: HpaView | None = None
    """It scaled, and the watch of the target has yet to show it."""

    @property
    def entries(self) -> list[Entry]:
        """All that is kept."""
        return [*self.decisions, *self.others]

    def subject(self) -> Subject:
        """Which object it is, and whether it is in charge."""
        in_charge = self.managed is not None and self.managed.in_charge
        return Subject(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            since=self.since,
            in_charge=in_charge,
            refusal=None if in_charge else self.refusal,
        )

    def trim(self, most: int) -> None:
        """Keep the newest `most` decisions and as many other entries."""
        for entries in (self.decisions, self.others):
            while len(entries) > most:
                entries.popleft()

    def decided(self, given: Given, decision: Decision, *, acted: bool, held: str) -> bool:
        """A decision; False where it only repeats the one before. It is made of objects in charge only."""
        if self.decisions and self.decisions[-1].repeated(given, decision, acted=acted, held=held):
            return False
        self.refusal = None
        if decision.reason is Reason.PAUSED:
            self._ensured = None
        self.decisions.append(Decided(given, decision, acted, held, given.now))
        return True

    def happened(self, kind: Kind, word: str, text: str, now: datetime) -> Happened:
        """Something else; what only repeats the one before is counted in it."""
        newest = next((entry for entry in reversed(self.others) if isinstance(entry, Happened)), None)
        if newest is not None and (newest.kind, newest.word, newest.text) == (kind, word, text):
            newest.last = now
            newest.count += 1
            return newest
        fresh = Happened(kind, word, text, now, now)
        self.others.append(fresh)
        return fresh

    def wrote(self, before: int, after: int, why: str, now: datetime) -> None:
        """We wrote the replicas; the watch has shown it, or will."""
        shown = self._newest_change
        if shown is not None and shown.by == "other" and (shown.before, shown.after) == (before, after):
            shown.by, shown.why = "tidegate", why
        else:
            self.others.append(Scaled(now, before, after, "tidegate", why=why, echo=True, given=self._given))

    def saw(self, before: int, after: int, now: datetime) -> None:
        """The watch shows other replicas."""
        own = self._newest_change
        if own is not None and own.echo and own.before == before:
            own.echo = False
            before = own.after  # Somebody may have made something else of it at once.
            if before == after:
                return
        change = Scaled(now, before, after, "other", given=self._given)
        if self._rescale is not None and self._rescale.desired == after:
            change.by, change.hpa, self._rescale = "hpa", self._rescale, None
        self.others.append(change)

    def hpa_seen(self, hpa: Object, now: datetime) -> None:
        """The watch shows the HPA: has it scaled since the last time?"""
        stamp = str((hpa.get("status") or {}).get("lastScaleTime") or "")
        before, self._scaled = self._scaled, stamp
        if before is None or before == stamp or not stamp:
            return
        seen = view(hpa)
        change = self._unclaimed(seen.desired, now)
        if change is None:
            self._rescale = seen
        else:
            change.by, change.hpa = "hpa", seen

    def ensured(self, wanted: Object, mended: Sequence[str] | None) -> str:
        """What to tell of an HPA that is now as `wanted`, "" for nothing: these fields were mended, or (None) it was made."""
        before, self._ensured = self._ensured, hash(msgspec.json.encode(wanted))
        name = wanted["metadata"]["name"]
        if mended is None:
            return (
                f"HPA {name} was made"
                if before is None
                else f"somebody deleted HPA {name}: it was made again"
            )
        if not mended:
            return ""
        same = before == self._ensured
        who = f"somebody edited HPA {name}: mended" if same else f"HPA {name} was changed in"
        return f"{who} {', '.join(mended)}"

    @property
    def _given(self) -> Given | None:
        return self.decisions[-1].given if self.decisions else None

    @property
    def _newest_change(self) -> Scaled | None:
        return next((entry for entry in reversed(self.others) if isinstance(entry, Scaled)), None)

    def _unclaimed(self, after: int | None, now: datetime) -> Scaled | None:
        """The newest change to `after` of which nobody has said who made it, if it was a short while ago."""
        for entry in reversed(self.others):
            if isinstance(entry, Scaled) and entry.by == "other" and entry.after == after:
                return entry if now - entry.at <= _SOON else None
        return None
