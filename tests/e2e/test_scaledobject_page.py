"""Every example of docs/scaledobject.md happens as it says: embedded cluster, HPA controller, a real redis-server."""

import itertools

import pytest
import pytest_asyncio
from controlled import controlled
from redis_server import RedisServer
from scaledobject_page import sections
from scaledobject_stories import Stage

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = [example for section in sections() for example in section.examples]
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster():
    """One for all: each example has its namespace and its redis-server. A minute passes in 0.6 seconds."""
    with RedisServer() as unused:
        async with controlled(unused, factor=100, pods="ready", hpa_sync=15) as run:
            yield run


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_happens_as_the_page_says(cluster, redis, example):
    async with Stage(cluster, redis, f"example-{next(_numbers)}", example) as stage:
        await stage.play()
