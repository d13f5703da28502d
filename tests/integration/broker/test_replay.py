import asyncio
import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer

from bannerstream.broker.replay import ReplayCounts, replay
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.contracts.topics import Topics
from bannerstream.settings.kafka import KafkaSettings

pytestmark = pytest.mark.servers("kafka")


async def values(kafka_settings: KafkaSettings, topic: str, count: int) -> list[tuple[bytes | None, bytes]]:
    """Check that the topic holds `count` records, and return (key, value) in the order of each partition."""
    found = []
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_settings.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        assert sum((await consumer.end_offsets(consumer.assignment())).values()) == count
        async with asyncio.timeout(15):
            while len(found) < count:
                record = await consumer.getone()
                found.append((record.key, record.value))
    finally:
        await consumer.stop()
    return found


def native(number: int, **more: object) -> dict[str, object]:
    return {"event_id": f"e-{number}", "user_id": f"u-{number}", "product_id": "mug", "time": 1_700_000_000_000, **more}


async def test_a_recording_arrives_as_it_stands(kafka_settings: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    file.write_text(
        '{"topic":"clicks","key":"u-1","value":{"a": 1}}\n\n'
        '{"topic":"clicks","key":"u-1","raw":"{cut"}\n'
        '{"topic":"purchases","key":null,"value_b64":"/w=="}\n'
    )
    progress: list[int] = []
    sent = await replay(kafka_settings, file, on_progress=lambda so_far: progress.append(so_far.total))
    assert sent == ReplayCounts(clicks=2, purchases=1)
    assert progress == [3]
    assert await values(kafka_settings, topics.clicks.name, 2) == [(b"u-1", b'{"a": 1}'), (b"u-1", b"{cut")]
    assert await values(kafka_settings, topics.purchases.name, 1) == [(None, b"\xff")]


async def test_bare_events_are_sorted_by_kind(kafka_settings: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = [native(1), native(2, kind="purchase"), {"not": "an event"}]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert await replay(kafka_settings, file, from_format="auto") == ReplayCounts(clicks=2, purchases=1)
    assert {key for key, _ in await values(kafka_settings, topics.clicks.name, 2)} == {b"u-1", None}
    assert [key for key, _ in await values(kafka_settings, topics.purchases.name, 1)] == [b"u-2"]


async def test_standard_input_is_read_for_a_dash(
    kafka_settings: KafkaSettings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.BytesIO(json.dumps(native(1)).encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=piped))
    assert await replay(kafka_settings, "-", from_format="native") == ReplayCounts(clicks=1)


async def test_a_rate_spreads_events_over_time(kafka_settings: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(native(number)) + "\n" for number in range(101)))
    progress: list[int] = []
    started = time.monotonic()
    sent = await replay(
        kafka_settings, file, from_format="native", rate=200, on_progress=lambda so_far: progress.append(so_far.total)
    )
    assert time.monotonic() - started >= 0.5
    assert sent.total == 101
    assert progress == [50, 100, 101]


async def test_a_recording_can_end_now(kafka_settings: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    line = {"topic": "clicks", "key": "u", "at": 1_700_000_000_500, "value": native(1)}
    file.write_text(json.dumps(line))
    before = time.time() * 1000
    await replay(kafka_settings, file, retime=True)
    [(_, value)] = await values(kafka_settings, topics.clicks.name, 1)
    assert before - 501 <= json.loads(value)["time"] <= time.time() * 1000 - 500


async def test_mistakes_are_said(kafka_settings: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    file.write_text('{"topic":"clicks","raw":""}\n{"topic":"nowhere","raw":""}\n')
    with pytest.raises(ConfigurationError, match=r"line 2 of the recording: .*nowhere"):
        await replay(kafka_settings, file)
    with pytest.raises(ConfigurationError, match="rate"):
        await replay(kafka_settings, file, rate=0)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        await replay(KafkaSettings(bootstrap_servers="127.0.0.1:1"), file)
