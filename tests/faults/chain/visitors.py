"""Visitors on the shop's pages: they send events to the edge nodes until acknowledged, and fetch their banners."""

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


BATCH = 4
"""Maximum events per request, as in banner.js: a repeated request must fit into `streams.duplicate_window`."""

Event = dict[str, str]


@dataclass(frozen=True)
class Traffic:
    """The number of events and visitors, and the rate."""

    events: int = 400
    visitors: int = 40
    per_s: float = 40.0


class PageVisitors:
    """Sends events with event ids, as banner.js does: a request without an acknowledgement is repeated.

    Meanwhile other requests fetch banners and their pictures; a picture whose hash differs from its name is a finding.
    """

    def __init__(
        self, settings: Settings, urls: Sequence[str], random_: random.Random, traffic: Traffic, findings: Findings
    ) -> None:
        self.acknowledged: dict[str, str] = {}
        """The user id of every acknowledged event, by event id."""
        self.reported = 0
        self.pictures = 0
        """Number of pictures that were fetched."""
        self._urls = urls
        self._random = random_
        self._traffic = traffic
        self._findings = findings
        self._tokens = VisitorTokens(settings)

    @property
    def user_ids(self) -> list[str]:
        return [f"visitor-{number}" for number in range(self._traffic.visitors)]

    async def run(self) -> None:
        """Send all events; return once all are acknowledged."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client, asyncio.TaskGroup() as tasks:
            queues = {user_id: asyncio.Queue[Event | None]() for user_id in self.user_ids}
            for user_id, queue in queues.items():
                tasks.create_task(self._flush(client, user_id, queue))
            for number in range(self._traffic.events):
                event = {
                    "event_id": f"page-{number}",
                    "type": self._random.choices(["view", "click", "cart"], [6, 4, 2])[0],
                    "product_id": self._random.choice(PRODUCTS).product_id,
                }
                queues[self._random.choice(self.user_ids)].put_nowait(event)
                self.reported += 1
                await asyncio.sleep(1 / self._traffic.per_s)
            for queue in queues.values():
                queue.put_nowait(None)

    async def reached(self, fraction: float) -> None:
        """Return once this share of the events is sent."""
        while self.reported < fraction * self._traffic.events:  # noqa: ASYNC110  (one writer, few readers)
            await asyncio.sleep(0.02)

    async def look(self) -> None:
        """Fetch banners and pictures until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            while True:
                try:
                    await self._look_once(client)
                except httpx.HTTPError:  # the node is down
                    await asyncio.sleep(_RETRY_S)
                await asyncio.sleep(_LOOK_S)

    async def _flush(self, client: httpx.AsyncClient, user_id: str, queue: "asyncio.Queue[Event | None]") -> None:
        """Send a visitor's events in order, one request at a time, until the queue's end."""
        is_open = True
        while is_open:
            batch = [await queue.get()]
            while len(batch) < BATCH and not queue.empty():
                batch.append(queue.get_nowait())
            is_open = batch[-1] is not None
            if events := [event for event in batch if event is not None]:
                await self._report(client, user_id, events)

    async def _report(self, client: httpx.AsyncClient, user_id: str, batch: Sequence[Event]) -> None:
        while True:
            url = self._random.choice(self._urls)
            try:
                response = await client.post(f"{url}/v1/events", json=batch, headers=self._headers(user_id))
            except httpx.HTTPError:
                await asyncio.sleep(_RETRY_S)
                continue
            if response.status_code == httpx.codes.ACCEPTED:
                self.acknowledged |= {event["event_id"]: user_id for event in batch}
                return
            if response.is_client_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                self._findings.add("lost", f"{batch} was refused: {response.status_code} {response.text}")
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
