"""The store's dates show by how much this machine's clock is off."""

import math
import time

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.settings.storage import StorageSettings
from bannerstream.storage import S3BannerStore, StorageMetrics, dated_pool
from tests.support.scripted_server import ScriptedServer

EMPTY_LIST = (
    200,
    "application/xml",
    b"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
)


class Ahead:
    """Stands in for the module `time` on a machine whose clock is ahead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return time.time() + self.seconds


@pytest.mark.parametrize("seconds", [600.0, 0.0, -600.0])
def test_an_offset_is_measured(
    seconds: float, server: ScriptedServer, storage_settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = lambda method, path: EMPTY_LIST
    registry = CollectorRegistry()
    store = S3BannerStore(storage_settings.model_copy(update={"timeout_s": 30.0}), metrics=StorageMetrics(registry))

    def offset() -> float:
        return registry.get_sample_value("bannerstream_storage_clock_offset_seconds") or 0.0

    assert math.isnan(offset())
    monkeypatch.setattr(dated_pool, "time", Ahead(seconds))
    store.check()
    assert offset() == pytest.approx(seconds, abs=60)
    assert seconds or offset() == 0
