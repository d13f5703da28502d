"""SIGKILL and SIGSTOP in mid-stream: nothing accepted is lost, nothing counts twice, every decision is told."""

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.topics import create_topics
from local.kafka_apache import ApacheKafka
from tests.faults.session import EVENTS, check_nothing_was_lost, settings_for, write_session
from tests.streams_worker import Shop, Worker, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    if (reason := ApacheKafka.why_unavailable()) is not None:
        pytest.skip(reason)
    server = ApacheKafka(tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("seed", "workers"),
    [
        (1, 1),
        (2, 1),
        (3, 1),
        pytest.param(4, 2, marks=pytest.mark.nightly),
        pytest.param(5, 3, marks=pytest.mark.nightly),
    ],
)
async def test_workers_killed_in_mid_stream_lose_nothing_and_count_nothing_twice(
    kafka: ApacheKafka, fresh_name: str, tmp_path: Path, seed: int, workers: int
) -> None:
    """With several workers, every kill and every restart is a rebalance of those that live."""
    random_ = random.Random(seed)
    settings, environment = settings_for(kafka, fresh_name, tmp_path)
    async with Shop(settings) as shop:
        await create_topics(settings.kafka, changelog=shop.changelog)
        await write_session(shop, random_)
        with ExitStack() as until_the_end:
            running = [
                until_the_end.enter_context(Worker(settings, environment, tmp_path / f"worker-{number}.log"))
                for number in range(workers)
            ]
            kills = 0
            for fraction in sorted(random_.uniform(0.02, 0.7) for _ in range(3)):
                target = int(EVENTS * fraction)

                async def is_under_way(target: int = target) -> bool:
                    return await shop.end_of(shop.changelog) >= target * 0.6 or await shop.behind() == 0

                await until(is_under_way, f"{target} events are folded")
                if await shop.behind() > 0:
                    kills += 1
                worker = random_.choice(running)
                worker.kill()
                worker.start()
            await shop.caught_up()
            # One that was restarted last may still be importing, and dies of the signal instead of handling it.
            assert {each.terminate() for each in running} <= {0, -signal.SIGTERM}
        assert kills > 0, "the worker was never killed in mid-stream: the session is too short for this machine"
        await check_nothing_was_lost(shop, settings)


@pytest.mark.nightly
async def test_a_worker_that_was_paused_past_its_session_writes_nothing_stale(
    kafka: ApacheKafka, fresh_name: str, tmp_path: Path
) -> None:
    """The group gives its partitions to the other worker meanwhile; on waking it still holds a batch of old states."""
    settings, environment = settings_for(kafka, fresh_name, tmp_path)
    async with Shop(settings) as shop:
        await create_topics(settings.kafka, changelog=shop.changelog)
        half = EVENTS // 2
        await write_session(shop, random.Random(7), range(half))
        with ExitStack() as until_the_end:
            paused, other = (
                until_the_end.enter_context(Worker(settings, environment, tmp_path / f"worker-{number}.log"))
                for number in range(2)
            )

            async def is_under_way() -> bool:
                return await shop.end_of(shop.changelog) > half // 10

            await until(is_under_way, "a tenth is folded")
            assert await shop.behind() > 0, "the session is too short for this machine"
            paused.send(signal.SIGSTOP)
            await shop.caught_up()
            paused.send(signal.SIGCONT)
            await write_session(shop, random.Random(8), range(half, EVENTS))
            await shop.caught_up()
            assert {paused.terminate(), other.terminate()} == {0}
        await check_nothing_was_lost(shop, settings)
