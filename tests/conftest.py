"""Fixtures that every test may use."""

import sys
from pathlib import Path

import pytest

# Helpers beside this file (fake_clock) are imported by name; at the end, so that they shadow nothing.
sys.path.append(str(Path(__file__).parent))

from fake_clock import FakeClock


@pytest.fixture
def fake_clock() -> FakeClock:
    """A Clock that stands still until the test advances it."""
    return FakeClock()
