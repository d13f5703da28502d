"""CloudFront: invalidations by cache tag or by path, within a budget.

Sources (Amazon CloudFront Developer Guide and API Reference):
- CreateInvalidation: `POST /2020-05-31/distribution/{id}/invalidation`, an XML `InvalidationBatch`; a repeat with the
  same `CallerReference` and content makes no second invalidation. Signed with Signature Version 4 (us-east-1).
- "Invalidating content by cache tags": an item `#tag` drops every object that carried the tag in the header that the
  distribution's `CacheTagConfig` names; each item counts as one path.
- "Concurrent invalidation request maximum": 3,000 items in progress, of which 15 with a wildcard.
- "Pay for file invalidation": 1,000 paths a month are free, then each costs (0.005 USD in 2026); a wildcard is one.

So there is a budget of paths an hour. Once it is used up, one wildcard drops all pointers, at most once in
`wildcard_interval_s`: visitors wait a little longer, edge is asked for more, and the bill has an end.
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
"""A third of what may be in progress, so that one batch need not wait for the end of the one before."""

_NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
_HOUR_S = 3600.0
_BUSY = (b"<Code>TooManyInvalidationsInProgress</Code>", b"<Code>Throttling</Code>")
"""Said with status 400, and yet no fault of the request."""


class Budget:
    """Paths spent within the last hour."""

    def __init__(self, paths_per_hour: int, wildcard_interval_s: float) -> None:
        self._paths_per_hour = paths_per_hour
        self._wildcard_interval_s = wildcard_interval_s
        self._spent: deque[tuple[float, int]] = deque()
        self._next_wildcard = 0.0

    def afford(self, items: int, now: float) -> bool:
        """Spend that many paths if they fit into the hour, and tell whether they did."""
        while self._spent and self._spent[0][0] <= now - _HOUR_S:
            self._spent.popleft()
        if sum(count for _, count in self._spent) + items > self._paths_per_hour:
            return False
        self._spent.append((now, items))
        return True

    def next_wildcard_s(self, now: float) -> float:
        """Return when the next wildcard may go, and take that place."""
        at = max(now, self._next_wildcard)
        self._next_wildcard = at + self._wildcard_interval_s
        return at


class CloudFront:
    """One CloudFront distribution. `sizes` are the plain-image pointers to drop where items are paths."""

    name: ClassVar[str] = "cloudfront"
    limits = Limits(at_once=1, per_s=1.0, burst=5)  # no published rate; its throttling is answered by waiting

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

    def calls(self, stale: Stale, now: float) -> list[Call]:
        """Return calls for what is stale, or one for all pointers where that would break the budget."""
        items = [(f"#{tag}", key) for tag, key in tags(stale)] if self.by_tag else paths(stale.users, self._sizes)
        if not items:
            return []
        if not self._budget.afford(len(items), now):
            everyone = [(f"{POINTERS}*", key) for key in [*stale.users, *stale.banners]]
            return [self._call(everyone, now, not_before_s=self._budget.next_wildcard_s(now))]
        return [self._call(batch, now) for batch in batched(items, ITEMS_PER_CALL)]

    def _call(self, items: list[tuple[str, str]], now: float, not_before_s: float = 0.0) -> Call:
        drops = tuple(dict.fromkeys(item for item, _ in items))
        return Call(
            method="POST",
            url=self._url,
            body=_invalidation_batch(drops, now),
            headers={"Content-Type": "text/xml"},
            drops=drops,
            keys=frozenset(key for _, key in items),
            not_before_s=not_before_s,
        )

    async def credentials(self, call: Call, now: float) -> Mapping[str, str]:
        """Return the signature; keys of a role are fetched anew when they are about to expire."""
        return signature_headers(
            await asyncio.to_thread(self._keys),
            method=call.method,
            url=call.url,
            body=call.body,
            headers=call.headers,
            service="cloudfront",
            region="us-east-1",
            now=now,
        )

    def verdict(self, answer: CdnResponse, now: float) -> Verdict:
        """Return what an answer means; too many invalidations in progress is a matter of waiting."""
        if answer.status == HTTPStatus.BAD_REQUEST and any(code in answer.body for code in _BUSY):
            return TryAgain(answer.excerpt())
        return verdict_by_status(answer, now, settings="the AWS keys and cdn.cloudfront_distribution_id")


def _invalidation_batch(items: tuple[str, ...], now: float) -> bytes:
    """Return the body. Its caller reference says what and when, so that a repeat of this call is known as one."""
    digest = hashlib.sha256("\n".join(items).encode()).hexdigest()[:32]
    batch = ET.Element("InvalidationBatch", xmlns=_NAMESPACE)
    listed = ET.SubElement(batch, "Paths")
    ET.SubElement(listed, "Quantity").text = str(len(items))
    inside = ET.SubElement(listed, "Items")
    for item in items:
        ET.SubElement(inside, "Path").text = item
    ET.SubElement(batch, "CallerReference").text = f"bannerstream-{round(now * 1000)}-{digest}"
    document: bytes = ET.tostring(batch, encoding="UTF-8", xml_declaration=True)
    return document
