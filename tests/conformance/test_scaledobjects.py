"""Recorded behaviour of KEDA: what becomes of a ScaledObject, with the objects and edits around it. See playing.py."""

import pytest
from playing import found_different
from redis_server import RedisServer


@pytest.fixture(scope="module")
def redis():
    with RedisServer() as server:
        yield server


async def test_scaledobjects(case, redis):
    different = await found_different(case, redis)
    assert not different
