"""Replicas as a sequence of steps: do ours agree with two recorded runs of the same life?

Steps are `[[t, n], ...]`: from second t on there were n replicas, first at 0. They agree when every step that both runs
took is among ours, in order, and every step of ours is one of a run's, all within TOLERANCE seconds of a recorded one.
A passing 1 on the way between 0 and N counts for nothing: the recording was sampled and can have missed it.
"""

from collections.abc import Sequence
from enum import Enum

__all__ = ["TOLERANCE", "Steps", "Verdict", "agree", "agreed", "without_passing_one"]

Steps = Sequence[Sequence[int | float | None]]

TOLERANCE = 3.0
"""Seconds between a step and a recorded one: recorded times are rounded, and were taken on a busy machine."""

_PASSING = {"up": 4.0, "down": 2.0}
"""How long a 1 may last to be a passing one: up, two HPA syncs; down, one, or it would be a step of a cooldown."""


class Verdict(Enum):
    """Whether steps agree; LATE: but for their times."""

    SAME = "same"
    LATE = "different in time only"
    DIFFERENT = "different"


def without_passing_one(steps: Steps) -> list[tuple[float, int | None]]:
    """The steps that changed something, less each 1 that lasted a moment between 0 and more than 1."""
    kept: list[tuple[float, int | None]] = []
    for position, (at, count) in enumerate(steps):
        before = kept[-1][1] if kept else None
        if kept and count == before:
            continue
        following = steps[position + 1] if position + 1 < len(steps) else None
        if count == 1 and kept and following and _passing(before, following[1], following[0] - at):
            continue
        kept.append((at, count))
    return kept


def _passing(before: int | None, after: int | None, lasted: float) -> bool:
    if before == 0 and (after or 0) > 1:
        return lasted <= _PASSING["up"]
    return (before or 0) > 1 and after == 0 and lasted <= _PASSING["down"]


def agreed(first: Steps, second: Steps) -> list[tuple[int | None, tuple[float, float]]]:
    """The steps of both runs, each with its two times: the longest common sequence."""
    one, two = without_passing_one(first), without_passing_one(second)
    best: dict[tuple[int, int], list[tuple[int | None, tuple[float, float]]]] = {}
    for i in range(len(one), -1, -1):
        for j in range(len(two), -1, -1):
            if i == len(one) or j == len(two):
                best[i, j] = []
                continue
            best[i, j] = max(best[i + 1, j], best[i, j + 1], key=len)
            (at, count), (again, other) = one[i], two[j]
            if count == other and abs(at - again) <= 2 * TOLERANCE:
                best[i, j] = max([(count, (at, again)), *best[i + 1, j + 1]], best[i, j], key=len)
    return best[0, 0]


def agree(ours: Steps, first: Steps, second: Steps) -> Verdict:
    """How our steps compare with two recorded runs."""
    mine = without_passing_one(ours)
    common = agreed(first, second)
    seen = [*without_passing_one(first), *without_passing_one(second)]
    if _fits(mine, common, seen, TOLERANCE):
        return Verdict.SAME
    return Verdict.LATE if _fits(mine, common, seen, float("inf")) else Verdict.DIFFERENT


def _fits(
    mine: Sequence[tuple[float, int | None]],
    common: Sequence[tuple[int | None, tuple[float, float]]],
    seen: Sequence[tuple[float, int | None]],
    tolerance: float,
) -> bool:
    reached = {0}  # how many of the common steps ours can have taken so far
    for at, count in mine:
        further = set()
        for done in reached:
            wanted, times = common[done] if done < len(common) else (count, ())
            if count == wanted and any(abs(at - recorded) <= tolerance for recorded in times):
                further.add(done + 1)
            if any(count == other and abs(at - recorded) <= tolerance for recorded, other in seen):
                further.add(done)
        reached = further
    return len(common) in reached
