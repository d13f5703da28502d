"""Visitors on the shop's pages: they report events to the edge nodes until acknowledged, and look at their banners."""

import asyncio
import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.settings import Settings
from tests.faults.audit import Findings
from tests.support.shop import PRODUCTS

_PICTURE = re.compile(r"/b/([0-9a-f]{64})\.[a-z]+")
_RETRY_S = 0.2
_LOOK_S = 0.1
_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Traffic:
    """How many events are reported, by how many visitors, and how fast."""

    events: int = 400
    visitors: int = 40
    per_s: float = 40.0


class PageVisitors:
    """Reports events with ids of their own, as banner.js does: a request that was not acknowledged is sent again.

    Meanwhile other requests look at banners and at their pictures: one that does not hash to its name is a finding.
    """

    def __init__(
        self, settings: Settings, urls: Sequence[str], random_: random.Random, traffic: Traffic, findings: Findings
    ) -> None:
        self.acknowledged: dict[str, str] = {}
        """The user id of every acknowledged event, by event id."""
        self.reported = 0
        self.pictures = 0
        """Pictures that were looked at and hashed to their names."""
        self._urls = urls
        self._random = random_
        self._traffic = traffic
        self._findings = findings
        self._tokens = VisitorTokens(settings)
        self._is_done = False

    @property
    def user_ids(self) -> list[str]:
        return [f"visitor-{number}" for number in range(self._traffic.visitors)]

    async def run(self) -> None:
        """Report all events; return once every one is acknowledged."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client, asyncio.TaskGroup() as tasks:
            for number in range(self._traffic.events):
                user_id = self._random.choice(self.user_ids)
                event = {
                    "event_id": f"page-{number}",
                    "type": self._random.choices(["view", "click", "cart"], [6, 4, 2])[0],
                    "product_id": self._random.choice(PRODUCTS).product_id,
                }
                tasks.create_task(self._report(client, user_id, event))
                self.reported += 1
                await asyncio.sleep(1 / self._traffic.per_s)
        self._is_done = True

    async def reached(self, fraction: float) -> None:
        """Return once this part is reported."""
        while self.reported < fraction * self._traffic.events:  # noqa: ASYNC110  (one writer, few readers)
            await asyncio.sleep(0.02)

    async def look(self) -> None:
        """Look at banners and pictures until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            while True:
                try:
                    await self._look_once(client)
                except httpx.HTTPError:  # a node that is away
                    await asyncio.sleep(_RETRY_S)
                await asyncio.sleep(_LOOK_S)

    async def _report(self, client: httpx.AsyncClient, user_id: str, event: dict[str, str]) -> None:
        while True:
            url = self._random.choice(self._urls)
            try:
                response = await client.post(f"{url}/v1/events", json=event, headers=self._headers(user_id))
            except httpx.HTTPError:
                response = None
            if response is not None and response.status_code == httpx.codes.ACCEPTED:
                self.acknowledged[event["event_id"]] = user_id
                return
            if response is not None and response.status_code < 500 and response.status_code != 429:
                self._findings.add("lost", f"{event['event_id']} was refused: {response.status_code} {response.text}")
                return
            await asyncio.sleep(_RETRY_S)

    async def _look_once(self, client: httpx.AsyncClient) -> None:
        url = self._random.choice(self._urls)
        banner = await client.get(f"{url}/v1/banner", headers=self._headers(self._random.choice(self.user_ids)))
        if banner.status_code != httpx.codes.OK:
            return
        for match in _PICTURE.finditer(banner.text):
            response = await client.get(url + match.group(0))
            if response.status_code == httpx.codes.OK:
                self.pictures += 1
                if hashlib.sha256(response.content).hexdigest() != match.group(1):
                    self._findings.add("wrong_bytes", f"{url}{match.group(0)}: {len(response.content)} bytes")
            elif "no-store" not in response.headers.get("Cache-Control", ""):
                self._findings.add("wrong_bytes", f"{url}{match.group(0)}: a cacheable {response.status_code}")

    def _headers(self, user_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.mint(user_id)}"}
