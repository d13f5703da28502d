"""The generator during outages of its servers and rebalances of its group: nothing is lost, nothing made twice."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.devservers.server import KafkaServer, S3Server
from bannerstream.devservers.stack import Stack, why_unavailable
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from tests.support.generator_worker import assert_readable, prepare, publish_requests, ready_events, request_for
from tests.support.servers import Pair
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("apache-minio", "apache-versitygw")]

REQUESTS = 10


@pytest.fixture
def stack(server_pair: Pair, tmp_path: Path) -> Iterator[Stack]:
    """A pair of servers for this test alone, which stops them."""
    if (reason := why_unavailable(*server_pair)) is not None:
        pytest.skip(reason)
    with Stack(*server_pair, data_dir=tmp_path / "servers") as stack:
        yield stack


@pytest.fixture
def kafka(stack: Stack) -> KafkaServer:
    return stack.kafka


@pytest.fixture
def s3(stack: Stack) -> S3Server:
    return stack.s3


def generator(environment: dict[str, str], folder: Path, name: str = "generator", batch: int = 2) -> ChildProcess:
    """Start a generator that appends every manifest that it writes to a file."""
    return ChildProcess(
        [sys.executable, "-m", "tests.faults.dying_generator", "never", folder / "manifests.txt"],
        name=name,
        log_file=folder / f"{name}.log",
        environment=environment
        | {"BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": "6", "BANNERSTREAM_GENERATOR__BATCH_SIZE": str(batch)},
        folder=Path(__file__).parents[2],
    )


async def while_running(worker: ChildProcess, condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fail at once if the worker ends before that."""

    def holds() -> bool:
        assert worker.poll() is None, worker.log_tail()
        return condition()

    await until(holds, worker.log_tail)


def made(folder: Path) -> Counter[str]:
    journal = folder / "manifests.txt"
    return Counter(journal.read_text().split()) if journal.exists() else Counter()


def keys_of(events: list[BannerReady] | list[BannerRequest]) -> set[str]:
    return {event.banner_key for event in events}


def assert_each_has_one_revision(events: list[BannerReady]) -> None:
    """Check that repeated ready events of a banner are equal."""
    assert len({(event.banner_key, event.revision, event.renditions) for event in events}) == len(keys_of(events))


async def through(
    outage: Callable[[], Awaitable[None]], settings: Settings, environment: dict[str, str], folder: Path
) -> None:
    """Request banners, run `outage` once the first are made, and check that all are made, each once."""
    await prepare(settings)
    requests = [request_for(f"mug-{number}") for number in range(REQUESTS)]
    await publish_requests(settings, requests)
    with generator(environment, folder) as worker:
        await while_running(worker, lambda: len(made(folder)) >= 2)
        await outage()
        events = await ready_events(settings, lambda found: keys_of(found) >= keys_of(requests))
        assert await asyncio.to_thread(worker.stop) == 0
    assert keys_of(events) == keys_of(requests)
    assert_each_has_one_revision(events)
    await assert_readable(settings, events)
    assert made(folder) == Counter(keys_of(requests))


async def test_a_store_that_stops_in_mid_batch_and_comes_back(
    stack: Stack, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    async def outage() -> None:
        await asyncio.to_thread(stack.s3.stop)
        log = tmp_path / "generator.log"
        await until(lambda: "waiting" in log.read_text(), lambda: f"it waits: {log.read_text()[-2000:]}")
        await asyncio.to_thread(stack.s3.start)

    await through(outage, settings, environment, tmp_path)


async def test_a_broker_that_stops_in_mid_batch_and_comes_back(
    stack: Stack, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    async def outage() -> None:
        before = sum(made(tmp_path).values())
        await asyncio.to_thread(stack.kafka.stop)
        assert before < REQUESTS
        await asyncio.to_thread(stack.kafka.start)

    await through(outage, settings, environment, tmp_path)


async def test_a_second_worker_takes_over_partitions_in_mid_batch(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await prepare(settings)
    requests = [request_for(f"mug-{number}") for number in range(2 * REQUESTS)]
    await publish_requests(settings, requests)
    with generator(environment, tmp_path, "first", batch=4) as first:
        await while_running(first, lambda: len(made(tmp_path)) >= 1)
        with generator(environment, tmp_path, "second", batch=4) as second:
            events = await ready_events(settings, lambda found: keys_of(found) >= keys_of(requests))
            assert await asyncio.to_thread(second.stop) == 0
        assert await asyncio.to_thread(first.stop) == 0
    assert keys_of(events) == keys_of(requests)
    assert_each_has_one_revision(events)
    await assert_readable(settings, events)
    twice = {key for key, times in made(tmp_path).items() if times > 1}
    in_flight = 4 * settings.generator.batches_in_flight
    assert len(twice) <= in_flight, twice  # only banners in flight when their partition was reassigned
    assert max(made(tmp_path).values()) <= 2
