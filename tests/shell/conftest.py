"""Fixtures of the shell's tests."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from scripted_scalers import World


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Sources in fake time. Whatever the test did, closing leaves no task and no client behind.

    `@pytest.mark.parametrize("world", [{"herd": 0}], indirect=True)` changes settings.
    """
    world = World(**getattr(request, "param", {}))
    yield world
    closing = asyncio.create_task(world.sources.close())
    await world.clock.until(closing.done, within=30)
    await closing
    assert world.server.opened == world.server.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
