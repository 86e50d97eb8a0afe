"""What each trigger last said: the words that `judgement` and `decision` are given.

Pure values, plain enough to be recorded as JSON and read back.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["COMPOSITE", "RESOURCE", "By", "Outcome"]

RESOURCE = "Resource"
"""The metric type of cpu and memory triggers: the HPA reads them itself, we have no number and need none."""

COMPOSITE = "composite-metric"
"""The one external metric of an object with scalingModifiers (KEDA's name for it)."""


class By(StrEnum):
    """How a number came about."""

    READ = "read"
    """Its source said so."""

    FALLBACK = "fallback"
    """Its source failed too often; `spec.fallback` stands in for it."""

    LAST_KNOWN = "last-known"
    """Its source fails; the last value still counts (`tidegate.dev/on-error: last-known=...`)."""

    IGNORED = "ignored"
    """Its source fails; the other triggers decide (`tidegate.dev/on-error: ignore`)."""

    FORMULA = "formula"
    """It was computed by `scalingModifiers.formula`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one metric of trigger number `index` last said.

    `target` is in thousandths; `value` None means that it is not known, `active` None that it is not known
    whether there is work; then `reason` (one word) and `message` say why. A cpu or memory trigger has metric
    type Resource and leaves both None: it says nothing, unless a `reason` tells that it is broken.

    `trigger` is the name that the user gave it (formulas use it). While a source fails, `failures` counts the
    failed polls in a row, `since` is when the first of them failed, and `last` is the value before that, with
    `was_active`, its verdict.
    """

    index: int
    metric: str
    target: int
    metric_type: str = "AverageValue"
    value: float | None = None
    active: bool | None = None
    reason: str = ""
    message: str = ""
    trigger: str = ""
    failures: int = 0
    since: datetime | None = None
    last: float | None = None
    was_active: bool | None = None
    by: By = By.READ

    @property
    def unknown(self) -> bool:
        """Is it unknown whether this trigger has work?"""
        return self.active is None and (self.metric_type != RESOURCE or bool(self.reason))

    @property
    def external(self) -> bool:
        """Is it read by us, not by the HPA itself?"""
        return self.metric_type != RESOURCE
