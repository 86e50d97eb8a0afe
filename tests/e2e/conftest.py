"""Real servers for the end-to-end tests, fresh for each test's class or module."""

import pytest
from redis_server import RedisServer


@pytest.fixture
def redis():
    """An empty redis-server of the test's own."""
    with RedisServer() as server:
        yield server
