"""Cloudflare: purge by cache tag, in batches, as fast as the plan allows.

Source: Cloudflare docs, "Purge cache" and "Purge cache by cache-tags" (developers.cloudflare.com/cache/how-to/
purge-cache): every plan; `POST /zones/{id}/purge_cache` with `{"tags": […]}`, 100 tags a request; token buckets per
account: Free 5 requests a minute (bucket 25), Pro 5 a second (25), Business 10 a second (50), Enterprise 50 a second
(500). API responses wrap the outcome: `{"success": true, …}`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from bannerstream.purger.ports import (
    Accepted,
    Call,
    CdnResponse,
    Limits,
    Refused,
    TryAgain,
    Verdict,
    batched,
    verdict_by_status,
)
from bannerstream.purger.staleness import Stale, tags

API_URL = "https://api.cloudflare.com/client/v4"

TAGS_PER_CALL = 100

Plan = Literal["free", "pro", "business", "enterprise"]

LIMITS: dict[Plan, Limits] = {
    "free": Limits(at_once=1, per_s=5 / 60, burst=25),
    "pro": Limits(at_once=4, per_s=5.0, burst=25),
    "business": Limits(at_once=4, per_s=10.0, burst=50),
    "enterprise": Limits(at_once=8, per_s=50.0, burst=500),
}


class _Envelope(msgspec.Struct):
    success: bool


class Cloudflare:
    """One Cloudflare zone."""

    name: ClassVar[str] = "cloudflare"
    by_tag = True

    def __init__(self, zone_id: str, token: str, plan: Plan, api_url: str = API_URL) -> None:
        self._url = f"{api_url}/zones/{zone_id}/purge_cache"
        self._token = token
        self.limits = LIMITS[plan]

    def calls(self, stale: Stale, now_s: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call per 100 tags."""
        return [
            Call(
                method="POST",
                url=self._url,
                body=msgspec.json.encode({"tags": [tag for tag, _ in batch]}),
                headers={"Content-Type": "application/json"},
                drops=tuple(tag for tag, _ in batch),
                keys=frozenset(key for _, key in batch),
            )
            for batch in batched(tags(stale), TAGS_PER_CALL)
        ]

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the API token's header."""
        return {"Authorization": f"Bearer {self._token}"}

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:
        """Interpret a response: a 2xx status counts only with `success` in the body."""
        verdict = verdict_by_status(response, now_s, settings="cdn.api_token and cdn.cloudflare_zone_id")
        if not isinstance(verdict, Accepted):
            return verdict
        try:
            envelope = msgspec.json.decode(response.body, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return TryAgain(f"not a response of the API: {response.excerpt()}")
        return verdict if envelope.success else Refused(response.excerpt())
