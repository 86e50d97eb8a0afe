"""From the count that metrics ask for to the one that may be written: windows, rates, minimum and maximum.

Used by `desired`. An HPA without `behavior` follows older rules that differ in small ways from the defaults
of `behavior`: one window (downwards), and at most twice the replicas, or 4, per sync.
"""

from dataclasses import dataclass

from scaler.core import rates
from scaler.core.rates import Behavior, Change

__all__ = ["Recommendation", "limit", "remember", "stabilise"]

_ALONE = 4
"""How far an HPA without `behavior` may go in one step however few replicas there are."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for at a moment (monotonic seconds), before windows and limits."""

    at: float
    replicas: int


def stabilise(
    behavior: Behavior | None, recent: tuple[Recommendation, ...], replicas: int, wanted: int, now: float
) -> tuple[int, str]:
    """The count after the windows, and the reason for AbleToScale.

    From 6, wanting 2, with 6 asked for a minute ago and 300 s downwards: still 6 (ScaleDownStabilized).
    """
    down = rates.DOWN.window if behavior is None else behavior.down.window
    if behavior is None:
        highest = max([wanted, *(r.replicas for r in recent if r.at >= now - down)])
        return highest, "ReadyForNewScale" if highest == wanted else "ScaleDownStabilized"
    lowest = min([wanted, *(r.replicas for r in recent if r.at > now - behavior.up.window)])
    highest = max([wanted, *(r.replicas for r in recent if r.at > now - down)])
    stable = min(max(replicas, lowest), highest)
    if stable == wanted:
        return stable, "ReadyForNewScale"
    return stable, "ScaleUpStabilized" if wanted >= replicas else "ScaleDownStabilized"


def remember(
    behavior: Behavior | None, recent: tuple[Recommendation, ...], wanted: int, now: float
) -> tuple[Recommendation, ...]:
    """The recommendations that a later window may still look at, and this one."""
    longest = rates.DOWN.window if behavior is None else max(behavior.up.window, behavior.down.window)
    return (*(r for r in recent if r.at >= now - longest), Recommendation(now, wanted))


def limit(
    behavior: Behavior | None,
    bounds: tuple[int, int],
    replicas: int,
    stable: int,
    changes: tuple[Change, ...],
    now: float,
) -> tuple[int, str]:
    """The count within minReplicas, maxReplicas (`bounds`) and the rates, and the reason for ScalingLimited.

    From 3 with the default rates, wanting 200: 7, since 4 pods are more than 100 % (ScaleUpLimit).
    """
    minimum, maximum = bounds
    if behavior is None:
        return _between(minimum, (maximum, max(2 * replicas, _ALONE)), stable)
    if stable > replicas:
        return _between(stable, (maximum, rates.most(behavior.up, replicas, changes, now)), stable)
    lowest = rates.least(behavior.down, replicas, changes, now)
    if stable < replicas and stable < max(minimum, lowest):
        return (lowest, "ScaleDownLimit") if lowest > minimum else (minimum, "TooFewReplicas")
    return stable, "DesiredWithinRange"


def _between(minimum: int, most: tuple[int, int], stable: int) -> tuple[int, str]:
    """Within the minimum and the lower of two maxima: maxReplicas, and what the rates allow."""
    maximum, fastest = most
    if stable < minimum:
        return minimum, "TooFewReplicas"
    if stable > min(maximum, fastest):
        return (fastest, "ScaleUpLimit") if fastest < maximum else (maximum, "TooManyReplicas")
    return stable, "DesiredWithinRange"
