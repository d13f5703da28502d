"""The closed loop on a real Kafka: feedback is counted once, and it changes which variants visitors get."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from bannerstream.broker.topics import create_topics, internal_topics
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.messages import Assignment, BannerRequest, Feedback
from bannerstream.settings import Settings
from bannerstream.streams.experiments import TallyKey
from bannerstream.streams.experiments.results import read_results
from tests.support import reports
from tests.support.reports import Kind
from tests.support.streams_worker import Shop, Worker
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.real, pytest.mark.pairs("apache"), pytest.mark.servers("kafka")]

BANNERSTREAM = Path(sys.executable).with_name("bannerstream")
PLAIN, AIRY = "open-bold-natural", "panel-light-airy"
VISITORS = 60


@pytest.fixture
def overrides(overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    overrides["experiments"] = {
        "variants": [PLAIN, AIRY],
        "minimum_exploration": 0.0,
        "refresh_s": 0.1,
        "metrics_port": 0,
    }
    return overrides


def feedback(number: int, kind: Kind, variant: str) -> Feedback:
    return reports.feedback(f"{number}-{kind}-{variant}", kind, variant, banner_key=f"{number % 16:064x}")


async def publish_feedback(shop: Shop, events: Sequence[Feedback]) -> None:
    for event in events:
        await shop.post(shop.topics.feedback.name, event.banner_key, encode(event), timestamp=int(time.time() * 1000))
    await shop.flush()


async def counted(settings: Settings) -> dict[str, tuple[int, int]]:
    results = await read_results(settings)
    assert set(results) <= {TallyKey("cosy", variant, "mug") for variant in (PLAIN, AIRY)}
    return {place.variant: (tally.impressions, tally.clicks) for place, tally in results.items()}


async def test_what_visitors_click_is_what_others_are_shown(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await create_topics(settings.kafka, **internal_topics(settings.streams))
    seen = [feedback(number, "impression", variant) for number in range(3_000) for variant in (PLAIN, AIRY)]
    clicks = [feedback(number, "click", AIRY) for number in range(900)]
    async with Shop(settings) as shop:
        with Worker(
            settings, environment, tmp_path / "experiments.log", "bannerstream.streams.experiments"
        ) as counting:
            await publish_feedback(shop, [*seen, *clicks[:400]])

            async def counts_something() -> bool:
                found = await counted(settings)
                return sum(map(sum, found.values())) > 0

            await until(counts_something, "some feedback is counted")
            counting.kill()
            # Some feedback is sent twice, as by an edge node that retries; some of it was counted before the crash.
            await publish_feedback(shop, [*clicks[380:], *clicks[-20:]])
            await shop.send("nobody", topic=shop.topics.feedback.name, value=b"{not json")
            counting.start()
            expected = {PLAIN: (3_000, 0), AIRY: (3_000, 900)}

            async def everything_is_counted() -> bool:
                return await counted(settings) == expected

            await until(everything_is_counted, "all feedback is counted, each once")
            (letter,) = await shop.read_until(shop.topics.dead_letters.name, bool)
            assert letter.value == b"{not json"
            assert counting.terminate() == 0

        with Worker(settings, environment, tmp_path / "streams.log") as streams:
            for number in range(VISITORS):
                await shop.send(f"visitor-{number}", product_id="mug")

            def all_are_assigned(records: Sequence[ConsumerRecord]) -> bool:
                return len({record.key for record in records}) == VISITORS

            announced = await shop.read_until(shop.topics.assignments.name, all_are_assigned)
            assignments = [decode(record.value, Assignment) for record in announced]
            assert Counter(assignment.variant for assignment in assignments)[AIRY] > 0.9 * VISITORS
            requests = [decode(record.value, BannerRequest) for record in await shop.read(shop.topics.requests.name)]
            assert {(request.banner_key, request.variant) for request in requests} == {
                (assignment.banner_key, assignment.variant) for assignment in assignments
            }
            assert streams.terminate() == 0


async def test_the_report_shows_rates_with_their_intervals(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await create_topics(settings.kafka, **internal_topics(settings.streams))
    async with Shop(settings) as shop:
        with Worker(settings, environment, tmp_path / "experiments.log", "bannerstream.streams.experiments"):
            await publish_feedback(shop, [feedback(number, "impression", AIRY) for number in range(100)])
            await publish_feedback(shop, [feedback(number, "click", AIRY) for number in range(10)])

            async def everything_is_counted() -> bool:
                return await counted(settings) == {AIRY: (100, 10)}

            await until(everything_is_counted, "all feedback is counted")
    shown = await reported(environment, tmp_path, "--by", "scene")
    assert shown == [
        {
            "scene": "airy",
            "impressions": 100,
            "clicks": 10,
            "rate_percent": 10.0,
            "low_percent": pytest.approx(5.523, abs=1e-3),
            "high_percent": pytest.approx(17.437, abs=1e-3),
        }
    ]


async def reported(environment: dict[str, str], folder: Path, *options: str) -> Any:
    child = await asyncio.create_subprocess_exec(
        BANNERSTREAM, "report", "--json", *options,
        env={**os.environ, **environment}, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await child.communicate()
    assert child.returncode == 0, stderr.decode()
    return json.loads(stdout)
