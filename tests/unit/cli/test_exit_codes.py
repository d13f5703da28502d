"""What a program that calls `bannerstream` sees: exit codes, JSON on standard output, errors on standard error."""

import json
from pathlib import Path

import pytest

from bannerstream.cli.main import run_command

NOBODY = "127.0.0.1:1"
"""Port 1 (tcpmux): nothing listens there."""


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANNERSTREAM_CONFIG", raising=False)


def test_help_lists_every_group_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--help"]) == 0
    stdout = capsys.readouterr().out
    for name in ("demo", "up", "run", "topics", "catalog", "events", "banners", "paint", "dlq", "config", "schema"):
        assert name in stdout
    assert "Exit codes" in stdout


def test_an_unknown_command_is_wrong_usage() -> None:
    assert run_command(["paintt"]) == 2


def test_a_wrong_setting_is_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bannerstream.toml").write_text("[kafka]\npartitions = 0\n")
    assert run_command(["config", "show"]) == 3
    stderr = capsys.readouterr().err
    assert "kafka.partitions" in stderr
    assert "Traceback" not in stderr


def test_a_broker_that_is_not_there_says_its_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS", NOBODY)
    assert run_command(["topics", "check"]) == 4
    assert NOBODY in capsys.readouterr().err


def test_config_show_masks_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BANNERSTREAM_STORAGE__SECRET_KEY", "hunter2hunter2")
    assert run_command(["config", "show", "--json"]) == 0
    stdout = capsys.readouterr().out
    assert json.loads(stdout)["storage"]["secret_key"] == "**********"
    assert "hunter2" not in stdout


def test_the_settings_file_can_be_named_before_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.toml").write_text("[streams]\nmargin = 0.25\n")
    assert run_command(["--config", "shop.toml", "config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["streams"]["margin"] == 0.25


def test_schema_prints_one_message_and_names_them_when_asked_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schema", "BannerReady"]) == 0
    assert "renditions" in capsys.readouterr().out
    assert run_command(["schema", "Nonsense"]) == 2
    assert "BannerReady" in capsys.readouterr().err


def test_asyncapi_uses_this_deployments_topic_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BANNERSTREAM_KAFKA__TOPICS", '{"clicks": "shop.clicks"}')
    assert run_command(["asyncapi"]) == 0
    stdout = capsys.readouterr().out
    assert json.loads(stdout)["asyncapi"].startswith("3.")
    assert "shop.clicks" in stdout
