"""An edge node as a process, and a writer in place of streams and generator, for integration tests."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bannerstream.broker.publisher import Outgoing, Publisher, outgoing
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.edge_node import assignment, ready
from tests.support.waiting import PATIENCE_S, until


class EdgeProcess:
    """`python -m bannerstream.edge` as a child process, with its client."""

    def __init__(self, settings: Settings, environment: dict[str, str], log: Path, **edge: Any) -> None:
        self.port = free_port()
        given = {"port": self.port, **edge}
        variables = {
            f"BANNERSTREAM_EDGE__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in given.items()
        }
        self.settings = settings.model_copy(update={"edge": settings.edge.model_copy(update=given)})
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.process = ChildProcess(
            [sys.executable, "-P", "-m", "bannerstream.edge"],
            name="edge",
            log_file=log,
            environment={**environment, **variables},
        )
        self.client = httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S)
        self._tokens = VisitorTokens(settings)
        self._reads_bucket = self.settings.edge.cdn_base_url is None

    async def __aenter__(self) -> Self:
        if self._reads_bucket:
            with closing(S3BannerStore(self.settings.storage)) as store:
                await asyncio.to_thread(store.ensure_bucket)
        await self.until(self.is_ready)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self.process.stop()

    async def is_ready(self) -> bool:
        assert self.process.poll() is None, self.process.log_tail()
        try:
            return (await self.client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds; if it does not, show the end of the log."""
        await until(condition, self.process.log_tail)

    def token(self, user: str) -> str:
        return self._tokens.mint(user)

    def headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user)}"}

    async def epoch(self, user: str) -> int:
        response = await self.client.get("/v1/banner", headers=self.headers(user))
        assert response.status_code == 200, response.text
        return int(response.json()["epoch"])

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        page = (await self.client.get("/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        return self.process.stop(PATIENCE_S)

    def connect(self) -> socket.socket:
        """Return a TCP connection."""
        return socket.create_connection((LOOPBACK, self.port), timeout=PATIENCE_S)


class Writer:
    """Writes the messages of streams and generator."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._settings = settings
        self._topics = settings.kafka.topic_table()
        self._publisher = publisher

    def key(self, user: str) -> str:
        return user_key(user, self._settings.privacy.user_key_secret.get_secret_value().encode())

    async def assign(self, user: str, epoch: int, key: str) -> None:
        message: Assignment = assignment(self.key(user), epoch, key)
        event = CloudEvent(id=f"{user}:{epoch}", type="banner.assignment", source="test", time=1)
        await self._publisher.publish_all([outgoing(self._topics.assignments.name, self.key(user), message, event)])

    async def announce(self, key: str, **changes: Any) -> None:
        message = ready(key, **changes)
        event = CloudEvent(id=f"{key}:{message.revision}", type="banner.ready", source="test", time=1)
        await self._publisher.publish_all([outgoing(self._topics.ready.name, message.banner_key, message, event)])

    async def delete(self, user: str) -> None:
        """Delete an assignment, as the end of an erasure does."""
        await self.raw(self._topics.assignments.name, self.key(user).encode(), None)

    async def raw(self, topic: str, key: bytes, value: bytes | None) -> None:
        await self._publisher.publish_all([Outgoing(topic, key, value, [])])


@asynccontextmanager
async def writer(settings: Settings) -> AsyncIterator[Writer]:
    """Create the topics and yield a writer."""
    await create_topics(settings.kafka)
    async with Publisher(settings.kafka) as publisher:
        yield Writer(settings, publisher)


class Events:
    """Reads the events of a live stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return the next event: name, id and body."""
        event = id_ = ""
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "id":
                    id_ = value
                elif name == "data":
                    return event, id_, json.loads(value)
        raise AssertionError("the stream has ended")

    async def ended(self) -> bool:
        """Read to the end; return whether no event came."""
        async with asyncio.timeout(PATIENCE_S):
            return [line async for line in self._lines if line and not line.startswith(":")] == []


@asynccontextmanager
async def live(node: EdgeProcess, user: str, **headers: str) -> AsyncIterator[Events]:
    """Yield a visitor's live stream."""
    async with node.client.stream("GET", "/v1/stream", headers={**node.headers(user), **headers}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)
