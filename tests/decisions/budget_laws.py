"""Worked examples of the wake-up budget. Each takes the module to judge: scaler.core.wake_budget, or a mutant of it."""


def life(budget, until=1e6):
    """Everybody waiting is granted and wakes at once, at the moments that `next` names: [(uid, moment)]."""
    woken, now = [], 0.0
    while (now := budget.next(now)) is not None and now < until:
        due = budget.due(now)
        assert due, "next promised somebody"
        woken += [(uid, now) for uid in due]
        assert len(woken) < 1000, "told again and again"
    return woken


def nothing_is_limited_unless_asked_for(module):
    for budget in module.WakeBudget(None), module.WakeBudget(0):
        assert all(budget.ask(f"u{n}", "ns", 1000, 0.0) for n in range(1000))
        assert budget.due(0.0) == []
        assert budget.next(0.0) is None
        assert budget.waiting == 0


def a_minutes_worth_goes_at_once_and_the_rest_a_minute_later(module):
    budget = module.WakeBudget(10)
    asked = [budget.ask(f"u{n}", "ns", 1, n / 10) for n in range(25)]
    assert asked == [True] * 10 + [False] * 15
    assert budget.waiting == 15
    assert budget.next(3.0) == 60.0
    assert budget.due(59.9) == []
    assert life(budget) == (
        [(f"u{n}", 60.0 + (n - 10) / 10) for n in range(10, 20)]
        + [(f"u{n}", 120.0 + (n - 20) / 10) for n in range(20, 25)]
    )
    assert budget.waiting == 0


def pods_are_counted_not_objects(module):
    budget = module.WakeBudget(10)
    assert budget.ask("a", "ns", 4, 0.0)
    assert budget.ask("b", "ns", 6, 0.0)
    assert not budget.ask("c", "ns", 1, 0.0)
    assert budget.next(0.0) == 60.0
    assert budget.due(60.0) == ["c"]
    assert budget.ask("c", "ns", 1, 60.0)


def one_larger_than_the_budget_is_granted_and_paid(module):
    budget = module.WakeBudget(10)
    assert budget.ask("a", "ns", 1, 60.0)
    assert not budget.ask("b", "ns", 25, 60.0)
    assert not budget.ask("c", "ns", 5, 60.0)
    assert not budget.ask("d", "ns", 10, 60.0)
    assert life(budget) == [("b", 120.0), ("c", 240.0), ("d", 300.0)]
    assert module.WakeBudget(10).ask("e", "ns", 25, 0.0)


def namespaces_take_turns(module):
    budget = module.WakeBudget(2)
    for n in range(6):
        budget.ask(f"big-{n}", "big", 1, 0.0)
    for n in range(2):
        assert not budget.ask(f"small-{n}", "small", 1, 1.0)
        assert not budget.ask(f"tiny-{n}", "tiny", 1, 1.0)
    assert [uid for uid, _ in life(budget)] == (
        ["big-2", "small-0", "tiny-0", "big-3", "small-1", "tiny-1", "big-4", "big-5"]
    )


def who_needs_much_is_not_passed(module):
    budget = module.WakeBudget(10)
    assert budget.ask("a", "ns", 5, 0.0)
    assert not budget.ask("much", "ns", 8, 1.0)
    assert not budget.ask("little", "ns", 1, 2.0)
    assert not budget.ask("other", "ns2", 1, 2.0)
    assert life(budget) == [("much", 60.0), ("other", 60.0), ("little", 60.0)]


def asking_again_keeps_the_place_and_the_last_number_counts(module):
    budget = module.WakeBudget(10)
    for uid in ("a", "b", "c"):
        budget.ask(uid, "ns", 8, 0.0)
    assert budget.next(0.0) == 60.0
    assert not budget.ask("b", "ns", 6, 1.0)
    assert not budget.ask("c", "ns", 4, 1.0)
    assert not budget.ask("b", "ns", 5, 2.0)
    assert budget.waiting == 2
    assert budget.due(60.0) == ["b", "c"]


