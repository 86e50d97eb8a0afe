"""Real servers for the contract tests: one a class, on a free port."""

import pytest
from rabbitmq_server import RabbitMqServer
from redis_server import RedisServer


@pytest.fixture(scope="class")
def redis_server():
    """A redis-server that everybody may use."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server():
    """A rabbitmq-server that everybody may use: it takes seconds to boot."""
    with RabbitMqServer() as server:
        yield server
