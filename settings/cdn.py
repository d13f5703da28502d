"""The table `[cdn]`."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from bannerstream.contracts.sizes import SIZES
from bannerstream.settings.groups import Group, Seconds


class CdnSettings(Group):
    """The CDN in front of edge, and the purger that tells it what is stale."""

    kind: Literal["none", "fastly", "cloudflare", "cloudfront", "varnish", "nginx"] = Field(
        "none", description="Which CDN `bannerstream run purger` speaks to."
    )
    group_id: str = Field(
        "bannerstream-purger",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Consumer group. One worker of a group purges, the others stand by; each CDN needs its own group.",
    )
    coalesce_s: float = Field(
        1.0, ge=0, le=60, description="Changes within this time are purged together, and each pointer once."
    )
    settle_s: float = Field(
        0.5,
        ge=0,
        le=60,
        description="A change is purged this much later at the earliest: edge must know it before the CDN asks again.",
    )
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="Changes that are purged together at most.")
    timeout_s: Seconds = Field(10.0, description="How long one call may take; then it is made again.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+[^\s]*[^\s/]$",
        description="Of the API of fastly, cloudflare or cloudfront, where it is not the published one.",
    )
    api_token: SecretStr | None = Field(
        None, description="Token of fastly or cloudflare, with the right to purge only."
    )
    fastly_service_id: str | None = Field(None, pattern=r"^[A-Za-z0-9]+$", description="The service to purge.")
    cloudflare_zone_id: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="The zone to purge.")
    cloudflare_plan: Literal["free", "pro", "business", "enterprise"] = Field(
        "pro", description="The account's plan, which limits how often it may be called."
    )
    cloudfront_distribution_id: str | None = Field(
        None, pattern=r"^[A-Z0-9]+$", description="The distribution to invalidate."
    )
    cloudfront_items: Literal["tags", "paths"] = Field(
        "tags",
        description="`tags` needs the distribution's `CacheTagConfig` and costs one path a change; `paths` needs "
        "nothing and costs one for the pointer and one for each of `image_sizes`.",
    )
    cloudfront_paths_per_hour: int = Field(
        500,
        ge=0,
        description="Beyond this, one wildcard drops all pointers instead. Paths cost 0.005 USD each after the first "
        "1,000 of a month: 500 an hour are 1,800 USD a month at most.",
    )
    cloudfront_wildcard_interval_s: float = Field(
        60.0, ge=1, le=86_400, description="Between two such wildcards, each of which costs one path."
    )
    aws_access_key: str | None = Field(
        None, description="Access key id for cloudfront; without it, that of the environment or of the machine's role."
    )
    aws_secret_key: SecretStr | None = Field(None, description="Secret access key; goes with `aws_access_key`.")
    nodes: tuple[str, ...] = Field((), description='Every varnish or nginx server: `["http://10.0.0.5:6081"]`.')
    purge_token: SecretStr | None = Field(
        None, min_length=16, description="What varnish or nginx expect in `X-Purge-Token`; 16 characters or more."
    )
    image_sizes: tuple[str, ...] = Field(
        tuple(size.name for size in SIZES),
        description="Sizes whose plain-image pointers are embedded; each is purged where the CDN knows paths only.",
    )
    metrics_port: int = Field(9104, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _what_the_kind_needs_is_there(self) -> Self:
        for name, example in _CDN_NEEDS[self.kind].items():
            if not getattr(self, name):
                raise ValueError(f"cdn.{name} is required with the kind {self.kind}, for example {example}")
        if (self.aws_access_key is None) != (self.aws_secret_key is None):
            raise ValueError("cdn.aws_access_key and cdn.aws_secret_key go together")
        for node in self.nodes:
            if not re.fullmatch(r"https?://[^/\s]+", node):
                raise ValueError(f'cdn.nodes: {node!r} is no address such as "http://10.0.0.5:6081", without a path')
        for size in self.image_sizes:
            if not re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", size, re.ASCII):
                raise ValueError(f'cdn.image_sizes: {size!r} is no size such as "970x250"')
        return self


_CDN_NEEDS: dict[str, dict[str, str]] = {
    "none": {},
    "fastly": {"api_token": '"…"', "fastly_service_id": '"SU1Z0isxPaozGVKXdv0eY"'},
    "cloudflare": {"api_token": '"…"', "cloudflare_zone_id": '"023e105f4ecef8ad9ca31a8372d0c353"'},
    "cloudfront": {"cloudfront_distribution_id": '"EDFDVBD632BHDS5"'},
    "varnish": {"nodes": '["http://10.0.0.5:6081"]', "purge_token": "the output of `openssl rand -hex 32`"},
    "nginx": {"nodes": '["http://10.0.0.5:8080"]', "purge_token": "the output of `openssl rand -hex 32`"},
}
