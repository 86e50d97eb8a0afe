"""What the triggers of one object last said, and how those that fail have been failing.

From here come the outcomes that are decided on. Failures are counted by polls alone: what the HPA asks for more often
says nothing about how long a source is down.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scaler.control.results import Result
from scaler.control.triggers import Built
from scaler.core.outcome import RESOURCE, Outcome
from scalers._lib import quantity
from scalers.sdk import Reading, ScalerError

__all__ = ["UNREAD", "Readings"]

UNREAD = "NotReadYet"


@dataclass(slots=True)
class _Failing:
    """One trigger's failures since its last success; `last` is that success, None where none was seen."""

    failures: int = 0
    since: datetime | None = None
    last: Result | None = None


@dataclass(slots=True, eq=False)
class Readings:
    """See the module. Changed only on the event loop."""

    triggers: tuple[Built, ...] = ()
    results: dict[int, Result] = field(default_factory=dict)
    """The latest result of each trigger, by its index."""
    _failing: dict[int, _Failing] = field(default_factory=dict)
    _remembered: dict[str, int] = field(default_factory=dict)
    """Failures in a row by metric, as the status remembers them."""
    _targets: dict[str, int] = field(default_factory=dict)

    @classmethod
    def remembering(cls, health: object) -> "Readings":
        """Before the first read: `status.health` goes on counting where it was."""
        remembered = {}
        for metric, found in health.items() if isinstance(health, Mapping) else ():
            count = found.get("numberOfFailures") if isinstance(found, Mapping) else None
            if isinstance(count, int):
                remembered[str(metric)] = count
        return cls(_remembered=remembered)

    def take(self, triggers: tuple[Built, ...], now: datetime) -> None:
        """Triggers were built anew; results stay with those whose question is the same.

        One that can no longer be built has failed from now on, and keeps what it said last.
        """
        for index in {*self.results, *self._failing}:
            before = self.triggers[index] if index < len(self.triggers) else None
            after = triggers[index] if index < len(triggers) else None
            was = before.metadata if before is not None else None
            now_is = after.metadata if after is not None else None
            if was is None or now_is != was:
                self.results.pop(index, None)
            same = before is not None and after is not None and before.names == after.names
            if not same or (was is not None and now_is is not None and now_is != was):
                self._failing.pop(index, None)
        self.triggers = triggers
        self._targets = {
            name: quantity.milli(quantity.from_number(spec.target))
            for built in triggers
            for spec, name in zip(built.specs, built.names, strict=True)
        }
        for built in triggers:
            if built.error is not None:
                state = self._state(built)
                state.since = state.since or now

    def result(self, index: int, result: Result) -> None:
        """A trigger was read, or could not be. A pushed verdict replaces the activity of the last reading alone."""
        if result.pushed:
            before = self.results.get(index)
            readings = before.readings if before is not None else ()
            verdicts = tuple(replace(reading, active=result.verdict) for reading in readings)
            # Its numbers are as old as they were.
            at = before.at if before is not None and readings else result.at
            self.results[index] = replace(result, readings=verdicts, at=at)
            return
        self.results[index] = result
        built = self.triggers[index]
        state = self._state(built)
        # An answer that leaves out one of several metrics is a failure of that one.
        whole = all(_reading(result, spec.name) is not None for spec in built.specs)
        if result.error is None and whole:
            state.failures, state.since, state.last = 0, None, result
        else:
            state.failures += result.cause == "poll"
            state.since = state.since or result.moment

    def tick(self) -> None:
        """One pollingInterval is over for what cannot even be tried: it is a failed poll."""
        for built in self.triggers:
            if built.error is not None:
                self._state(built).failures += 1

    @property
    def polled(self) -> bool:
        """Do all triggers have results that come again and again, or need none?"""
        return any(built.reads for built in self.triggers) and all(b.error is None for b in self.triggers)

    def unread(self) -> bool:
        """Is there a trigger that has never been tried?"""
        return any(built.reads and built.index not in self.results for built in self.triggers)

    def error(self, built: Built) -> ScalerError | None:
        """Why there is no number of this trigger; None where there is one, or it was not tried yet."""
        if built.error is not None:
            return built.error
        result = self.results.get(built.index)
        return result.error if result is not None else None

    def outcomes(self) -> tuple[Outcome, ...]:
        """The latest outcome of every metric, in the order of the triggers."""
        return tuple(outcome for built in self.triggers for outcome in self._of(built))

    def activity(self, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """status.triggersActivity: a metric without a verdict keeps what is `known`. None: no metric can have one."""
        found = {
            o.metric: {"isActive": o.active}
            if o.active is not None
            else known.get(o.metric, {"isActive": False})
            for o in self.outcomes()
            if o.metric_type != RESOURCE
        }
        return found or None

    def health(self, threshold: int) -> dict[str, Any] | None:
        """status.health: failures in a row by external metric, counted no further than a fallback needs (facts 1.4)."""
        found = {}
        for outcome in self.outcomes():
            if outcome.external and outcome.reason != UNREAD:
                failures = min(outcome.failures, threshold + 1)
                failing = outcome.active is None
                found[outcome.metric] = {
                    "numberOfFailures": failures,
                    "status": "Failing" if failing else "Happy",
                }
        return found or None

    def _state(self, built: Built) -> _Failing:
        state = self._failing.get(built.index)
        if state is None:
            # Once: after a pause or an edit the count begins anew.
            remembered = max((self._remembered.pop(name, 0) for name in built.names), default=0)
            state = self._failing[built.index] = _Failing(remembered)
        return state

    def _of(self, built: Built) -> Iterator[Outcome]:
        for resource in built.resources:
            target = quantity.milli(resource.target)
            yield Outcome(index=built.index, metric=resource.name, target=target, metric_type=RESOURCE)
        result, error = self.results.get(built.index), self.error(built)
        for spec, name in zip(built.specs, built.names, strict=True):
            outcome = Outcome(
                index=built.index,
                metric=name,
                target=self._targets[name],
                metric_type=built.metric_type,
                trigger=built.name,
            )
            if error is not None:
                yield self._failed(built, spec.name, outcome, error.reason, str(error))
            elif result is None:
                yield replace(outcome, reason=UNREAD, message="not read yet")
            elif (reading := _reading(result, spec.name)) is not None:
                yield replace(outcome, value=reading.value, active=_active(built, reading))
            elif result.pushed:
                yield replace(outcome, active=result.verdict)
            else:
                text = f"the source gave no value for {spec.name}"
                yield self._failed(built, spec.name, outcome, "NoData", text)

    def _failed(self, built: Built, metric: str, outcome: Outcome, reason: str, message: str) -> Outcome:
        state = self._state(built)
        last = _reading(state.last, metric) if state.last is not None else None
        return replace(
            outcome,
            reason=reason,
            message=message,
            failures=state.failures,
            since=state.since,
            last=last.value if last is not None else None,
            was_active=_active(built, last) if last is not None else None,
        )


def _reading(result: Result, metric: str) -> Reading | None:
    return next((reading for reading in result.readings if reading.metric in {None, metric}), None)


def _active(built: Built, reading: Reading) -> bool:
    if reading.active is not None:
        return reading.active
    return reading.value > (built.metadata.activation if built.metadata is not None else 0)
