"""What the journal keeps of one object: decisions, changes of its replicas, and what else happened.

Entries hold references; they become JSON in `explain_document`, and only when somebody asks. Entries that only repeat
the one before are counted in it, so that an object at rest, or steadily busy, does not push its own history out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from scaler.core.decision import Decision
from scaler.core.explain_hpa import HpaView
from scaler.core.record import Given

__all__ = ["Actor", "Decided", "Facts", "Happened", "Kind", "Scaled", "Subject"]

Actor = Literal["tidegate", "hpa", "other"]
Kind = Literal["refused", "write-failed", "replicas-unknown", "hpa", "in-charge"]


@dataclass(slots=True, eq=False)
class Decided:
    """One decision, and those after it that said the same: `first` to `given.now`, `count` of them, the latest kept.

    `acted` is False where nothing is written on principle (mode observe); `held` says why it was not carried out, else "".
    """

    given: Given
    decision: Decision
    acted: bool
    held: str
    first: datetime
    count: int = 1

    def repeated(self, given: Given, decision: Decision, *, acted: bool, held: str) -> bool:
        """Take in one that says the same: reason, count, triggers' state and policy. False when it does not."""
        mine, before = self.decision, self.given
        if (
            mine.reason is not decision.reason
            or mine.replicas != decision.replicas
            or (decision.replicas is not None and before.replicas != given.replicas)
            or self.acted is not acted
            or self.held != held
            or len(before.outcomes) != len(given.outcomes)
            or (before.policy is not given.policy and before.policy != given.policy)
        ):
            return False
        for old, new in zip(before.outcomes, given.outcomes, strict=True):
            if old.active is not new.active or old.reason != new.reason or old.metric != new.metric:
                return False
        if _stand_ins(mine) != _stand_ins(decision):
            return False
        self.given, self.decision = given, decision
        self.count += 1
        return True

    @property
    def last(self) -> datetime:
        """The moment of the latest."""
        return self.given.now


def _stand_ins(decision: Decision) -> list[str]:
    """The rules that put something in the place of what was read; limits come and go with the numbers."""
    return [step.name for step in decision.trail if step.name in _STAND_INS]


_STAND_INS = frozenset({"fallback", "policy"})


@dataclass(slots=True, eq=False)
class Scaled:
    """The target's replicas changed. `by` is settled later where the watch was quicker than the news of who did it.

    `hpa` is the HPA's status when it scaled; `given` what the decision before that was made from: the samples that the HPA
    was served. `echo`: our own write, which the watch has yet to show.
    """

    at: datetime
    before: int
    after: int
    by: Actor
    why: str = ""
    hpa: HpaView | None = None
    given: Given | None = None
    echo: bool = False

    @property
    def last(self) -> datetime:
        """When it was."""
        return self.at


@dataclass(slots=True, eq=False)
class Happened:
    """Something else that a person would want to know; `count` times from `first` to `last` in the same words.

    `word` is one word for it: KEDA's reason, or that of the decision that could not be written.
    """

    kind: Kind
    word: str
    text: str
    first: datetime
    last: datetime
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an outcome does not carry of its trigger: its type, and above which value it is active (None: not by value)."""

    type: str
    activation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The object and how it stands now. `refusal` is set while it is not in charge for that reason.

    `since` is when this process first saw it. `trouble` is what keeps the whole controller from acting, else "". `triggers`
    is by index. `unadmitted` is what KEDA's admission webhook would have refused, in words.
    """

    namespace: str
    name: str
    uid: str
    since: datetime
    target: str = ""
    in_charge: bool = False
    waiting: bool = False
    refusal: Happened | None = None
    paused: bool = False
    observed: bool = False
    hpa: HpaView | None = None
    trouble: str = ""
    triggers: Mapping[int, Facts] = field(default_factory=dict)
    unadmitted: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """Which object it is."""
        return {"kind": "ScaledObject", "namespace": self.namespace, "name": self.name, "uid": self.uid}
