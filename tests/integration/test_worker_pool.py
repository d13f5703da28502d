"""`bannerstream run streams --workers 2` on the embedded broker: two members, one metrics page, one clean stop."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bannerstream.devservers.ports import free_port
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.metrics_relay import scrape
from bannerstream.settings import Settings
from tests.support.streams_worker import Shop
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.servers("kafka"), pytest.mark.pairs("embedded")]

SOURCES = 3
"""Topics that streams folds: clicks, purchases, erasures."""

USERS = [f"visitor-{number}" for number in range(40)]
"""Enough that every partition has some."""


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with Shop(settings) as shop:
        yield shop


def folded(port: int) -> dict[str, float]:
    """Return how many events each worker has folded."""
    counts: dict[str, float] = {}
    for family in scrape(port) or ():
        for sample in family.samples:
            if sample.name == "bannerstream_events_total" and sample.labels["outcome"] == "folded":
                worker = sample.labels["worker"]
                counts[worker] = counts.get(worker, 0.0) + sample.value
    return counts


def partitions_by_worker(log: Path) -> dict[str, int]:
    """Return the number of source partitions in the last line of each worker that has one."""
    lines = re.findall(r"(streams-\d) .*folding (\d+) partitions", log.read_text())
    return {worker: int(count) for worker, count in lines}


async def test_two_workers_share_the_events_and_one_page_and_sigterm_ends_both(
    shop: Shop, environment: dict[str, str], tmp_path: Path
) -> None:
    log, port = tmp_path / "pool.log", free_port()
    own = {
        "BANNERSTREAM_STREAMS__DATA_DIR": str(tmp_path / "slots"),
        "BANNERSTREAM_STREAMS__METRICS_PORT": str(port),
    }
    command = [sys.executable, "-P", "-m", "bannerstream", "run", "streams", "--workers", "2"]
    with ChildProcess(command, name="pool", log_file=log, environment=environment | own) as pool:

        def both_fold() -> bool:
            assert pool.poll() is None, log.read_text()
            shares = partitions_by_worker(log)
            return len(shares) == 2 and sum(shares.values()) == SOURCES * shop.settings.kafka.partitions

        await until(both_fold, log.read_text)
        for user in USERS:
            await shop.send(user)
        await shop.caught_up()
        await until(lambda: sum(folded(port).values()) >= len(USERS), "every event is counted on the one page")
        assert set(folded(port)) == {"streams-1", "streams-2"}

        assert pool.stop(PATIENCE_S) == 0
    assert re.findall(r"(streams-\d): stopped, status 0", log.read_text()) == ["streams-2", "streams-1"]
    assert sorted(path.name for path in (tmp_path / "slots").iterdir()) == ["worker-0", "worker-1"]
