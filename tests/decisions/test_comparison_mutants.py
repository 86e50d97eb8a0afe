"""Every mutant of the comparison dies by the worked examples alone."""

import comparison_mutants
import pytest
from comparison_mutants import MUTANTS, mutant

from scaler.core import comparison, comparison_report  # noqa: F401 - all of its modules are to be there.


def dies(examples):
    """Does any example fail, or crash?"""
    for example in examples:
        try:
            example()
        except Exception:  # noqa: BLE001 - a mutant may die of anything
            return True
    return False


@pytest.mark.parametrize(
    ("of", "old", "new"), [pytest.param(of, *texts, id=f"{of}: {what}") for of, what, *texts in MUTANTS]
)
def test_mutant_dies(of, old, new):
    with mutant(of, old, new) as examples:
        assert dies(examples)


def test_the_unchanged_modules_live_and_come_back():
    with mutant("comparison", "GRACE = timedelta(seconds=5)", "GRACE = timedelta(0, 5)") as examples:
        assert len(examples) > 40
        assert not dies(examples)
    from scaler.core import comparison as again  # noqa: PLC0415 - what an import finds now

    assert again is comparison


def test_a_mutant_whose_text_is_gone_is_reported():
    with pytest.raises(LookupError, match="0 times"), mutant("comparison", "no such text", ""):
        pass


def test_there_are_enough_and_no_two_alike():
    assert len({(of, what) for of, what, *_ in MUTANTS}) == len(MUTANTS) >= 60
    assert comparison_mutants.PARTS[-1] == "comparison_report"
