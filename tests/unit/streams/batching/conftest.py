"""Fixture: a running checkpointer with fakes."""

from collections.abc import AsyncIterator

import pytest

from tests.support.checkpointer_world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.checkpointer.start()
    yield world
    world.brokers.open.set()
    await world.checkpointer.stop()
