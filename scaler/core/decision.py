"""The HPA owns the replicas from max(minReplicaCount, 1) upwards; we own the steps below, and the first jump.

`decide` is the one function that decides, pure and total: policy (what the object says), outcomes (what its
triggers last said), the present replicas, two moments and now make one Decision. The loop, `explain`,
`simulate` and the tests call it, and `record` replays it. Rules of this file:

1. Not knowing is not zero. A trigger without a number is neither work nor the absence of work: while no other
   trigger says work, nothing is changed. What may stand in for it is `judgement`'s.
2. Nothing here reads a clock, a setting or the cluster, and nothing is remembered from call to call.
3. The first of these that fits decides (facts: KEDA's executor):

   | situation                                          | replicas                  | reason          |
   |----------------------------------------------------|---------------------------|-----------------|
   | paused                                             | the paused value, if any  | Paused          |
   | work; below¹; scale-out paused                     | leave                     | ScaleOutPaused  |
   | work; below¹; no budget for new pods               | leave                     | AwaitsBudget    |
   | work; below¹                                       | floor, or what is needed² | Activated       |
   | work; otherwise                                    | leave to the HPA          | HPAInCharge     |
   | no trigger says work, one has no number            | leave                     | TriggersFailed  |
   | no work; below rest                                | rest                      | RaisedToMinimum |
   | no work; above rest³; cooldown                     | leave                     | CoolingDown     |
   | no work; above rest³; scale-in paused              | leave                     | ScaleInPaused   |
   | no work; above rest³; the HPA is to scale in first | leave                     | ScalingIn       |
   | no work; above rest³; the brake holds              | leave                     | Braked          |
   | no work; above rest³                               | rest                      | Deactivated     |
   | no work; otherwise                                 | leave                     | AtRest          |

   floor is minReplicaCount, or 1; rest is idleReplicaCount, or minReplicaCount. ¹ At 0, or below minReplicaCount where
   there is an idleReplicaCount. ² `activation: desired`. ³ Where rest is 0 or idleReplicaCount.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from scaler.core import desired
from scaler.core.judgement import counted, judge
from scaler.core.outcome import RESOURCE, By, Outcome
from scaler.core.policy import FREE, Policy, Restraint
from scaler.core.trail import Clamp, Trail, proposal

__all__ = [
    "RESOURCE",
    "Clamp",
    "Decision",
    "Outcome",
    "Policy",
    "Reason",
    "Restraint",
    "Times",
    "decide",
]


class Reason(StrEnum):
    """Why: one word, the same in the journal, `explain`, metric labels, conditions' messages and docs."""

    PAUSED = "Paused"
    ACTIVATED = "Activated"
    SCALE_OUT_PAUSED = "ScaleOutPaused"
    AWAITS_BUDGET = "AwaitsBudget"
    HPA_IN_CHARGE = "HPAInCharge"
    TRIGGERS_FAILED = "TriggersFailed"
    RAISED_TO_MINIMUM = "RaisedToMinimum"
    AT_REST = "AtRest"
    COOLING_DOWN = "CoolingDown"
    SCALE_IN_PAUSED = "ScaleInPaused"
    SCALING_IN = "ScalingIn"
    BRAKED = "Braked"
    DEACTIVATED = "Deactivated"


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
    replicas go to rest. `message` is for a person; `triggers` are the metrics that said work. `forced`: there is
    work because an annotation says so. `trail` is how the count came about, step by step.
    """

    replicas: int | None
    reason: Reason
    active: bool | None
    last_active: datetime | None
    cooldown_until: datetime | None
    message: str
    triggers: tuple[str, ...]
    forced: bool = False
    trail: tuple[Clamp, ...] = ()


def decide(
    policy: Policy,
    outcomes: Sequence[Outcome],
    replicas: int,
    times: Times,
    now: datetime,
    *,
    ready: int | None = None,
    restraint: Restraint = FREE,
) -> Decision:
    """The decision for an object whose scale target has `replicas` now, `ready` of them ready. See the table above."""
    if policy.pause.full:
        return _paused(policy, replicas, times)
    judged = judge(policy, outcomes, replicas, ready, now)
    trail = Trail(replicas, judged)
    given = counted(judged)
    unknown = [outcome for outcome in given if outcome.unknown]
    working = tuple(outcome.metric for outcome in given if outcome.active)
    # cpu and memory alone never say that there is no work: such an object is always active, as in KEDA.
    resources_only = bool(given) and all(outcome.metric_type == RESOURCE for outcome in given)
    if policy.forced or working or (resources_only and not unknown):
        return _with_work(policy, given, replicas, now, working, restraint, trail)
    if unknown or not given:
        failed = "; ".join(map(_failure, unknown)) or "no trigger has been read"
        trail.hold("policy", f"nothing is changed: {failed}")
        return _without(Reason.TRIGGERS_FAILED, times, failed, trail, active=None)
    return _without_work(policy, replicas, times, now, restraint, trail)


def _paused(policy: Policy, replicas: int, times: Times) -> Decision:
    """As long as it lasts nothing is read. The count of `paused-replicas` is the user's own, above max or not."""
    to = policy.pause.replicas
    trail = Trail(replicas, ())
    trail.step("pause", replicas if to is None else to, "paused by annotation")
    message = f"paused; at {replicas}" if to in {None, replicas} else f"paused; from {replicas} to {to}"
    return _without(Reason.PAUSED, times, message, trail, to=to, active=None)


