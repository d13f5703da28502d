"""`environment = "production"` refuses what only a trial may have, rule by rule."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from bannerstream.cli.main import run_command
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.edge.minting import TokenMint
from bannerstream.edge.node import EdgeNode
from bannerstream.purger.main import run as run_purger
from bannerstream.settings import Settings
from bannerstream.settings.production import RULES, check_rules, refuse_in_production
from bannerstream.settings.trial_secrets import TRIAL_EDGE_SECRET, TRIAL_SECRET
from bannerstream.storage.fakes import MemoryBannerStore
from tests.support.production import SECRET, accepted

PAGE = Path(__file__).parents[3] / "docs/production.md"

BROKEN: list[tuple[str, str, dict[str, dict[str, Any]]]] = [
    ("trial-secrets", "privacy.user_key_secret", {"privacy": {"user_key_secret": TRIAL_SECRET}}),
    ("trial-secrets", "storage.secret_key", {"storage": {"secret_key": TRIAL_SECRET}}),
    ("plaintext-kafka", "kafka.security_protocol", {"kafka": {"security_protocol": "PLAINTEXT"}}),
    ("one-replica", "kafka.replication_factor", {"kafka": {"replication_factor": 1}}),
    ("plaintext-store", "storage.secure", {"storage": {"secure": False}}),
    ("trial-tokens", "edge.token_keys.old", {"edge": {"token_keys": {"new": SECRET, "old": TRIAL_EDGE_SECRET}}}),
    ("trial-tokens", "edge.feedback_secret", {"edge": {"feedback_secret": TRIAL_EDGE_SECRET}}),
    ("no-origins", "edge.cors_origins", {"edge": {"cors_origins": []}}),
    ("plaintext-origins", "http://shop.example", {"edge": {"cors_origins": ["https://a.example", "http://shop.example"]}}),
    ("plaintext-pictures", "edge.cdn_base_url", {"edge": {"cdn_base_url": "http://cdn.example"}}),
    ("everyone-trusted", "edge.trusted_proxies", {"edge": {"trusted_proxies": ["*"]}}),
    ("everyone-trusted", "0.0.0.0/0", {"edge": {"trusted_proxies": ["10.0.0.1", "0.0.0.0/0"]}}),
    ("plaintext-cdn-api", "cdn.api_url", {"cdn": {"api_url": "http://api.example"}}),
]  # fmt: skip


def test_settings_that_keep_all_rules_are_taken() -> None:
    settings = Settings(**accepted())
    assert [verdict.problem for verdict in check_rules(settings)] == [None] * len(RULES)
    refuse_in_production(settings, "edge", "tokens", "purger")
    assert TokenMint(settings).mint("ada")
    assert EdgeNode(settings, MemoryBannerStore(), CollectorRegistry()).ready is False


@pytest.mark.parametrize(("name", "setting", "changes"), BROKEN)
def test_each_rule_refuses_alone_by_its_name(name: str, setting: str, changes: dict[str, Any]) -> None:
    """In a trial the same settings are taken."""
    given = accepted(**changes)
    trial = Settings(**(given | {"environment": "trial"}))
    (verdict,) = (verdict for verdict in check_rules(trial) if verdict.problem)
    assert verdict.rule.name == name
    assert verdict.problem is not None
    assert setting in verdict.problem
    match verdict.rule.scope:
        case "all":
            with pytest.raises(ValidationError, match=name):
                Settings(**given)
        case "edge":
            with pytest.raises(ConfigurationError, match=name):
                EdgeNode(Settings(**given), MemoryBannerStore(), CollectorRegistry())
            assert TokenMint(Settings(**given)).mint("ada"), "the shop's server mints without edge's settings"
        case "tokens":
            with pytest.raises(ConfigurationError, match=name):
                TokenMint(Settings(**given))
        case "purger":
            with pytest.raises(ConfigurationError, match=name):
                run_purger(Settings(**given))


def test_every_rule_is_broken_here() -> None:
    assert {name for name, *_ in BROKEN} == {rule.name for rule in RULES}


def test_no_problem_shows_a_secret() -> None:
    for _, _, changes in BROKEN:
        trial = Settings(**(accepted(**changes) | {"environment": "trial"}))
        shown = " ".join(verdict.problem or "" for verdict in check_rules(trial))
        assert not {word for word in (SECRET, TRIAL_SECRET, TRIAL_EDGE_SECRET) if word in shown}


def test_the_page_lists_the_rules() -> None:
    table = PAGE.read_text().partition("<!-- rules -->")[2].partition("\n\n")[0]
    listed = re.findall(r"(?m)^\| `([a-z-]+)` \|", table)
    assert listed == [rule.name for rule in RULES]


def test_config_check_names_the_rules_that_a_trial_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANNERSTREAM_CONFIG", raising=False)
    nobody = '[kafka]\nbootstrap_servers = "127.0.0.1:1"\n[storage]\nendpoint = "127.0.0.1:1"\nattempts = 1\n'
    (tmp_path / "bannerstream.toml").write_text(nobody)
    assert run_command(["config", "check", "--production", "--json"]) == 5
    rows = {row["what"]: row["ok"] for row in json.loads(capsys.readouterr().out)}
    expected = {f"production: {verdict.rule.name}": verdict.problem is None for verdict in check_rules(Settings())}
    assert {what: ok for what, ok in rows.items() if what.startswith("production: ")} == expected
    assert run_command(["config", "check", "--json"]) == 5
    assert "production" not in capsys.readouterr().out
