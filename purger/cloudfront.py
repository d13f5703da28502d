"""CloudFront: invalidations by cache tag or by path, within a budget.

Sources (Amazon CloudFront Developer Guide and API Reference):
- CreateInvalidation: `POST /2020-05-31/distribution/{id}/invalidation`, an XML `InvalidationBatch`; a repeat with the
  same `CallerReference` and content makes no second invalidation. Signed with Signature Version 4 (us-east-1).
- "Invalidating content by cache tags": an item `#tag` drops every object that carried the tag in the header that the
  distribution's `CacheTagConfig` names; each item counts as one path.
- "Concurrent invalidation request maximum": 3,000 items in progress, of which 15 with a wildcard.
- "Pay for file invalidation": 1,000 paths a month are free, then each costs (0.005 USD in 2026); a wildcard is one.

So there is a budget of paths an hour. Once it is spent, one wildcard drops all pointers, at most once in
`wildcard_interval_s`: visitors wait a little longer, edge gets more requests, and the cost is capped.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import ClassVar, Literal
from xml.etree import ElementTree as ET

from bannerstream.purger.ports import Call, CdnResponse, Limits, TryAgain, Verdict, batched, verdict_by_status
from bannerstream.purger.sigv4 import AwsKeys, signature_headers
from bannerstream.purger.staleness import POINTERS, Stale, paths, tags

API_URL = "https://cloudfront.amazonaws.com"

ITEMS_PER_CALL = 1000
"""A third of the limit in progress, so that a batch need not wait for the previous one to end."""

_NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
_HOUR_S = 3600.0
_BUSY = (b"<Code>TooManyInvalidationsInProgress</Code>", b"<Code>Throttling</Code>")
"""Sent with status 400, although the request is valid."""


class Budget:
    """Tracks the paths spent within the last hour."""

    def __init__(self, paths_per_hour: int, wildcard_interval_s: float) -> None:
        self._paths_per_hour = paths_per_hour
        self._wildcard_interval_s = wildcard_interval_s
        self._spent: deque[tuple[float, int]] = deque()
        self._next_wildcard_s = 0.0

    def afford(self, items: int, now_s: float) -> bool:
        """Spend paths if they fit into the hour's budget; return whether they did."""
        while self._spent and self._spent[0][0] <= now_s - _HOUR_S:
            self._spent.popleft()
        if sum(count for _, count in self._spent) + items > self._paths_per_hour:
            return False
        self._spent.append((now_s, items))
        return True

    def next_wildcard_s(self, now_s: float) -> float:
        """Reserve the next wildcard; return the time from which it may be sent."""
        next_s = max(now_s, self._next_wildcard_s)
        self._next_wildcard_s = next_s + self._wildcard_interval_s
        return next_s


class CloudFront:
    """One CloudFront distribution. `sizes` are the plain-image pointers to drop where items are paths."""

    name: ClassVar[str] = "cloudfront"
    limits = Limits(at_once=1, per_s=1.0, burst=5)  # no published rate; throttled calls wait

    def __init__(
        self,
        distribution_id: str,
        keys: Callable[[], AwsKeys],
        budget: Budget,
        *,
        items: Literal["tags", "paths"] = "tags",
        sizes: tuple[str, ...] = (),
        api_url: str = API_URL,
    ) -> None:
        self._url = f"{api_url}/2020-05-31/distribution/{distribution_id}/invalidation"
        self._keys = keys
        self._budget = budget
        self._sizes = sizes
        self.by_tag = items == "tags"

    def calls(self, stale: Stale, now_s: float) -> list[Call]:
        """Return calls for the stale pointers, or one wildcard if they exceed the budget."""
        items = [(f"#{tag}", key) for tag, key in tags(stale)] if self.by_tag else paths(stale.users, self._sizes)
        if not items:
            return []
        if not self._budget.afford(len(items), now_s):
            everyone = [(f"{POINTERS}*", key) for key in [*stale.users, *stale.banners]]
            return [self._call(everyone, now_s, not_before_s=self._budget.next_wildcard_s(now_s))]
        return [self._call(batch, now_s) for batch in batched(items, ITEMS_PER_CALL)]

    def _call(self, items: list[tuple[str, str]], now_s: float, not_before_s: float = 0.0) -> Call:
        drops = tuple(dict.fromkeys(item for item, _ in items))
        return Call(
            method="POST",
            url=self._url,
            body=_invalidation_batch(drops, now_s),
            headers={"Content-Type": "text/xml"},
            drops=drops,
            keys=frozenset(key for _, key in items),
            not_before_s=not_before_s,
        )

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:
        """Return the signature. A role's keys are fetched again when they are about to expire."""
        return signature_headers(
            await asyncio.to_thread(self._keys),
            method=call.method,
            url=call.url,
            body=call.body,
            headers=call.headers,
            service="cloudfront",
            region="us-east-1",
            now_s=now_s,
        )

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:
        """Interpret a response; too many invalidations in progress means to wait."""
        if response.status == HTTPStatus.BAD_REQUEST and any(code in response.body for code in _BUSY):
            return TryAgain(response.excerpt())
        return verdict_by_status(response, now_s, settings="the AWS keys and cdn.cloudfront_distribution_id")


def _invalidation_batch(items: tuple[str, ...], now_s: float) -> bytes:
    """Return the body. Its caller reference is derived from items and time, so that a repeat is recognised as one."""
    digest = hashlib.sha256("\n".join(items).encode()).hexdigest()[:32]
    batch = ET.Element("InvalidationBatch", xmlns=_NAMESPACE)
    listed = ET.SubElement(batch, "Paths")
    ET.SubElement(listed, "Quantity").text = str(len(items))
    inside = ET.SubElement(listed, "Items")
    for item in items:
        ET.SubElement(inside, "Path").text = item
    ET.SubElement(batch, "CallerReference").text = f"bannerstream-{round(now_s * 1000)}-{digest}"
    document: bytes = ET.tostring(batch, encoding="UTF-8", xml_declaration=True)
    return document
