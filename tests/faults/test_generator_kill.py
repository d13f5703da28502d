"""SIGKILL between blobs and manifest, and between manifest and ready event: nothing dangles, nothing is lost."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from tests.support.generator_worker import assert_readable, prepare, publish_requests, ready_events, request_for
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("apache-minio", "apache-versitygw")]

REQUESTS = 4


def generator(when: str, environment: dict[str, str], folder: Path) -> ChildProcess:
    return ChildProcess(
        [sys.executable, "-m", "tests.faults.dying_generator", when, folder / "manifests.txt"],
        name=f"generator-{when}",
        log_file=folder / f"generator-{when}.log",
        environment=environment
        | {
            "BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": "6",
            "BANNERSTREAM_GENERATOR__BATCH_SIZE": "1",
            "BANNERSTREAM_GENERATOR__BATCHES_IN_FLIGHT": "1",  # the first is announced before the second is made
        },
        folder=Path(__file__).parents[2],
    )


@pytest.mark.parametrize("when", ["before-manifest", "after-manifest"])
async def test_a_killed_generator_leaves_nothing_dangling_and_nothing_undone(
    settings: Settings, environment: dict[str, str], tmp_path: Path, when: str
) -> None:
    await prepare(settings)
    requests = [request_for(f"{when}-{number}") for number in range(REQUESTS)]
    keys = {request.banner_key for request in requests}
    await publish_requests(settings, requests)

    with generator(when, environment, tmp_path) as worker:
        await until(lambda: worker.poll() is not None, worker.log_tail)
    before = await ready_events(settings, lambda found: len(found) >= 1)
    assert len(before) == 1  # the first was announced; the generator died at the second
    await assert_readable(settings, before)

    with generator("never", environment, tmp_path) as worker:
        events = await ready_events(settings, lambda found: {event.banner_key for event in found} >= keys)
        assert await asyncio.to_thread(worker.stop) == 0
    await assert_readable(settings, events)
    assert {event.banner_key for event in events} == keys
    written = Counter((tmp_path / "manifests.txt").read_text().split())
    assert written == Counter(keys)  # every manifest once: a banner that had one was only announced
