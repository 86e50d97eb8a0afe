"""Whether two sequences of steps agree: what passes, what is only late, and what is not the same."""

import pytest
from replica_steps import Verdict, agree, agreed, without_passing_one

SAME, LATE, DIFFERENT = Verdict.SAME, Verdict.LATE, Verdict.DIFFERENT
FIRST = [[0, 0], [6, 1], [8, 4], [30, 1], [35, 0]]
SECOND = [[0, 0], [5, 4], [29, 1], [34, 0]]


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([[0, 0], [6, 1], [8, 4], [30, 1], [35, 0]], SAME),
        ([[0, 0], [8, 4], [30, 1], [35, 0]], SAME),  # the passing 1 is not seen
        ([[-1, 0], [2, 4], [27, 1], [31, 0]], SAME),  # within 3 s of either run
        ([[0, 0], [11.1, 4], [30, 1], [35, 0]], LATE),
        ([[0, 0], [1.9, 4], [30, 1], [35, 0]], LATE),
        ([[0, 0], [8, 4], [30, 1], [40, 0]], LATE),
        ([[0, 0], [8, 4], [30, 1]], DIFFERENT),  # never comes down
        ([[0, 0], [8, 4], [35, 0]], DIFFERENT),  # a 1 of five seconds is no passing one
        ([[0, 0], [8, 5], [30, 1], [35, 0]], DIFFERENT),
        ([[0, 0], [8, 4], [20, 5], [21, 4], [30, 1], [35, 0]], DIFFERENT),  # something between
        ([[0, 0], [8, 4], [30, 1], [35, 0], [38, 2]], DIFFERENT),  # something after the end
        ([[0, 1], [8, 4], [30, 1], [35, 0]], DIFFERENT),
        ([[0, None], [8, 4], [30, 1], [35, 0]], DIFFERENT),
    ],
)
def test_steps_agree_with_two_runs(ours, verdict):
    assert agree(ours, FIRST, SECOND) is verdict


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([[0, 0], [6, 2]], SAME),
        ([[0, 0], [6, 2], [19, 0]], SAME),
        ([[0, 0], [6, 2], [40, 0]], LATE),
        ([[0, 0], [6, 2], [19, 6]], DIFFERENT),
        ([[0, 0], [19, 0]], DIFFERENT),
    ],
)
def test_only_that_counts_on_which_both_runs_agree(ours, verdict):
    assert agree(ours, [[0, 0], [6, 2], [19, 0]], [[0, 0], [6, 2]]) is verdict


def test_the_same_count_at_another_time_is_no_common_step():
    assert agreed([[0, 0], [6, 2]], [[0, 0], [13, 2]]) == [(0, (0, 0))]
    assert agreed([[0, 0], [6, 2]], [[0, 0], [12, 2]]) == [(0, (0, 0)), (2, (6, 12))]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([[0, 0], [6, 1], [10, 4]], [(0, 0), (10, 4)]),
        ([[0, 0], [6, 1], [11, 4]], [(0, 0), (6, 1), (11, 4)]),
        ([[0, 0], [6, 1], [8, 0]], [(0, 0), (6, 1), (8, 0)]),
        ([[0, 4], [6, 1], [8, 0]], [(0, 4), (8, 0)]),
        ([[0, 4], [6, 1], [9, 0]], [(0, 4), (6, 1), (9, 0)]),
        ([[0, 2], [0, 0], [5, 1], [7, 4]], [(0, 2), (0, 0), (7, 4)]),
        ([[0, 0], [3, 0], [5, 1]], [(0, 0), (5, 1)]),
        ([[0, 1], [3, 4]], [(0, 1), (3, 4)]),
        ([[0, None], [6, 1], [7, 4]], [(0, None), (6, 1), (7, 4)]),
    ],
)
def test_a_passing_one_is_a_moment_between_zero_and_more(steps, left):
    assert without_passing_one(steps) == left
