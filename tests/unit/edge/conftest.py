"""A node with default settings."""

from collections.abc import AsyncIterator

import pytest

from tests.support.edge_node import Node, running_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running_node() as node:
        yield node
