"""The table `[edge]`."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from bannerstream.settings.groups import ANY_ADDRESS, Group, MetricsHost, Seconds
from bannerstream.settings.trial_secrets import TRIAL_EDGE_SECRET

MIN_SIGNING_BYTES = 32
"""Shortest key for HMAC-SHA-256: as long as its output (RFC 7518 §3.2)."""


class EdgeSettings(Group):
    """Serves banners and live streams, and accepts events."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` behind a load balancer.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Prometheus port of its own; `/metrics` is then not served at `edge.port`. 0: it is served there.",
    )
    metrics_host: MetricsHost = ANY_ADDRESS
    urls: list[str] = Field(
        default_factory=list,
        description='Addresses of all edge nodes, which `erase --wait` checks: `["http://edge-1:8080"]`.',
    )
    shard: str = Field(
        "0/1",
        pattern=r"^[0-9]{1,4}/[1-9][0-9]{0,3}$",
        description="This node's share of the visitors: `0/2` and `1/2` are two nodes that split them.",
    )
    token_keys: dict[str, SecretStr] = Field(
        default_factory=lambda: {"trial": SecretStr(TRIAL_EDGE_SECRET)},
        description="Keys of visitor tokens by `kid`: a secret of 32 bytes or more (HS256), or an Ed25519 key in PEM "
        "(EdDSA; a public one only verifies). Keep the old one beside the new one until its tokens have expired.",
    )
    token_kid: str = Field("trial", description="The key that `bannerstream edge token` signs with.")
    token_life_s: Seconds = Field(
        3600.0, description="Longest lifetime of a token; one with a longer lifetime is refused."
    )
    token_leeway_s: float = Field(
        30.0,
        ge=0,
        le=300,
        description="Allowed difference between the clocks of the shop's servers and the edge, for `exp`, `nbf` and "
        "`token_life_s`. Servers without a time service are off by tens of seconds; a token lives that much longer.",
    )
    token_issuer: str | None = Field(None, description="Required `iss` of a token; any when left out.")
    token_audience: str | None = Field(None, description="Required `aud` of a token; none when left out.")
    feedback_secret: SecretStr = Field(
        SecretStr(TRIAL_EDGE_SECRET),
        description="Key that signs feedback tokens, 32 bytes or more; the same on every node.",
    )
    feedback_life_s: Seconds = Field(3600.0, description="How long after delivery feedback on a banner is accepted.")
    cors_origins: list[str] = Field(
        default_factory=list, description='Origins that may call edge from a page (CORS): `["https://shop.example"]`.'
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of load balancers whose `X-Forwarded-For` is trusted.",
    )
    cdn_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s\"<>?#]+[^/\s\"<>?#]$",
        description="Base URL at which a CDN serves the bucket; responses then link pictures there. When left "
        "out, edge serves them.",
    )
    pointer_max_age_s: int = Field(
        60, ge=0, le=86_400, description="How long a CDN caches a visitor's pointer unless it is purged."
    )
    default_cohort: str | None = Field(
        None,
        description="Cohort whose latest banner visitors without one see; the shop's default when left out.",
    )
    default_link: str = Field("/", max_length=2048, description="Link target of the shop's default banner.")
    default_alt: str = Field(
        "Discover our range", max_length=200, description="Alternative text of the default banner."
    )
    picture_cache_mb: int = Field(64, ge=0, le=65_536, description="Memory for recently served pictures.")
    max_body_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Largest request body, in bytes.")
    max_batch: int = Field(100, ge=1, le=1000, description="Most events in one request.")
    page_purchases: bool = Field(
        False,
        description="Accept purchases from pages. A purchase that a page reports is the visitor's word alone; leave it "
        "off where the shop's server writes orders to Kafka.",
    )
    max_waiting: int = Field(
        5000, ge=1, description="Events that may wait for Kafka; beyond this, requests get 503 with `Retry-After`."
    )
    ack_timeout_s: Seconds = Field(10.0, description="How long a request waits for Kafka to acknowledge.")
    request_timeout_s: Seconds = Field(10.0, description="A request must be received completely within this time.")
    send_timeout_s: Seconds = Field(30.0, description="A client that reads nothing for this long is disconnected.")
    max_connections: int = Field(20_000, ge=10, description="Open connections; beyond this, new ones are refused.")
    max_streams: int = Field(
        10_000, ge=1, description="Open live streams; beyond this, new ones get 503 with `Retry-After`."
    )
    max_streams_per_visitor: int = Field(
        8, ge=1, description="Open streams per visitor (browser tabs); beyond this the oldest is closed."
    )
    max_streams_per_address: int = Field(
        2_000,
        ge=1,
        description="Open streams per address (an IPv6 /64); beyond this, new ones get 429. An office behind one "
        "address has hundreds; a stranger with many tokens could take them all.",
    )
    ping_s: Seconds = Field(15.0, description="Interval of pings on an idle stream.")
    rate_per_visitor: float = Field(
        20.0, gt=0, description="Events, and requests of other kinds, per second per visitor: more than a person does."
    )
    burst_per_visitor: int = Field(
        60, ge=1, description="Burst of them. A longer batch is accepted after a pause, and paid back at the rate."
    )
    rate_per_address: float = Field(200.0, gt=0, description="Requests per second per address (an IPv6 /64).")
    burst_per_address: int = Field(600, ge=1, description="Burst of requests per address.")

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
