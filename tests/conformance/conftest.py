"""Gives every `test_STEM.py` here its recorded cases, and closes the run with their count. See runner.py."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import runner


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    stem = metafunc.definition.path.stem.removeprefix("test_")
    cases = runner.load(stem, runner.directory())
    metafunc.parametrize("case", [_param(case) for case in cases], indirect=True)


def _param(case):
    marks = [pytest.mark.skip(reason=case.skip)] if case.skip else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.fixture
def case(request):
    """The recorded case of this test."""
    if request.param.problem:
        pytest.fail(request.param.problem, pytrace=False)
    return request.param


def pytest_itemcollected(item):
    parameters = getattr(item, "callspec", None)
    found = parameters.params.get("case") if parameters else None
    if isinstance(found, runner.Case):
        item.user_properties.append(runner.tag(found))
