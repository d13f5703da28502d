from collections.abc import Iterator

import pytest

from bannerstream.settings.storage import StorageSettings
from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def storage_settings(server: ScriptedServer) -> StorageSettings:
    return StorageSettings(endpoint=server.endpoint, attempts=3, timeout_s=0.3)
