"""Recorded behaviour of KEDA and of the HPA controller: whole lives of ScaledObjects, played at a multiple of their pace.

A life is lifecycle.py's, what is compared life_comparison.py's, where we promise something else life_rules.py's.
"""

import pytest
from life_comparison import found_different
from life_playing import PATIENCE, played


@pytest.mark.timeout(PATIENCE)
async def test_lifecycle(case, tmp_path_factory):
    seen = await played(case.input, case.output, tmp_path_factory.getbasetemp().parent)
    different = found_different(seen, case.output)
    assert not different
