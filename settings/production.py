"""What `environment = "production"` refuses: each rule once, by name. A test holds docs/production.md equal."""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.trial_secrets import TRIAL_EDGE_SECRET, TRIAL_SECRET

if TYPE_CHECKING:
    from bannerstream.settings.model import Settings

Scope = Literal["all", "edge", "tokens", "purger"]
"""Who refuses: every service when it reads its settings, or the one that a setting concerns, when it starts. `tokens`:
edge, and whatever mints visitors' tokens."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `broken_by` returns the settings that break it, with their values unless these are secret."""

    name: str
    scope: Scope
    reason: str
    """Completes the settings to a sentence, and says what to set."""
    broken_by: "Callable[[Settings], list[str]]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one rule. `problem`: None if the settings keep it."""

    rule: Rule
    problem: str | None


def _trial(secrets: dict[str, SecretStr]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.get_secret_value() in {TRIAL_SECRET, TRIAL_EDGE_SECRET}]


def _common_secrets(settings: "Settings") -> list[str]:
    privacy, storage = settings.privacy, settings.storage
    return _trial(
        {"privacy.user_key_secret": privacy.user_key_secret, "storage.secret_key": storage.secret_key},
    )


def _token_secrets(settings: "Settings") -> list[str]:
    keys = {f"edge.token_keys.{kid}": key for kid, key in settings.edge.token_keys.items()}
    return _trial({"edge.feedback_secret": settings.edge.feedback_secret, **keys})


def _trusts_everyone(settings: "Settings") -> list[str]:
    return [f"edge.trusted_proxies = {proxy!r}" for proxy in settings.edge.trusted_proxies if _is_everyone(proxy)]


def _is_everyone(proxy: str) -> bool:
    try:
        return ipaddress.ip_network(proxy, strict=False).prefixlen == 0
    except ValueError:
        return proxy.strip() == "*"


def _plain_url(name: str, url: str | None) -> list[str]:
    return [f"{name} = {url!r}"] if (url or "").lower().startswith("http://") else []


RULES: tuple[Rule, ...] = (
    Rule(
        "trial-secrets",
        "all",
        "still has its trial value; make one with `openssl rand -hex 32`",
        _common_secrets,
    ),
    Rule(
        "plaintext-kafka",
        "all",
        "sends what visitors do in the clear, and lets anybody write it; set SSL or SASL_SSL",
        lambda settings: (
            ['kafka.security_protocol = "PLAINTEXT"'] if settings.kafka.security_protocol == "PLAINTEXT" else []
        ),
    ),
    Rule(
        "one-replica",
        "all",
        "loses what was acknowledged with one broker's disk; set 3",
        lambda settings: ["kafka.replication_factor = 1"] if settings.kafka.replication_factor == 1 else [],
    ),
    Rule(
        "plaintext-store",
        "all",
        "sends pictures in the clear, and whatever answers passes for the store; set true",
        lambda settings: [] if settings.storage.secure else ["storage.secure = false"],
    ),
    Rule(
        "trial-tokens",
        "tokens",
        "still the trial value, so that anybody can act for any visitor; make one with `openssl rand -hex 32`",
        _token_secrets,
    ),
    Rule(
        "no-origins",
        "edge",
        'makes browsers refuse the requests of the shop\'s pages; set its origins, ["https://shop.example"]',
        lambda settings: [] if settings.edge.cors_origins else ["edge.cors_origins = []"],
    ),
    Rule(
        "plaintext-origins",
        "edge",
        "lets a page that was changed on its way act for the visitor; name origins with https://",
        lambda settings: [
            found for origin in settings.edge.cors_origins for found in _plain_url("edge.cors_origins", origin)
        ],
    ),
    Rule(
        "plaintext-pictures",
        "edge",
        "is blocked on pages with https, and can be changed on its way; set https://",
        lambda settings: _plain_url("edge.cdn_base_url", settings.edge.cdn_base_url),
    ),
    Rule(
        "everyone-trusted",
        "edge",
        "lets every client choose its address, and with it its rate limit; name the load balancers",
        _trusts_everyone,
    ),
    Rule(
        "plaintext-cdn-api",
        "purger",
        "sends the CDN's token in the clear; set https://",
        lambda settings: _plain_url("cdn.api_url", settings.cdn.api_url),
    ),
)


def check_rules(settings: "Settings", *scopes: Scope) -> Iterator[Verdict]:
    """Yield what comes of the rules of these scopes, or of all, whatever the environment is."""
    for rule in RULES:
        if not scopes or rule.scope in scopes:
            broken = rule.broken_by(settings)
            yield Verdict(rule, f"{', '.join(broken)}: {rule.reason} ({rule.name})" if broken else None)


def refuse_in_production(settings: "Settings", *scopes: Scope) -> None:
    """Refuse to start in production with settings that break a rule of these scopes.

    Raises:
        ConfigurationError: names every broken rule, the settings that break it, and what to set.
    """
    if settings.environment == "production" and (problems := problems_of(settings, *scopes)):
        raise ConfigurationError(f'refused with environment = "production": {"; ".join(problems)}')


def problems_of(settings: "Settings", *scopes: Scope) -> list[str]:
    """Return the problems of these scopes, or of all."""
    return [verdict.problem for verdict in check_rules(settings, *scopes) if verdict.problem is not None]
