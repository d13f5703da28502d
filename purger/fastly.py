"""Fastly: soft purge by surrogate key, in batches.

Source: Fastly API, "Purging" (www.fastly.com/documentation/reference/api/purging): `POST /service/{id}/purge` with
`{"surrogate_keys": […]}`, up to 256 keys; `Fastly-Soft-Purge: 1` marks objects stale, so that Fastly may still serve
them while edge is down (`stale-if-error`). Rate limits: 100,000 purges an hour and customer; a 429 gives the end of the
hour in `Fastly-RateLimit-Reset`, in epoch seconds.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

import msgspec

from bannerstream.purger.ports import Call, CdnResponse, Limits, TryAgain, Verdict, batched, verdict_by_status
from bannerstream.purger.staleness import Stale, tags

API_URL = "https://api.fastly.com"

KEYS_PER_CALL = 256


class Fastly:
    """One Fastly service."""

    name: ClassVar[str] = "fastly"
    by_tag = True
    # 90,000 calls an hour stay within the limit even if each purges one key.
    limits = Limits(at_once=4, per_s=25.0, burst=50)

    def __init__(self, service_id: str, token: str, api_url: str = API_URL) -> None:
        self._url = f"{api_url}/service/{service_id}/purge"
        self._token = token

    def calls(self, stale: Stale, now_s: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call per 256 keys."""
        headers = {"Accept": "application/json", "Content-Type": "application/json", "Fastly-Soft-Purge": "1"}
        return [
            Call(
                method="POST",
                url=self._url,
                body=msgspec.json.encode({"surrogate_keys": [tag for tag, _ in batch]}),
                headers=headers,
                drops=tuple(tag for tag, _ in batch),
                keys=frozenset(key for _, key in batch),
            )
            for batch in batched(tags(stale), KEYS_PER_CALL)
        ]

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the API token's header."""
        return {"Fastly-Key": self._token}

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:
        """Interpret a response; a 429 waits for the next hour."""
        verdict = verdict_by_status(response, now_s, settings="cdn.api_token and cdn.fastly_service_id")
        reset = response.headers.get("fastly-ratelimit-reset", "")
        if response.status == HTTPStatus.TOO_MANY_REQUESTS and reset.isascii() and reset.isdigit():
            return TryAgain(response.excerpt(), max(0.0, int(reset) - now_s))
        return verdict
