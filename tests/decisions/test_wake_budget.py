"""The wake-up budget: worked examples, and what holds of random crowds."""

from collections import Counter

import budget_laws
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.core import wake_budget
from scaler.core.wake_budget import MINUTE, WakeBudget


@pytest.mark.parametrize("example", budget_laws.EXAMPLES, ids=lambda example: example.__name__)
def test_example(example):
    example(wake_budget)


CROWDS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(0, 5), st.integers(1, 14)), min_size=1, max_size=60
)  # Each after so many seconds: its namespace, its pods


def lived(budget, crowd):
    """Each asks once, whoever waits is told at the moments named, and asks again: [(moment, uid, namespace, pods)]."""
    now, woken, wanted = 0.0, [], {}

    def tell(until):
        while (moment := budget.next(now)) is not None and moment <= until:
            due = budget.due(moment)
            assert due
            for uid in due:
                assert budget.ask(uid, *wanted[uid], moment)
                woken.append((moment, uid, *wanted[uid]))

    for number, (gap, namespace, pods) in enumerate(crowd):
        tell(now + gap)
        now += gap
        wanted[number] = (namespace, pods)
        if budget.ask(number, namespace, pods, now):
            woken.append((now, number, namespace, pods))
    tell(float("inf"))
    return woken


@settings(deadline=None)
@given(CROWDS, st.integers(1, 12))
def test_never_more_than_the_budget_in_any_minute_and_all_in_the_end(crowd, size):
    budget = WakeBudget(size)
    woken = lived(budget, crowd)
    assert sorted(uid for _, uid, _, _ in woken) == list(range(len(crowd)))
    assert budget.waiting == 0
    assert budget.next(1e9) is None
    for start, _, _, first in woken:
        minute = [(at, pods) for at, _, _, pods in woken if start <= at < start + MINUTE]
        assert sum(pods for _, pods in minute) <= size or (first > size and len(minute) == 1)


@settings(deadline=None)
@given(CROWDS, st.integers(1, 12))
def test_time_is_not_wasted(crowd, size):
    """All is over within the minutes that it costs when each request takes whole minutes of its own."""
    woken = lived(WakeBudget(size), crowd)
    asked = sum(gap for gap, _, _ in crowd)
    assert max(at for at, *_ in woken) <= asked + MINUTE * sum(-(-pods // size) for _, _, pods in crowd)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(1, 5))
def test_no_namespace_starves(sizes, size):
    """All wait from the start, as many as may be in each: no two of them ever differ by more than one turn."""
    budget = WakeBudget(size)
    assert budget.ask("before", "other", size, 0.0)
    for namespace, count in enumerate(sizes):
        for number in range(count):
            assert not budget.ask((namespace, number), namespace, 1, 0.0)
    woken = Counter()
    for uid, _ in budget_laws.life(budget):
        namespace, number = uid
        assert woken[namespace] == number, "first come, first served"
        woken[namespace] += 1
        waiting = [woken[other] for other, count in enumerate(sizes) if woken[other] < count]
        assert not waiting or woken[namespace] <= min(waiting) + 1
    assert woken == Counter(dict(enumerate(sizes)))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "ask", "due", "forget"]),
            st.integers(0, 7),
            st.integers(1, 6),
            st.floats(0, 40),
        ),
        max_size=80,
    )
)
def test_next_keeps_its_word(happenings):
    """Whatever happens: nobody is due before the moment named, and somebody is at it."""
    budget, now = WakeBudget(4), 0.0
    for what, number, pods, gap in happenings:
        named = budget.next(now)
        if named is not None and named > now:
            assert budget.due(now) == []
        now += gap
        if what == "ask":
            budget.ask(number, number % 3, pods, now)
        elif what == "due":
            assert bool(budget.due(now)) == (named is not None and named <= now)
        else:
            budget.forget(number)
        named = budget.next(now)
        assert (named is None) == (budget.waiting == 0 and not budget._news)
        assert budget.waiting == sum(map(len, budget._waiting.values()))
