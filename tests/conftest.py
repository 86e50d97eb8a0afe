"""Fixtures that every test may use."""

import sys
from pathlib import Path

import pytest

# Helpers beside this file (fake_clock) are imported by name; at the end, so that they shadow nothing.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "conformance")]

import runner
from fake_clock import FakeClock


@pytest.fixture
def fake_clock() -> FakeClock:
    """A Clock that stands still until the test advances it."""
    return FakeClock()


# Here and not beside the conformance tests: xdist's controller reads only the conftest of the start folder.
def pytest_terminal_summary(terminalreporter):
    tally = runner.Tally()
    for reports in list(terminalreporter.stats.values()):
        for report in reports:
            if isinstance(report, pytest.TestReport):
                tally.add(report)
    lines = list(tally.lines())
    if lines:
        terminalreporter.section("conformance: passed / deviated (per rule) / pending / failed")
        for line in lines:
            terminalreporter.write_line(line)
