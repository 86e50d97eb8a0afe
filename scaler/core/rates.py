"""How fast an HPA may change the replicas: `behavior` of autoscaling/v2 as numbers, and the limits it sets.

Used by `desired`, which is the HPA controller's arithmetic as a whole. Floats are used exactly where the
controller uses them, since its rounding is part of what users see: one step of 80 % down from 10 leads to 1,
because 10 x (1 - 0.8) is a little less than 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scalers._lib import quantity

__all__ = ["DOWN", "UP", "Behavior", "Change", "Rate", "Rules", "behavior", "rules"]

_INT32 = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Rate:
    """One policy: at most `value` pods (kind Pods) or per cent (kind Percent) in `period` seconds."""

    kind: str
    value: int
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One direction of `behavior`.

    `select` is Max, Min or Disabled. `window` in seconds: a scale-up takes the lowest recommendation in it, a
    scale-down the highest. `tolerance` is the relative deviation from the target that is not worth scaling
    for.
    """

    select: str = "Max"
    window: float = 0.0
    rates: tuple[Rate, ...] = ()
    tolerance: float = 0.1

    @property
    def longest(self) -> float:
        """The longest period of a rate, in seconds: how long a change matters."""
        return max((rate.period for rate in self.rates), default=0.0)


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions."""

    up: Rules
    down: Rules


@dataclass(frozen=True, slots=True)
class Change:
    """Replicas added (above 0) or taken away (below 0) at a moment (monotonic seconds)."""

    at: float
    replicas: int


UP = Rules(rates=(Rate("Pods", 4, 15.0), Rate("Percent", 100, 15.0)))
"""What scaleUp is when it is absent from a `behavior`."""
DOWN = Rules(window=300.0, rates=(Rate("Percent", 100, 15.0),))
"""What scaleDown is when it is absent; the window is kube-controller-manager's default."""


def behavior(written: Mapping[str, Any] | None) -> Behavior | None:
    """`spec.behavior` of an HPA, defaulted or not. None stays None: then older, fixed rules hold."""
    if written is None:
        return None
    return Behavior(rules(written.get("scaleUp"), UP), rules(written.get("scaleDown"), DOWN))


def rules(written: Mapping[str, Any] | None, default: Rules) -> Rules:
    """One direction as a valid manifest has it; what is absent is the default's."""
    given = {} if written is None else {name: value for name, value in written.items() if value is not None}
    rates = default.rates
    if "policies" in given:
        rates = tuple(
            Rate(policy["type"], int(policy["value"]), float(policy["periodSeconds"]))
            for policy in given["policies"]
        )
    return Rules(
        select=given.get("selectPolicy", default.select),
        window=float(given.get("stabilizationWindowSeconds", default.window)),
        rates=rates,
        tolerance=quantity.milli(given["tolerance"]) * 1e-3 if "tolerance" in given else default.tolerance,
    )


def most(rule: Rules, replicas: int, changes: tuple[Change, ...], now: float) -> int:
    """The highest count that the rates of scaleUp allow now, at least `replicas`.

    4 replicas, +1 pod and +100 % a minute: Max allows 8, Min allows 5. Of 8 that were 4 in this minute: Max
    still 8.
    """
    if rule.select == "Disabled":
        return replicas
    proposed = []
    for rate in rule.rates:
        start = replicas - _within(changes, now - rate.period)
        if rate.kind == "Pods":
            proposed.append(start + rate.value)
        else:
            # Rounded up: from 1, a step of 50 % must be able to reach 2.
            proposed.append(math.ceil(float(start) * (1 + float(rate.value) / 100)))
    limit = min(proposed) if rule.select == "Min" else max(proposed)
    return min(max(limit, replicas), _INT32)


def least(rule: Rules, replicas: int, changes: tuple[Change, ...], now: float) -> int:
    """The lowest count that the rates of scaleDown allow now, at most `replicas`.

    8 replicas, -1 pod and -50 % a minute: Max allows 4, Min allows 7.
    """
    if rule.select == "Disabled":
        return replicas
    proposed = []
    for rate in rule.rates:
        start = replicas - _within(changes, now - rate.period)
        if rate.kind == "Pods":
            proposed.append(start - rate.value)
        else:
            proposed.append(int(float(start) * (1 - float(rate.value) / 100)))
    limit = max(proposed) if rule.select == "Min" else min(proposed)
    return min(limit, replicas)


def _within(changes: tuple[Change, ...], since: float) -> int:
    """The sum of the changes after `since`: what a period began with is the present count less this."""
    return sum(change.replicas for change in changes if change.at > since)
