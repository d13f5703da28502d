from pathlib import Path

import pytest

from bannerstream.devservers import ServerMissing, Stack, environment_of
from bannerstream.devservers.kafka_embedded import EmbeddedKafka
from bannerstream.settings.sources import load_settings


def test_the_environment_and_the_overrides_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stack = Stack("embedded", "embedded", data_dir=tmp_path)
    overrides = stack.settings_overrides()
    overrides["kafka"] |= {"topics": {"clicks": "shop.clicks"}}
    by_argument = load_settings(**overrides)
    for name, value in environment_of(overrides).items():
        monkeypatch.setenv(name, value)
    assert load_settings().model_dump() == by_argument.model_dump()
    assert by_argument.kafka.bootstrap_servers == stack.kafka.bootstrap_servers
    assert by_argument.storage.endpoint == stack.s3.endpoint


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedKafka, "why_unavailable", staticmethod(lambda: "install this"))
    stack = Stack("embedded", "embedded", data_dir=tmp_path)
    with pytest.raises(ServerMissing, match="install this"):
        stack.start()
    assert stack.s3.process is None


def test_where_one_cannot_start_the_other_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: EmbeddedKafka) -> None:
        raise ServerMissing("broken")

    monkeypatch.setattr(EmbeddedKafka, "start", refuse)
    stack = Stack("embedded", "embedded", data_dir=tmp_path)
    with pytest.raises(ServerMissing, match="broken"):
        stack.start()
    assert stack.s3.process is not None
    assert stack.s3.process.poll() is not None
