"""Every mutant dies twice: by the worked examples alone, and by the laws alone."""

import importlib
import sys

import cores
import laws
import mutants
import pytest
import table
from hypothesis import HealthCheck, Phase, given, settings
from worlds import a_world, jumps, spread

from scaler.core import decision, outcome

# The same worlds every time, and no shrinking: only whether it dies is asked.
FIXED = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ALL = mutants.DECISION + mutants.FIRST_WRITE


def drawn(strategy):
    """The worlds that are put before every mutant."""
    found = []

    @FIXED
    @given(strategy)
    def draw(each):
        found.append(each)

    draw()
    return found


@pytest.fixture(scope="module")
def all_worlds():
    return spread(a_world, 1500)


@pytest.fixture(scope="module")
def all_jumps():
    return drawn(jumps())


def dies(check, cases):
    """Does any case make the check fail, or crash?"""
    for case in cases:
        try:
            check(*case)
        except Exception:  # noqa: BLE001 - a mutant may die of anything
            return True
    return False


def killed_by_examples(core):
    return (
        dies(table.check, [(core, world, expected) for _, world, expected in table.EXAMPLES])
        or dies(table.check_first_write, [(core, jump, expected) for _, jump, expected in table.FIRST_WRITES])
        or dies(table.check_steps, [(core, world, steps) for _, world, steps in table.STEPS])
    )


def killed_by_laws(core, all_worlds, all_jumps):
    return dies(
        lambda law, world: law(core, world), [(law, w) for law in laws.LAWS for w in all_worlds]
    ) or dies(lambda law, jump: law(core, jump), [(law, j) for law in laws.JUMP_LAWS for j in all_jumps])


@pytest.mark.parametrize(("of", "old", "new"), [pytest.param(each[0], *each[2:], id=each[1]) for each in ALL])
def test_mutant_dies(of, old, new, all_worlds, all_jumps):
    with cores.mutant(of, old, new) as core:
        by = {"examples": killed_by_examples(core), "laws": killed_by_laws(core, all_worlds, all_jumps)}
    assert by == {"examples": True, "laws": True}


def test_the_unchanged_modules_live(all_worlds, all_jumps):
    with cores.mutant(outcome, "class By(StrEnum):", "class By(StrEnum): ") as core:
        assert core.decide is not decision.decide
        assert not killed_by_examples(core)
        assert not killed_by_laws(core, all_worlds, all_jumps)


def test_after_a_mutant_all_is_as_before():
    with cores.mutant(outcome, "class By(StrEnum):", "class By(StrEnum): "):
        pass
    assert sys.modules["scaler.core.decision"] is decision
    assert importlib.import_module("scaler.core").decision is decision


def test_a_mutant_whose_text_is_gone_is_reported():
    with pytest.raises(LookupError, match="0 times"), cores.mutant(decision, "no such text", ""):
        pass


def test_there_are_enough_and_no_two_alike():
    assert len(ALL) >= 100
    assert len({each[1] for each in ALL}) == len({each[2:] for each in ALL}) == len(ALL)