def _with_work(
    policy: Policy,
    outcomes: Sequence[Outcome],
    replicas: int,
    now: datetime,
    working: tuple[str, ...],
    restraint: Restraint,
    trail: Trail,
) -> Decision:
    """Every reading that shows work restarts the cooldown, whatever else happens."""
    where = f"work in {', '.join(working) or 'cpu or memory'}"
    if policy.forced and not working:
        where = "activation is forced by annotation"
    trail.propose(proposal(outcomes, replicas, policy.floor))
    trail.bound(policy.floor, policy.maximum)
    to, reason, message = None, Reason.HPA_IN_CHARGE, f"{where}; at {replicas} the HPA decides"
    if replicas == 0 or (policy.idle is not None and replicas < policy.minimum):
        to, reason = policy.floor, Reason.ACTIVATED
        if policy.activation == "desired" and not restraint.to_floor:
            to = desired.first_write(policy, outcomes)
        trail.step("activation", to, _first_write(policy, restraint))
        message = f"{where}; from {replicas} to {to}"
        if policy.pause.scale_out:
            to, reason, message = None, Reason.SCALE_OUT_PAUSED, f"{where}; scale-out is paused at {replicas}"
            trail.hold("pause", "scale-out is paused by annotation")
        elif restraint.awaits_budget:
            to, reason, message = None, Reason.AWAITS_BUDGET, f"{where}; waits for the budget of new pods"
            trail.hold("brake", "the budget of new pods per minute is used up")
    else:
        trail.hold("hpa", "from the floor upwards the HPA decides, by its rates and windows")
    return Decision(
        replicas=to,
        reason=reason,
        active=True,
        last_active=now,
        cooldown_until=None,
        message=message,
        triggers=working,
        forced=policy.forced,
        trail=trail.steps,
    )


def _without_work(
    policy: Policy, replicas: int, times: Times, now: datetime, restraint: Restraint, trail: Trail
) -> Decision:
    rest = policy.rest
    trail.step("triggers", 0, "no trigger is active")
    if replicas < rest:
        trail.step("min", rest, "the count at rest")
        raised = f"no work; raised from {replicas} to {rest}"
        return _without(Reason.RAISED_TO_MINIMUM, times, raised, trail, to=rest)
    if replicas == rest or (policy.minimum > 0 and policy.idle is None):
        hint = "" if replicas == rest else f"; down to {rest} the HPA decides"
        trail.step("min", rest, "the count at rest")
        if hint:
            trail.hold("hpa", "from the floor upwards the HPA decides, by its rates and windows")
        return _without(Reason.AT_REST, times, f"no work; at {replicas}{hint}", trail)
    trail.step("min", rest, "the count at rest")
    down = f"no work; from {replicas} to {rest}"
    until = _cooldown_end(policy, times)
    if now <= until:
        trail.hold("cooldown", f"until {until:%Y-%m-%dT%H:%M:%SZ}")
        if restraint.braked:
            trail.hold("brake", "mass-event brake, when the cooldown is over")
        waiting = f"{down} after {until:%Y-%m-%dT%H:%M:%SZ}"
        return _without(Reason.COOLING_DOWN, times, waiting, trail, until=until)
    held = _held_back(policy, replicas, now, restraint, trail)
    if held is not None:
        return _without(held[0], times, f"{down} {held[1]}", trail)
    return _without(Reason.DEACTIVATED, times, down, trail, to=rest)


def _held_back(
    policy: Policy, replicas: int, now: datetime, restraint: Restraint, trail: Trail
) -> tuple[Reason, str] | None:
    """What keeps an object up whose cooldown is over, and until when in words; None if nothing does."""
    if policy.pause.scale_in:
        trail.hold("pause", "scale-in is paused by annotation")
        return Reason.SCALE_IN_PAUSED, "once scale-in is no longer paused"
    if policy.after_scale_in and replicas > policy.floor:
        trail.hold("policy", f"after-scale-in: the HPA scales in to {policy.floor} first")
        return Reason.SCALING_IN, f"once the HPA has scaled in to {policy.floor}"
    if restraint.not_before is not None and now < restraint.not_before:
        until = f"{restraint.not_before:%Y-%m-%dT%H:%M:%SZ}"
        trail.hold("brake", f"mass-event brake, until {until}")
        return Reason.BRAKED, f"after {until}: many fell to zero at once"
    return None


def _failure(outcome: Outcome) -> str:
    since = f" since {outcome.since:%Y-%m-%dT%H:%M:%SZ}" if outcome.since is not None else ""
    stands = f" ({outcome.by} value)" if outcome.by is By.LAST_KNOWN else ""
    return f"{outcome.metric}: {outcome.reason or 'Unknown'}{since}{stands} {outcome.message}".rstrip()


def _first_write(policy: Policy, restraint: Restraint) -> str:
    if policy.activation != "desired":
        return "the first write is the floor"
    if restraint.to_floor:
        return "the last activation's pods never became ready: the first write is the floor"
    return "the first write is what the backlog needs"


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
    trail: Trail,
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
        trail=trail.steps,
    )
