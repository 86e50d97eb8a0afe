"""The HPA owns the replicas from max(minReplicaCount, 1) upwards; we own the steps below, and the first jump.

`decide` is the one function that decides, pure and total: policy (what the object says), outcomes (what its
triggers last said), the present replicas, two moments and now make one Decision. The loop, `explain`,
`simulate` and the tests call it, and `record` replays it. Rules of this file:

1. Not knowing is not zero. A trigger without a number is neither work nor the absence of work: while no other
   trigger says work, nothing is changed.
2. Nothing here reads a clock, a setting or the cluster, and nothing is remembered from call to call.
3. The first of these that fits decides (facts: KEDA's executor):

   | situation                                         | replicas                  | reason          |
   |---------------------------------------------------|---------------------------|-----------------|
   | work; at 0, or below minReplicaCount with an idle | floor, or what is needed¹ | Activated       |
   | work; otherwise                                   | leave to the HPA          | HPAInCharge     |
   | no trigger says work, one has no number           | leave                     | TriggersFailed  |
   | no work; below rest                               | rest                      | RaisedToMinimum |
   | no work; above rest, which is 0 or idle; cooldown | leave                     | CoolingDown     |
   | no work; above rest, which is 0 or idle           | rest                      | Deactivated     |
   | no work; otherwise                                | leave                     | AtRest          |

   floor is minReplicaCount, or 1; rest is idleReplicaCount, or minReplicaCount. ¹ `activation: desired`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from scaler.core import desired

__all__ = ["RESOURCE", "Decision", "Outcome", "Policy", "Reason", "Times", "decide"]

RESOURCE = "Resource"
"""The metric type of cpu and memory triggers: the HPA reads them itself, we have no number and need none."""


class Reason(StrEnum):
    """Why: one word, the same in the journal, `explain`, metric labels, conditions' messages and docs."""

    ACTIVATED = "Activated"
    HPA_IN_CHARGE = "HPAInCharge"
    TRIGGERS_FAILED = "TriggersFailed"
    RAISED_TO_MINIMUM = "RaisedToMinimum"
    AT_REST = "AtRest"
    COOLING_DOWN = "CoolingDown"
    DEACTIVATED = "Deactivated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the object says, with KEDA's defaults filled in. Counts are replicas, spans are seconds.

    The bounds hold already: 0 <= minimum <= maximum, maximum > 0, 0 <= idle < minimum. `activation` is
    `floor` or `desired`; `scale_up` is the object's `behavior.scaleUp`, None where it has none (see
    `desired.scale_up`).
    """

    minimum: int = 0
    maximum: int = 100
    idle: int | None = None
    cooldown: float = 300.0
    initial_cooldown: float = 0.0
    activation: str = "floor"
    scale_up: desired.Rules | None = None

    @property
    def floor(self) -> int:
        """Where the HPA takes over: minReplicaCount, or 1."""
        return self.minimum or 1

    @property
    def rest(self) -> int:
        """The replicas without work: idleReplicaCount, or minReplicaCount."""
        return self.minimum if self.idle is None else self.idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one metric of trigger number `index` last said.

    `target` is in thousandths; `value` None means that it is not known, `active` None that it is not known
    whether there is work; then `reason` (one word) and `message` say why. A cpu or memory trigger has metric
    type Resource and leaves both None: it says nothing, unless a `reason` tells that it is broken.
    """

    index: int
    metric: str
    target: int
    metric_type: str = "AverageValue"
    value: float | None = None
    active: bool | None = None
    reason: str = ""
    message: str = ""

    @property
    def unknown(self) -> bool:
        """Is it unknown whether this trigger has work?"""
        return self.active is None and (self.metric_type != RESOURCE or bool(self.reason))


