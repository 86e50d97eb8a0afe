"""Every mutant dies twice: by the worked examples alone, and by the laws alone."""

import laws
import mutants
import pytest
import table
from hypothesis import HealthCheck, Phase, given, settings
from worlds import jumps, worlds

from scaler.core import decision, desired

# The same worlds every time, and no shrinking: only whether it dies is asked.
FIXED = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ALL = [(decision, *each) for each in mutants.DECISION] + [(desired, *each) for each in mutants.FIRST_WRITE]


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
    return drawn(worlds())


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


def killed_by_examples(module):
    return dies(table.check, [(module, world, expected) for _, world, expected in table.EXAMPLES]) or dies(
        table.check_first_write, [(module, jump, expected) for _, jump, expected in table.FIRST_WRITES]
    )


def killed_by_laws(module, all_worlds, all_jumps):
    return dies(
        lambda law, world: law(module, world), [(law, w) for law in laws.LAWS for w in all_worlds]
    ) or dies(lambda law, jump: law(module, jump), [(law, j) for law in laws.JUMP_LAWS for j in all_jumps])


@pytest.mark.parametrize(
    ("of", "old", "new"), [pytest.param(*each[:1], *each[2:], id=each[1]) for each in ALL]
)
def test_mutant_dies(of, old, new, all_worlds, all_jumps):
    with mutants.mutant(of, old, new) as module:
        by = {"examples": killed_by_examples(module), "laws": killed_by_laws(module, all_worlds, all_jumps)}
    assert by == {"examples": True, "laws": True}


def test_the_unchanged_modules_live(all_worlds, all_jumps):
    with mutants.mutant(decision, "class Reason(StrEnum):", "class Reason(StrEnum): ") as module:
        assert not killed_by_examples(module)
        assert not killed_by_laws(module, all_worlds, all_jumps)


def test_a_mutant_whose_text_is_gone_is_reported():
    with pytest.raises(LookupError, match="0 times"), mutants.mutant(decision, "no such text", ""):
        pass


def test_there_are_enough_and_no_two_alike():
    assert len(ALL) >= 20
    assert len({each[1:] for each in ALL}) == len({each[2:] for each in ALL}) == len(ALL)
