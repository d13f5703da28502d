"""A model that hangs until the test ends."""

from collections.abc import Iterator

import pytest

from tests.support.serving import Hanging


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Return what hangs until the test ends."""
    hanging = Hanging()
    yield hanging
    hanging.release()
