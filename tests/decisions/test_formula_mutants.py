"""Every mutant of the formula language dies of the worked examples."""

import formula_table
import pytest
from formula_mutants import MUTANTS, mutant

from scaler.core import formula


def dies(module):
    """Does any example go wrong, or crash?"""
    try:
        return next(formula_table.wrong(module), None) is not None
    except Exception:  # noqa: BLE001 - a mutant may die of anything
        return True


@pytest.mark.parametrize(
    ("of", "old", "new"), [pytest.param(of, *texts, id=f"{of}: {what}") for of, what, *texts in MUTANTS]
)
def test_mutant_dies(of, old, new):
    with mutant(of, old, new) as module:
        assert dies(module)


def test_the_unchanged_modules_live_and_come_back():
    with mutant("parser", "_RANKS = (\n", "_RANKS = ( \n") as module:
        assert module is not formula
        assert list(formula_table.wrong(module)) == []
    from scaler.core import formula as again  # noqa: PLC0415 - what an import finds now

    assert again is formula


def test_a_mutant_whose_text_is_gone_is_reported():
    with pytest.raises(LookupError, match="0 times"), mutant("parser", "no such text", ""):
        pass


def test_there_are_enough_and_no_two_alike():
    assert len(MUTANTS) >= 60
    assert len({what for _, what, *_ in MUTANTS}) == len(MUTANTS)