@dataclass(frozen=True, slots=True)
class Times:
    """When the object was created, and when a trigger last said that there is work (None: never).

    After a restart `last_active` is what the status remembers. Where the status says Active=True and the
    first verdict is that there is no work, nobody knows when the work ended: the caller passes now, so that a
    restart may lengthen a cooldown but never shortens it.
    """

    created: datetime
    last_active: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, and why.

    `replicas` None: leave them. `active`: is there work, None if that is not known. `last_active`: to be
    remembered as Times.last_active. `cooldown_until`: set while cooling down; only after that moment the
    replicas go to rest. `message` is for a person; `triggers` are the metrics that said work.
    """

    replicas: int | None
    reason: Reason
    active: bool | None
    last_active: datetime | None
    cooldown_until: datetime | None
    message: str
    triggers: tuple[str, ...]


def decide(
    policy: Policy, outcomes: Sequence[Outcome], replicas: int, times: Times, now: datetime
) -> Decision:
    """The decision for an object whose scale target has `replicas` now. See the table above."""
    unknown = [outcome for outcome in outcomes if outcome.unknown]
    working = tuple(outcome.metric for outcome in outcomes if outcome.active)
    # cpu and memory alone never say that there is no work: such an object is always active, as in KEDA.
    resources_only = bool(outcomes) and all(outcome.metric_type == RESOURCE for outcome in outcomes)
    if working or (resources_only and not unknown):
        return _with_work(policy, outcomes, replicas, now, working)
    if unknown or not outcomes:
        failed = "; ".join(f"{o.metric}: {o.reason or 'Unknown'} {o.message}".rstrip() for o in unknown)
        return _without(Reason.TRIGGERS_FAILED, times, failed or "no trigger has been read", active=None)
    return _without_work(policy, replicas, times, now)


def _with_work(
    policy: Policy, outcomes: Sequence[Outcome], replicas: int, now: datetime, working: tuple[str, ...]
) -> Decision:
    """Every reading that shows work restarts the cooldown, whatever else happens."""
    where = ", ".join(working) or "cpu or memory"
    to, reason, message = None, Reason.HPA_IN_CHARGE, f"work in {where}; at {replicas} the HPA decides"
    if replicas == 0 or (policy.idle is not None and replicas < policy.minimum):
        to, reason = policy.floor, Reason.ACTIVATED
        if policy.activation == "desired":
            to = desired.first_write(policy, outcomes)
        message = f"work in {where}; from {replicas} to {to}"
    return Decision(
        replicas=to,
        reason=reason,
        active=True,
        last_active=now,
        cooldown_until=None,
        message=message,
        triggers=working,
    )


def _without_work(policy: Policy, replicas: int, times: Times, now: datetime) -> Decision:
    rest = policy.rest
    if replicas < rest:
        raised = f"no work; raised from {replicas} to {rest}"
        return _without(Reason.RAISED_TO_MINIMUM, times, raised, to=rest)
    if replicas == rest or (policy.minimum > 0 and policy.idle is None):
        hint = "" if replicas == rest else f"; down to {rest} the HPA decides"
        return _without(Reason.AT_REST, times, f"no work; at {replicas}{hint}")
    until = _cooldown_end(policy, times)
    if now <= until:
        waiting = f"no work; from {replicas} to {rest} after {until:%Y-%m-%dT%H:%M:%SZ}"
        return _without(Reason.COOLING_DOWN, times, waiting, until=until)
    return _without(Reason.DEACTIVATED, times, f"no work; from {replicas} to {rest}", to=rest)


def _cooldown_end(policy: Policy, times: Times) -> datetime:
    """The initial cooldown counts from creation, and only until the object has been active once."""
    if times.last_active is None:
        return _later(times.created, policy.initial_cooldown)
    return _later(times.last_active, policy.cooldown)


def _later(moment: datetime, seconds: float) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:  # A status can be edited by hand: the year 9999 is no reason to crash.
        return datetime.max.replace(tzinfo=UTC)


def _without(
    reason: Reason,
    times: Times,
    message: str,
    *,
    to: int | None = None,
    active: bool | None = False,
    until: datetime | None = None,
) -> Decision:
    """A decision while no trigger says work: the moment of the last work stays what it was."""
    return Decision(
        replicas=to,
        reason=reason,
        active=active,
        last_active=times.last_active,
        cooldown_until=until,
        message=message,
        triggers=(),
    )
