"""A node with default settings."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.edge.nodes import Node, running_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running_node() as node:
        yield node
