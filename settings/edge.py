"""The table `[edge]`."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from bannerstream.settings.groups import Group, Seconds
from bannerstream.settings.trial_secrets import TRIAL_EDGE_SECRET

MIN_SIGNING_BYTES = 32
"""Shortest key for HMAC-SHA-256: as long as its output (RFC 7518 §3.2)."""


class EdgeSettings(Group):
    """The visible side: banners, live streams, event intake."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` behind a load balancer.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    urls: list[str] = Field(
        default_factory=list,
        description="Where the edge nodes are reached from here: `erase --wait` asks each of them. "
        '`["http://edge-1:8080"]`.',
    )
    shard: str = Field(
        "0/1",
        pattern=r"^[0-9]{1,4}/[1-9][0-9]{0,3}$",
        description="This node's part of the visitors: `0/2` and `1/2` are two nodes that share them.",
    )
    token_keys: dict[str, SecretStr] = Field(
        default_factory=lambda: {"trial": SecretStr(TRIAL_EDGE_SECRET)},
        description="Keys of visitor tokens by `kid`: a secret of 32 bytes or more (HS256), or an Ed25519 key in PEM "
        "(EdDSA; a public one only verifies). Keep the old one beside the new one until its tokens have expired.",
    )
    token_kid: str = Field("trial", description="The key that `bannerstream edge token` signs with.")
    token_life_s: Seconds = Field(3600.0, description="Life of a token; one that lives longer is refused.")
    token_issuer: str | None = Field(None, description="The `iss` that a token must have; any when left out.")
    token_audience: str | None = Field(None, description="The `aud` that a token must have; none when left out.")
    feedback_secret: SecretStr = Field(
        SecretStr(TRIAL_EDGE_SECRET),
        description="Signs what a visitor was shown, 32 bytes or more. The same on every node.",
    )
    feedback_life_s: Seconds = Field(3600.0, description="How long after a banner was delivered feedback is taken.")
    cors_origins: list[str] = Field(
        default_factory=list, description='Origins whose pages may ask: `["https://shop.example"]`.'
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of load balancers whose `X-Forwarded-For` is believed.",
    )
    cdn_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s\"<>?#]+[^/\s\"<>?#]$",
        description="Where a CDN serves the bucket's objects; pictures are then linked there, not served from here.",
    )
    pointer_max_age_s: int = Field(
        60, ge=0, le=86_400, description="How long a CDN keeps a visitor's pointer unless it is purged."
    )
    default_cohort: str | None = Field(
        None, description="Cohort whose latest banner visitors see who have none; the shop's default when left out."
    )
    default_link: str = Field("/", max_length=2048, description="Where the shop's default banner leads.")
    default_alt: str = Field("Discover our range", max_length=200, description="What the default banner says.")
    picture_cache_mb: int = Field(64, ge=0, le=65_536, description="Memory for pictures that were served lately.")
    max_body_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Largest request body.")
    max_batch: int = Field(100, ge=1, le=1000, description="Most events in one request.")
    max_waiting: int = Field(5000, ge=1, description="Events that may wait for Kafka; more are told to come back.")
    ack_timeout_s: Seconds = Field(10.0, description="How long a request waits for Kafka.")
    request_timeout_s: Seconds = Field(10.0, description="A request must have arrived after this long.")
    send_timeout_s: Seconds = Field(30.0, description="A client that takes nothing for this long is let go.")
    max_connections: int = Field(20_000, ge=10, description="Open connections; more are turned away.")
    max_streams: int = Field(10_000, ge=1, description="Open live streams; more are told to come back.")
    max_streams_per_visitor: int = Field(8, ge=1, description="Of one visitor: tabs. The oldest gives way.")
    ping_s: Seconds = Field(15.0, description="How often a quiet stream is pinged.")
    rate_per_visitor: float = Field(20.0, gt=0, description="Requests a second of one token.")
    burst_per_visitor: int = Field(60, ge=1, description="Requests of one token at once.")
    rate_per_address: float = Field(200.0, gt=0, description="Requests a second of one address (an IPv6 /64).")
    burst_per_address: int = Field(600, ge=1, description="Requests of one address at once.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        number, count = map(int, self.shard.split("/"))
        if number >= count:
            raise ValueError(f"edge.shard {self.shard!r}: the first shard is 0, the last of {count} is {count - 1}")
        if self.token_kid not in self.token_keys:
            raise ValueError(
                f"edge.token_kid {self.token_kid!r} is not in edge.token_keys ({', '.join(self.token_keys)})"
            )
        for kid, key in self.token_keys.items():
            if len(key.get_secret_value().encode()) < MIN_SIGNING_BYTES:
                raise ValueError(
                    f"edge.token_keys.{kid} must have 32 bytes or more; make one with `openssl rand -hex 32`"
                )
        if len(self.feedback_secret.get_secret_value().encode()) < MIN_SIGNING_BYTES:
            raise ValueError("edge.feedback_secret must have 32 bytes or more; make one with `openssl rand -hex 32`")
        if "*" in self.cors_origins:
            raise ValueError(
                'edge.cors_origins names origins one by one, for example ["https://shop.example"]; not "*"'
            )
        return self

    def trial_secrets(self) -> list[str]:
        """Return the names of the settings that still have their trial value: a node refuses them in production."""
        secrets = {"edge.feedback_secret": self.feedback_secret}
        secrets |= {f"edge.token_keys.{kid}": key for kid, key in self.token_keys.items()}
        return [name for name, secret in secrets.items() if secret.get_secret_value() == TRIAL_EDGE_SECRET]
