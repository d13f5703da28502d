"""The command line with running services, as an operator uses it, from the first topic to a replayed dead letter."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bannerstream.cli.main import run_command
from bannerstream.contracts.sizes import SIZES
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.demo.workers import start_workers
from tests.support.main_job import PRODUCT_IDS, ga4, now_ms, segment, write_catalogue
from tests.support.servers import Broker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("embedded", "apache-minio")]

MUG, KETTLE = "mug-stoneware-terracotta", "kettle-gooseneck"
MISSING = "yoga-mat"
"""In the example catalogue, but not in the part that is loaded first."""


class CommandLine:
    """Runs commands and returns their output."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """Run one command, check its exit code and return its standard output."""
        self._capsys.readouterr()
        status = run_command([str(argument) for argument in arguments])
        output = self._capsys.readouterr()
        assert status == code, f"{arguments}: {output.out}{output.err}"
        assert "Traceback" not in output.err
        return output.out

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))

    def until(self, enough: Callable[[Any], bool], *arguments: str | Path) -> Any:
        """Repeat a command until its JSON output is `enough`, and return it."""
        outputs: list[Any] = []

        def is_enough() -> bool:
            outputs[:] = [self.json(*arguments)]
            return enough(outputs[0])

        wait_until(is_enough, lambda: f"{arguments} prints more than {outputs}")
        return outputs[0]


@pytest.fixture
def bannerstream(
    capsys: pytest.CaptureFixture[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


def test_from_an_empty_broker_to_a_replayed_dead_letter(
    bannerstream: CommandLine, kafka: Broker, environment: dict[str, str], tmp_path: Path
) -> None:
    # Nothing exists yet, and the checks report that.
    problems = bannerstream.json("topics", "check", code=5)
    assert any("clicks" in problem["topic"] for problem in problems)
    assert [each["ok"] for each in bannerstream.json("config", "check", code=5)] == [False, False]

    made = bannerstream.json("topics", "create")
    assert {topic["outcome"] for topic in made} == {"created"}
    assert bannerstream.json("topics", "check") == []
    assert {each["outcome"] for each in bannerstream.json("topics", "create")} == {"was there"}
    bannerstream("storage", "create")
    assert "answers" in bannerstream("storage", "check")
    checked = bannerstream.json("config", "check")
    assert [check["ok"] for check in checked] == [True, True]
    assert kafka.bootstrap_servers in checked[0]["what"]

    folder = write_catalogue(tmp_path / "catalogue")
    assert {each["picture"] for each in bannerstream.json("catalog", "check", folder)} == {"own alpha"}
    assert f"products: {len(PRODUCT_IDS)} published" in bannerstream("catalog", "load", folder)
    assert f"products: 0 published, {len(PRODUCT_IDS)} unchanged" in bannerstream("catalog", "load", folder)
    listed = bannerstream.json("catalog", "list")
    assert [row["product_id"] for row in listed] == sorted(PRODUCT_IDS)
    assert {row["picture"] for row in listed} == {"yes"}

    with start_workers(environment, tmp_path) as workers:
        replay_events(bannerstream, tmp_path)
        shown = check_banners(bannerstream)
        bring_the_missing_product(bannerstream)
        bannerstream.until(lambda rows: {row["product"] for row in rows} >= {*shown, MISSING}, "banners", "list")
        assert workers.events_folded() == 4


def replay_events(bannerstream: CommandLine, folder: Path) -> None:
    """Send a recording, and a file of bare events; one of the four names a product that is not loaded."""
    recording = folder / "session.jsonl"
    native = {"event_id": "e-1", "user_id": "u-1", "product_id": KETTLE, "time": now_ms()}
    recording.write_text(
        json.dumps({"topic": "clicks", "key": "u-1", "value": native})
        + "\n"
        + json.dumps({"topic": "purchases", "key": "u-2", "value": json.loads(ga4("purchase", "u-2", "football"))})
        + "\n"
    )
    before = time.monotonic()
    assert bannerstream.json("events", "replay", recording, "--rate", "2") == {"clicks": 1, "purchases": 1}
    assert time.monotonic() - before >= 0.5, "two a second"

    bare = folder / "segment.jsonl"
    calls = (segment("Product Viewed", "u-3", MUG), segment("Product Viewed", "u-4", MISSING))
    bare.write_bytes(b"".join(call + b"\n" for call in calls))
    sent = bannerstream.json("events", "replay", bare, "--from-format", "segment")
    assert sent == {"clicks": 2, "purchases": 0}
    bannerstream("events", "replay", folder / "nowhere.jsonl", code=3)


def check_banners(bannerstream: CommandLine) -> set[str]:
    """Check that three visitors' banners are made and can be shown; return their products."""
    rows = bannerstream.until(lambda rows: len(rows) == 3, "banners", "list")
    shown = {row["product"] for row in rows}
    assert {KETTLE, MUG} <= shown
    assert "football" not in shown, "it was just bought"
    manifest = bannerstream.json("banners", "show", rows[0]["banner_key"][:12])
    assert (manifest["banner_key"], manifest["product_id"]) == (rows[0]["banner_key"], rows[0]["product"])
    assert {each["size"] for each in manifest["renditions"]} == {size.name for size in SIZES}
    assert rows[0]["banner_key"] in bannerstream("banners", "show", rows[0]["banner_key"])
    bannerstream("banners", "show", "no-such-banner", code=5)
    return shown


def bring_the_missing_product(bannerstream: CommandLine) -> None:
    """Find out why a record became a dead letter, fix the cause, and replay it."""
    (letter,) = bannerstream.until(lambda letters: len(letters) == 1, "dlq", "list")
    assert letter["code"] == "unknown_product"
    assert MISSING in letter["reason"]
    assert bannerstream.json("dlq", "list", "--code", "malformed") == []
    assert "would send 1" in bannerstream("dlq", "replay", "--code", "unknown_product", "--dry-run")
    bannerstream("catalog", "load", CATALOGUE)
    assert "sent 0" in bannerstream("dlq", "replay", "--code", "malformed")
    assert "sent 1" in bannerstream("dlq", "replay", "--code", "unknown_product")
    assert "sent 0" in bannerstream("dlq", "replay", "--code", "unknown_product")


@pytest.mark.pairs("embedded")
def test_the_installed_command_keeps_standard_output_for_the_answer(environment: dict[str, str]) -> None:
    """With the script that pip installs, standard output is JSON and nothing else."""
    command = Path(sys.executable).with_name("bannerstream")
    completed = subprocess.run(
        [command, "topics", "create", "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout)
