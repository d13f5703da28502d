"""The table `[cdn]`."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from bannerstream.contracts.sizes import SIZES
from bannerstream.settings.groups import ANY_ADDRESS, Group, MetricsHost, Seconds


class CdnSettings(Group):
    """The CDN in front of edge, and the purger that removes stale responses from it."""

    kind: Literal["none", "fastly", "cloudflare", "cloudfront", "varnish", "nginx"] = Field(
        "none", description="The CDN that `bannerstream run purger` purges."
    )
    group_id: str = Field(
        "bannerstream-purger",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Consumer group. One worker of a group purges, the others stand by; each CDN needs its own group.",
    )
    coalesce_s: float = Field(
        1.0, ge=0, le=60, description="Changes within this time are purged in one batch, each pointer once."
    )
    settle_s: float = Field(
        0.5,
        ge=0,
        le=60,
        description="Delay before a change is purged, so that edge has applied it before the CDN fetches again.",
    )
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="Most changes per batch.")
    timeout_s: Seconds = Field(10.0, description="Timeout of one API call, after which it is retried.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+[^\s]*[^\s/]$",
        description="Base URL of the Fastly, Cloudflare or CloudFront API; the published one when left out.",
    )
    api_token: SecretStr | None = Field(
        None, description="Fastly or Cloudflare token; it needs the right to purge and no other."
    )
    fastly_service_id: str | None = Field(None, pattern=r"^[A-Za-z0-9]+$", description="Fastly service to purge.")
    cloudflare_zone_id: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="Cloudflare zone to purge.")
    cloudflare_plan: Literal["free", "pro", "business", "enterprise"] = Field(
        "pro", description="The account's plan, which sets the API's rate limit."
    )
    cloudfront_distribution_id: str | None = Field(
        None, pattern=r"^[A-Z0-9]+$", description="CloudFront distribution to invalidate."
    )
    cloudfront_items: Literal["tags", "paths"] = Field(
        "tags",
        description="`tags` needs the distribution's `CacheTagConfig` and costs one path per change; `paths` needs "
        "no configuration and costs one path for the pointer and one for each of `image_sizes`.",
    )
    cloudfront_paths_per_hour: int = Field(
        500,
        ge=0,
        description="Caps the cost: beyond this, one wildcard invalidates all pointers instead. Paths cost 0.005 USD "
        "each after the first 1,000 of a month, so 500 an hour cost at most 1,800 USD a month.",
    )
    cloudfront_wildcard_interval_s: float = Field(
        60.0, ge=1, le=86_400, description="Shortest time between two such wildcards; each costs one path."
    )
    aws_access_key: str | None = Field(
        None, description="Access key id for CloudFront; when left out, the environment's or the machine role's."
    )
    aws_secret_key: SecretStr | None = Field(None, description="Secret access key; goes with `aws_access_key`.")
    nodes: tuple[str, ...] = Field((), description='Every Varnish or nginx server: `["http://10.0.0.5:6081"]`.')
    purge_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Value that Varnish or nginx expects in `X-Purge-Token`; 16 characters or more.",
    )
    image_sizes: tuple[str, ...] = Field(
        tuple(size.name for size in SIZES),
        description="Sizes that pages embed as plain images; each is purged by path where the CDN has no tags.",
    )
    metrics_port: int = Field(9104, ge=0, le=65535, description="Prometheus port; 0 turns it off.")
    metrics_host: MetricsHost = ANY_ADDRESS

    @model_validator(mode="after")
    def _kind_has_its_settings(self) -> Self:
        for name, example in _CDN_NEEDS[self.kind].items():
            if not getattr(self, name):
                raise ValueError(f"cdn.{name} is required with the kind {self.kind}, for example {example}")
        if (self.aws_access_key is None) != (self.aws_secret_key is None):
            raise ValueError("cdn.aws_access_key and cdn.aws_secret_key go together")
        for node in self.nodes:
            if not re.fullmatch(r"https?://[^/\s]+", node):
                raise ValueError(
                    f'cdn.nodes: {node!r} is not an address such as "http://10.0.0.5:6081", without a path'
                )
        for size in self.image_sizes:
            if not re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", size, re.ASCII):
                raise ValueError(f'cdn.image_sizes: {size!r} is not a size such as "970x250"')
        return self


_CDN_NEEDS: dict[str, dict[str, str]] = {
    "none": {},
    "fastly": {"api_token": '"…"', "fastly_service_id": '"SU1Z0isxPaozGVKXdv0eY"'},
    "cloudflare": {"api_token": '"…"', "cloudflare_zone_id": '"023e105f4ecef8ad9ca31a8372d0c353"'},
    "cloudfront": {"cloudfront_distribution_id": '"EDFDVBD632BHDS5"'},
    "varnish": {"nodes": '["http://10.0.0.5:6081"]', "purge_token": "the output of `openssl rand -hex 32`"},
    "nginx": {"nodes": '["http://10.0.0.5:8080"]', "purge_token": "the output of `openssl rand -hex 32`"},
}
