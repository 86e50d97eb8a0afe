"""What annotations and fields say about scaling, by worked example (annotation_table.py), and records of decisions."""

import annotation_table as table
import pytest
from cores import REAL
from record_table import RECORDED, check_record
from worlds import scaled_object

from scaler.core import record


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, *case in table.ANSWERS])
def test_annotation(case):
    table.check(REAL, *case)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, *case in table.POLICIES])
def test_policy(case):
    spec, annotations, expected = case
    table.check_policy(REAL, scaled_object(spec, annotations), expected)


def test_every_pause_counts_as_one():
    kinds = [{}, {"full": True}, {"scale_in": True}, {"scale_out": True}, {"replicas": 4}]
    assert [REAL.Pause(**kind).any for kind in kinds] == [False, True, True, True, False]


@pytest.mark.parametrize("given", [pytest.param(given, id=name) for name, given in RECORDED])
def test_a_record_replays(given):
    check_record(REAL, given)


def test_a_record_says_which_field_is_wrong():
    line = record.to_record(given := RECORDED[0][1](REAL), given.decide())
    line["given"]["policy"]["minimum"] = "three"
    with pytest.raises(ValueError, match=r"given\.policy\.minimum"):
        record.replay(line)
    with pytest.raises(ValueError, match="no record of a decision"):
        record.recorded({})
