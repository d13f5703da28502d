"""The broker goes away in mid-stream and comes back: streams goes on by itself, and nothing is lost or doubled."""

import asyncio
import random
from pathlib import Path

import pytest

from broker.topics import create_topics
from local.kafka_apache import ApacheKafka
from tests.faults.session import EVENTS, check_nothing_was_lost, settings_for, write_session
from tests.streams_worker import Shop, Worker, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

OUTAGE_S = 5.0
"""Several session timeouts of the worker (1 s here), so that it has lost its membership when the broker is back."""


async def test_streams_outlives_an_outage_of_the_broker(fresh_name: str, tmp_path: Path) -> None:
    if (reason := ApacheKafka.why_unavailable()) is not None:
        pytest.skip(reason)
    kafka = ApacheKafka(tmp_path / "kafka")
    try:
        await asyncio.to_thread(kafka.start)
        settings, environment = settings_for(kafka, fresh_name, tmp_path)
        async with Shop(settings) as shop:
            await create_topics(settings.kafka, changelog=shop.changelog)
            await write_session(shop, random.Random(6))
            with Worker(settings, environment, tmp_path / "worker.log") as worker:

                async def is_under_way() -> bool:
                    return await shop.end_of(shop.changelog) > EVENTS // 5

                await until(is_under_way, "a fifth is folded")
                assert await shop.behind() > 0, "the session is too short for this machine"
                await asyncio.to_thread(kafka.stop)
                await asyncio.sleep(OUTAGE_S)
                await asyncio.to_thread(kafka.start)
                await shop.caught_up()
                assert worker.terminate() == 0, "it lived through the outage"
            await check_nothing_was_lost(shop, settings)
    finally:
        await asyncio.to_thread(kafka.stop)
