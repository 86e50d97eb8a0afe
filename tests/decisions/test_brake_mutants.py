"""Every mutant of the brake and of the wake-up budget dies by the worked examples alone."""

import brake_laws
import brake_mutants
import budget_laws
import pytest

BUDGET = [("wake_budget", *each) for each in brake_mutants.BUDGET]


def dies(module, examples):
    """Does any example fail, or crash?"""
    for example in examples:
        try:
            example(module)
        except Exception:  # noqa: BLE001 - a mutant may die of anything
            return True
    return False


@pytest.mark.parametrize(
    ("of", "old", "new"),
    [pytest.param(of, old, new, id=f"{of}: {wrong}") for of, wrong, old, new in brake_mutants.BRAKE],
)
def test_mutant_of_the_brake_dies(of, old, new):
    with brake_mutants.mutant(of, old, new) as module:
        assert dies(module, brake_laws.EXAMPLES)


@pytest.mark.parametrize(
    ("of", "old", "new"), [pytest.param(of, old, new, id=wrong) for of, wrong, old, new in BUDGET]
)
def test_mutant_of_the_budget_dies(of, old, new):
    with brake_mutants.mutant(of, old, new, parts=[of]) as module:
        assert dies(module, budget_laws.EXAMPLES)


def test_the_unchanged_modules_live():
    with brake_mutants.mutant("brake", "", "") as module:
        assert not dies(module, brake_laws.EXAMPLES)
    with brake_mutants.mutant("wake_budget", "", "", parts=["wake_budget"]) as module:
        assert not dies(module, budget_laws.EXAMPLES)


def test_a_mutant_whose_text_is_gone_is_reported():
    with pytest.raises(LookupError, match="0 times"), brake_mutants.mutant("brake", "no such text", "x"):
        pass


def test_no_two_are_alike():
    every = brake_mutants.BRAKE + BUDGET
    assert len(every) >= 100
    assert (
        len({(of, wrong) for of, wrong, *_ in every})
        == len({(of, old, new) for of, _, old, new in every})
        == len(every)
    )
