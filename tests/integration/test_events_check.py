"""`bannerstream events check` on the topics of a shop that is not connected yet."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import create_topics
from bannerstream.cli.main import run_command
from bannerstream.settings import Settings

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("embedded", "apache"), pytest.mark.servers("kafka")]

CONNECT = """
[clicks]
user = "$.who"
product = "$.items[*].sku"
time = "$.at"
time_unit = "s"
kind = "$.action"
other_kinds = "ignore"
kinds = { pdp_view = "view" }
"""


def send(settings: Settings, *records: tuple[str | None, object], codec: str = "gzip") -> None:
    """Create the topics and send records (key, value) to partition 0 of clicks."""

    async def produce() -> None:
        await create_topics(settings.kafka)
        producer = AIOKafkaProducer(**client_options(settings.kafka), compression_type=codec)
        await producer.start()
        for key, value in records:
            payload = value if isinstance(value, bytes) else json.dumps(value).encode()
            await producer.send(
                settings.kafka.topic_table().clicks.name,
                payload,
                key=None if key is None else key.encode(),
                partition=0,
            )
        await producer.stop()

    asyncio.run(produce())


class Check:
    """Runs `bannerstream events check`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def _run(self, arguments: tuple[str, ...], code: int) -> tuple[str, str]:
        self._capsys.readouterr()
        status = run_command(["events", "check", *arguments])
        out, err = self._capsys.readouterr()
        assert status == code, f"{out}{err}"
        return out, err

    def text(self, *arguments: str, code: int = 0) -> str:
        """Return standard output and standard error."""
        return "".join(self._run(arguments, code))

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Return the JSON output."""
        return json.loads(self._run((*arguments, "--json"), code)[0])


@pytest.fixture
def check(
    capsys: pytest.CaptureFixture[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Check:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return Check(capsys)


def native(user: str, **changes: object) -> dict[str, object]:
    return {"event_id": "e", "user_id": user, "product_id": "mug", "time": int(time.time() * 1000)} | changes


def test_a_topic_that_fits_passes(settings: Settings, check: Check) -> None:
    send(
        settings, *((f"u-{number}", native(f"u-{number}")) for number in range(20)), ("u-0", native("u-0", kind="cart"))
    )
    report = check.json("clicks")
    assert (report["sampled"], report["usable"], report["dead_letters"]) == (21, 21, 0)
    assert report["kinds"] == {"click": 20, "cart": 1}
    assert (report["distinct_users"], report["distinct_products"], report["keyed_by_user"]) == (20, 1, 1.0)
    assert 0 <= report["delay_s"]["median"] < 60
    assert set(report["codecs"]) == {"gzip"}
    assert report["findings"] == []
    text = check.text("clicks")
    assert "every record can be used" in text
    assert "click 20, cart 1" in text


def test_only_the_last_of_each_partition_are_looked_at(settings: Settings, check: Check) -> None:
    send(settings, ("u-1", b"broken"), *((("u-1", native("u-1")),) * 5))
    assert check.json("clicks", "--sample", "5")["sampled"] == 5
    assert check.json("clicks", "--sample", "6", code=5)["dead_letters"] == 1


def test_what_would_be_dead_letters_is_told_masked_and_fails(settings: Settings, check: Check) -> None:
    send(
        settings,
        ("jane.doe", native("jane.doe")),
        (None, native("jane.doe")),
        ("jane.doe", native("jane.doe", product_id=17)),
        ("jane.doe", b'{"user_id": "jane.doe'),
    )
    report = check.json("clicks", code=5)
    found = {(finding["code"], finding["field"]): finding for finding in report["findings"]}
    assert set(found) == {("wrong_key", "key"), ("malformed", "$.product_id"), ("malformed", "$")}
    topic = settings.kafka.topic_table().clicks.name
    assert found["wrong_key", "key"]["example"] == f"{topic}/0@1"
    assert '"user_id": "xxxx.xxx"' in found["wrong_key", "key"]["excerpt"]
    assert (report["usable"], report["dead_letters"], report["keyed_by_user"]) == (1, 3, 0.5)
    text = check.text(topic, code=5)
    assert "wrong_key" in text
    assert "jane" not in text


def test_a_mapping_is_tried_before_it_is_set(settings: Settings, check: Check, tmp_path: Path) -> None:
    (tmp_path / "connect.toml").write_text(CONNECT)
    event = {"who": "u-1", "items": [{"sku": "a"}, {"sku": "b"}], "at": time.time(), "action": "pdp_view"}
    send(settings, ("u-1", event), ("u-1", {"action": "scroll"}))
    report = check.json("clicks", "--connect", "connect.toml")
    assert (report["usable"], report["dead_letters"], report["kinds"]) == (1, 0, {"view": 1})
    assert [(finding["code"], finding["field"]) for finding in report["findings"]] == [("ignored", "$.action")]
    assert report["distinct_products"] == 2
    assert check.json("clicks", code=5)["dead_letters"] == 2, "as the settings have it"


def test_wrong_usage_is_told(settings: Settings, check: Check, tmp_path: Path) -> None:
    send(settings)
    (tmp_path / "connect.toml").write_text(CONNECT)
    assert "no topic nowhere" in check.text("nowhere", code=3)
    assert "has no table [purchases]" in check.text("purchases", "--connect", "connect.toml", code=3)
    assert "has no table [purchases]" in check.text("clicks", "--as", "purchases", "--connect", "connect.toml", code=3)
    assert "cannot be read" in check.text("clicks", "--connect", "nowhere.toml", code=3)
    assert "needs --connect" in check.text("clicks", "--format", "mapped", code=3)
    assert "not ga4" in check.text("clicks", "--connect", "connect.toml", "--format", "ga4", code=3)
    assert check.json("clicks", "--format", "ga4")["sampled"] == 0