def the_first_that_needs_less_need_not_wait_as_long(module):
    budget = module.WakeBudget(10)
    assert budget.ask("a", "ns", 6, 0.0)
    assert budget.ask("b", "ns", 3, 30.0)
    assert not budget.ask("c", "ns", 8, 31.0)
    assert budget.next(31.0) == 90.0
    assert not budget.ask("c", "ns", 7, 32.0)
    assert budget.next(32.0) == 60.0
    assert not budget.ask("d", "ns", 9, 33.0)
    assert budget.next(33.0) == 60.0
    budget.forget("c")
    assert budget.next(34.0) == 90.0
    assert budget.ask("d", "ns", 1, 34.0)
    assert budget.next(34.0) is None


def a_grant_is_told_once_and_good_for_one_wake_up(module):
    budget = module.WakeBudget(1)
    assert budget.ask("a", "ns", 1, 0.0)
    assert not budget.ask("b", "ns", 1, 0.0)
    assert budget.due(60.0) == ["b"]
    assert budget.due(60.0) == []
    assert budget.next(60.0) is None
    assert budget.ask("b", "ns", 1, 61.0)
    assert not budget.ask("b", "ns", 1, 62.0)
    assert budget.next(62.0) == 120.0


def a_grant_that_is_not_used_for_a_minute_is_void(module):
    budget = module.WakeBudget(1)
    budget.ask("a", "ns", 1, 0.0)
    budget.ask("b", "ns", 1, 0.0)
    assert budget.due(60.0) == ["b"]
    assert budget.ask("c", "ns", 1, 120.0)
    assert not budget.ask("b", "ns", 1, 120.0)


def who_needs_more_than_granted_gets_it_and_others_wait(module):
    budget = module.WakeBudget(10)
    budget.ask("a", "ns", 10, 0.0)
    budget.ask("b", "ns", 2, 0.0)
    budget.ask("c", "ns", 9, 0.0)
    assert budget.due(60.0) == ["b"]
    assert budget.next(60.0) == 120.0
    assert budget.ask("b", "ns", 12, 61.0)
    assert budget.next(61.0) == 121.0
    assert budget.due(121.0) == ["c"]


def whoever_may_wake_when_somebody_asks_is_told(module):
    """The one who asks finds the budget free again: those before it in turn are granted, and told of at once."""
    budget = module.WakeBudget(2)
    budget.ask("a", "ns", 2, 0.0)
    budget.ask("b", "ns", 1, 0.0)
    assert budget.ask("c", "ns", 1, 60.0)
    assert budget.next(60.5) == 60.5
    assert budget.due(60.5) == ["b"]
    assert not budget.ask("d", "ns", 1, 60.5)
    assert budget.ask("b", "ns", 1, 60.5)
    assert budget.due(60.5) == []


def the_forgotten_neither_wait_nor_wake(module):
    budget = module.WakeBudget(1)
    budget.ask("a", "ns", 1, 0.0)
    for uid in ("b", "c", "d"):
        budget.ask(uid, "ns", 1, 0.0)
    budget.ask("e", "other", 1, 0.0)
    budget.forget("b")
    budget.forget("e")
    budget.forget("nobody")
    assert budget.waiting == 2
    assert budget.next(60.0) == 60.0
    assert not budget.ask("x", "ns", 1, 60.0)
    budget.forget("c")
    assert budget.due(60.0) == []
    assert life(budget) == [("d", 120.0), ("x", 180.0)]
    budget = module.WakeBudget(1)
    budget.ask("a", "ns", 1, 0.0)
    budget.ask("b", "ns", 1, 0.0)
    assert budget.due(60.0) == ["b"]
    budget.forget("b")
    assert not budget.ask("b", "ns", 1, 61.0)


def no_pods_are_one(module):
    budget = module.WakeBudget(1)
    assert budget.ask("a", "ns", 0, 0.0)
    assert not budget.ask("b", "ns", -5, 0.0)


def time_that_goes_back_counts_as_the_latest(module):
    budget = module.WakeBudget(1)
    assert budget.ask("a", "ns", 1, 100.0)
    assert not budget.ask("b", "ns", 1, 99.0)
    assert budget.ask("c", "ns", 1, 10.0) is False
    assert budget.due(160.0) == ["b"]
    assert budget.next(0.0) == 220.0
    assert budget.due(100.0) == []
    assert not budget.ask("d", "ns", 1, 220.0)
    assert budget.next(0.0) == 220.0, "c may wake"
    assert budget.due(0.0) == ["c"]


EXAMPLES = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name != "life"
]
