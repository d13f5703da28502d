"""Events sent with another client, librdkafka's kcat: every format, every codec, and every kind of bad record."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.settings import Settings
from tests.support.main_job import MainJob, ga4, now_ms, segment

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.real,
    pytest.mark.pairs("embedded", "apache-minio"),  # kcat uses the broker only
]

MUG, KETTLE, PHONES, BALL = "mug-stoneware-terracotta", "kettle-gooseneck", "headphones", "football"


@pytest.fixture
async def job(settings: Settings, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[MainJob]:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    async with MainJob(settings, environment, tmp_path) as job:
        yield job


class Kcat:
    """Sends one record per call with kcat, with its value from a file."""

    def __init__(self, job: MainJob, folder: Path) -> None:
        self._broker = job.settings.kafka.bootstrap_servers
        self._file = folder / "payload"

    async def send(self, topic: str, key: str, value: bytes, codec: str = "none") -> None:
        self._file.write_bytes(value)
        command = [
            "kcat",
            "-P",
            "-b",
            self._broker,
            "-t",
            topic,
            "-k",
            key,
            "-z",
            codec,
            "-X",
            "message.max.bytes=2000000",
        ]
        completed = await asyncio.to_thread(
            subprocess.run, [*command, self._file], capture_output=True, text=True, timeout=60, check=False
        )
        assert completed.returncode == 0, completed.stderr


async def test_segment_and_ga4_from_kcat_lead_to_banners_whatever_the_codec(job: MainJob, tmp_path: Path) -> None:
    kcat = Kcat(job, tmp_path)
    clicks, purchases = job.topics.clicks.name, job.topics.purchases.name
    await kcat.send(clicks, "seg", segment("Product Viewed", "seg", MUG))
    await kcat.send(clicks, "ga", ga4("view_item", "ga", MUG))
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        await kcat.send(clicks, f"by-{codec}", segment("Product Clicked", f"by-{codec}", KETTLE), codec)
    await kcat.send(purchases, "buyer-seg", segment("Order Completed", "buyer-seg", MUG, PHONES), "zstd")
    await kcat.send(purchases, "buyer-ga", ga4("purchase", "buyer-ga", BALL))
    await job.folded(8)

    shown = {user: await job.assignment(user) for user in ("seg", "ga", "buyer-seg", "buyer-ga")}
    assert shown["seg"].product_id == shown["ga"].product_id == MUG
    assert shown["buyer-seg"].product_id not in {MUG, PHONES}
    assert shown["buyer-ga"].product_id != BALL
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        assert (await job.assignment(f"by-{codec}")).product_id == KETTLE
    await job.ready(*(assignment.banner_key for assignment in shown.values()))


async def test_whatever_is_wrong_is_set_aside_with_its_reason_and_the_stream_goes_on(
    job: MainJob, tmp_path: Path
) -> None:
    kcat = Kcat(job, tmp_path)
    tomorrow = now_ms() + 86_400_000
    native = {"event_id": "e", "user_id": "mallory", "product_id": MUG, "time": now_ms()}
    wrong = {  # by topic and value: the code, and a word of the reason
        ("clicks", b"\xff\xfe\x00 not JSON"): ("malformed", "JSON"),
        ("clicks", json.dumps(native | {"product_id": 17}).encode()): ("malformed", "product_id"),
        ("clicks", json.dumps(native | {"event_id": "x" * 1_000_000}).encode()): ("oversized", "bytes"),
        ("clicks", segment("Product Viewed", "mallory", "no-such-product")): ("unknown_product", "no-such-product"),
        ("clicks", ga4("view_item", "mallory", MUG, at=tomorrow)): ("implausible_time", "input.max_future_s"),
        ("clicks", segment("Product Viewed", "someone-else", MUG)): ("wrong_key", "mallory"),
        ("clicks", ga4("scroll", "mallory", MUG)): ("unsupported", "view_item"),
        ("purchases", segment("Order Completed", "mallory")): ("malformed", "products"),
        ("purchases", ga4("purchase", "mallory", MUG, at=tomorrow)): ("implausible_time", "input.max_future_s"),
        ("purchases", b"[" * 60_000): ("malformed", ""),
    }
    for role, value in wrong:
        await kcat.send(getattr(job.topics, role).name, "mallory", value)
    await kcat.send(job.topics.clicks.name, "mallory", segment("Product Viewed", "mallory", KETTLE))

    assigned = await job.assignment("mallory")  # same key, same partition: it follows all bad records
    assert (assigned.product_id, assigned.epoch) == (KETTLE, 1)
    await job.ready(assigned.banner_key)
    letters = await job.shop.read_until(job.topics.dead_letters.name, lambda found: len(found) >= len(wrong))
    assert len(letters) == len(wrong)
    sent = await job.shop.read(job.topics.clicks.name) + await job.shop.read(job.topics.purchases.name)
    check_letters(letters, {(record.topic, record.partition, record.offset): record for record in sent}, wrong, job)
    await job.folded(1)


def check_letters(
    letters: Sequence[ConsumerRecord],
    sent: dict[tuple[str, int, int], ConsumerRecord],
    wrong: dict[tuple[str, bytes], tuple[str, str]],
    job: MainJob,
) -> None:
    """Check that each letter has the original record, its origin and the reason."""
    expected = {(getattr(job.topics, role).name, value): expectation for (role, value), expectation in wrong.items()}
    for record in letters:
        headers = dict(record.headers)
        assert headers["ce_specversion"] == b"1.0"
        assert headers["ce_type"] == b"io.bannerstream.dead_letter"
        letter = DeadLetter.from_record(record.key, record.value, record.headers)
        origin = sent[letter.topic, letter.partition, letter.offset]
        code, names = expected.pop((letter.topic, origin.value))
        assert letter.code == code, letter.reason
        assert names in letter.reason
        assert letter.key == origin.key == b"mallory"
        assert origin.value.startswith(letter.value)
        assert (letter.truncated_from is None) == (letter.value == origin.value)
    assert not expected
