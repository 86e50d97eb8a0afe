"""Real servers for the contract tests: one a class, on a free port."""

import pytest
from redis_server import RedisServer


@pytest.fixture(scope="class")
def redis_server():
    """A redis-server that everybody may use."""
    with RedisServer() as server:
        yield server
