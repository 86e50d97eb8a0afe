"""Every mutant of what the decision is made from dies of the worked examples."""

import annotation_table
import cores
import judgement_table
import pytest
from core_mutants import JUDGEMENT, SETTINGS
from record_table import RECORDED, check_record
from worlds import World, failing, outcome, scaled_object

from scaler.core import judgement

OBJECTS = [
    (scaled_object(spec, annotations), expected)
    for _, spec, annotations, expected in annotation_table.POLICIES
]


def judged_rightly(core):
    for _, *case in judgement_table.PLAIN:
        judgement_table.check(core, *case)
    for _, *case in judgement_table.COMPOSITE:
        judgement_table.check_composite(core, *case)
    fallback, ignored = judgement_table.fallback(4), judgement_table.on_error("ignore")
    for policy, name in ((fallback, "fallback"), (ignored, "policy")):
        decided = World(policy, (outcome(active=True), failing(1)), 2).decide(core)
        assert decided.trail[0].name == name


def read_rightly(core):
    for _, *case in annotation_table.ANSWERS:
        annotation_table.check(core, *case)
    for scaled, expected in OBJECTS:
        annotation_table.check_policy(core, scaled, expected)
    for _, make in RECORDED:
        check_record(core, make)


def dies(check, core):
    try:
        check(core)
    except Exception:  # noqa: BLE001 - a mutant may die of anything
        return True
    return False


@pytest.mark.parametrize(
    ("check", "of", "old", "new"),
    [
        pytest.param(check, of, old, new, id=what)
        for check, found in ((judged_rightly, JUDGEMENT), (read_rightly, SETTINGS))
        for of, what, old, new in found
    ],
)
def test_mutant_dies(check, of, old, new):
    with cores.mutant(of, old, new) as core:
        assert dies(check, core)


def test_the_unchanged_modules_live():
    with cores.mutant(judgement, "def judge(", "def  judge(") as core:
        assert core.judge is not judgement.judge
        judged_rightly(core)
        read_rightly(core)


def test_there_are_enough_and_no_two_alike():
    every = JUDGEMENT + SETTINGS
    assert len(every) >= 150
    assert len({(of.__name__, what) for of, what, *_ in every}) == len(every)
    assert len({(of.__name__, old, new) for of, _, old, new in every}) == len(every)
