"""A long-lived process leaves its garbage collector little to do."""

import gc
import weakref

import pytest

from scaler.commands import process


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield gc
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_is_looked_through_no_more(collector):
    before = len(collector.get_objects())
    process.calm_gc()
    assert collector.get_freeze_count() > before / 2
    assert len(collector.get_objects()) < before / 2
    assert collector.get_threshold()[0] == 50_000


def test_later_garbage_is_still_collected(collector):
    process.calm_gc()

    class Cycle:
        def __init__(self):
            self.itself = self

    seen = weakref.ref(Cycle())
    assert seen() is not None
    collector.collect()
    assert seen() is None
