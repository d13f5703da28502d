"""Live streams, message by message, with a client that may be slow."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.responses import Response

from bannerstream.contracts.codecs import encode
from bannerstream.edge.connections import Connection
from bannerstream.edge.event_stream import EventStream
from bannerstream.edge.routes import banners as routes
from tests.support.edge_node import Node, assignment, ready, running_node
from tests.support.waiting import PATIENCE_S, until


class Client:
    """The far end of a stream: takes messages, unless `taking` is cleared."""

    def __init__(self) -> None:
        self.text = ""
        self.done = False
        self.aborted = False
        self.taking = asyncio.Event()
        self.taking.set()
        self._gone = asyncio.Event()
        self.scope = {"extensions": {"bannerstream.abort": {"call": self._abort}}}

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.taking.wait()
        self.text += message.get("body", b"").decode()
        self.done = message["type"] == "http.response.body" and not message.get("more_body", False)

    def leave(self) -> None:
        self._gone.set()

    def _abort(self) -> None:
        self.aborted = True

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        """Return (event, id, data) of every event so far."""
        events = []
        for block in self.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in fields:
                events.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
        return events


@asynccontextmanager
async def stream(node: Node, user: str = "ada", **changes: Any) -> AsyncIterator[tuple[Client, Awaitable[None]]]:
    key = node.key(user)

    def current() -> tuple[str, bytes]:
        answer = node.edge.resolver.of_visitor(key)
        return answer.event_id, answer.public(key)

    options: dict[str, Any] = {"last_event_id": None, "ping_s": 60, "send_timeout_s": 60, "expires_in_s": 600} | changes
    client = Client()
    answer = EventStream(node.edge.hub, key, current, metrics=node.edge.metrics, **options)
    task = asyncio.create_task(answer(client.scope, client.receive, client.send))
    try:
        yield client, task
    finally:
        client.taking.set()
        client.leave()
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert len(node.edge.hub) == 0, "a stream that ended is forgotten"


async def test_it_tells_now_and_whenever_something_changes(node: Node) -> None:
    node.announce("a")
    node.announce("b")
    node.assign(1, "a")
    async with stream(node) as (client, _):
        await until(lambda: len(client.events) == 1)
        assert client.text.startswith("retry: 2000\n\n")
        node.assign(2, "b")
        await until(lambda: len(client.events) == 2)
        sent = [(event, id_, data["epoch"], data["banner_key"][0]) for event, id_, data in client.events]
        assert sent == [("banner", "1", 1, "a"), ("banner", "2", 2, "b")]


async def test_who_comes_back_is_told_only_what_is_new(node: Node) -> None:
    node.announce("a")
    node.assign(4, "a")
    async with stream(node, last_event_id="4", ping_s=0.01) as (client, _):
        await until(lambda: ": ping" in client.text)
        assert client.events == []
        node.announce("b")
        node.assign(5, "b")
        await until(lambda: len(client.events) == 1)
        assert client.events[0][1] == "5"


@pytest.mark.parametrize("last", ["3", "5", "999", "0", "4.2"])
async def test_another_id_than_the_current_one_is_told_the_current_one(node: Node, last: str) -> None:
    node.announce("a")
    node.assign(4, "a")
    async with stream(node, last_event_id=last) as (client, _):
        await until(lambda: len(client.events) == 1)
        assert client.events[0][1] == "4"


async def test_a_slow_client_is_told_the_latest_and_nothing_between(node: Node) -> None:
    node.announce("a")
    node.announce("b")
    node.assign(1, "a")
    async with stream(node) as (client, _):
        await until(lambda: len(client.events) == 1)
        client.taking.clear()
        for epoch in range(2, 500):
            node.assign(epoch, "ab"[epoch % 2])
            await asyncio.sleep(0)
        client.taking.set()
        await until(lambda: client.events[-1][1] == "499")
        assert len(client.events) <= 3, "the one that was under way, and the latest"


async def test_a_client_that_takes_nothing_is_let_go(node: Node) -> None:
    async with stream(node, send_timeout_s=0.05) as (client, task):
        client.taking.clear()
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert client.aborted
        assert node.metric("bannerstream_edge_streams_closed_total", why="slow") == 1


async def test_a_banner_made_again_is_sent_under_the_same_epoch(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    async with stream(node) as (client, _):
        await until(lambda: len(client.events) == 1)
        node.announce("a", revision=2, engine="diffusers")
        node.edge.hub.notify(node.key())
        await until(lambda: len(client.events) == 2)
        assert [(id_, data["epoch"], data["tier"]) for _, id_, data in client.events] == [
            ("1", 1, "studio"),
            ("1.2", 1, "diffusers"),
        ]


async def test_an_erasure_is_told_and_ends_the_streams(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    async with stream(node) as (client, task), stream(node, "bob") as (other, _):
        await until(lambda: len(client.events) == 1)
        node.edge.visitors.erase(node.key())
        node.edge.hub.close_erased(node.key())
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert client.events[-1][0] == "erased"
        assert client.done
        assert not other.done, "nobody else's stream ends"
        other.leave()
        await until(lambda: len(node.edge.hub) == 0)


async def test_a_stream_ends_with_its_token(node: Node) -> None:
    async with stream(node, expires_in_s=0.05) as (client, task):
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert client.done
        assert node.metric("bannerstream_edge_streams_closed_total", why="expired") == 1


async def test_of_too_many_tabs_the_oldest_gives_way() -> None:
    async with (
        running_node(max_streams_per_visitor=2) as node,
        stream(node) as (first, task),
        stream(node) as (second, _),
        stream(node) as (third, _),
    ):
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert (first.done, second.done, third.done) == (True, False, False)
        second.leave()
        third.leave()
        await until(lambda: len(node.edge.hub) == 0)


async def test_too_many_streams_are_told_to_come_back() -> None:
    async with running_node(max_streams=1) as node, stream(node):
        await asyncio.sleep(0)
        answer = await node.client.get("/v1/stream", headers=node.headers("bob"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_one_address_cannot_take_all_streams() -> None:
    async with running_node(max_streams_per_address=2) as node:
        opened = [node.edge.hub.open(node.key(user), "127.0.0.1") for user in ("ada", "bob")]
        node.edge.hub.open(node.key("eve"), "192.0.2.1")
        answer = await node.client.get("/v1/stream", headers=node.headers("carl"))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        for connection in opened:
            node.edge.hub.remove(connection)
        assert (node.edge.hub.streams_from("127.0.0.1"), len(node.edge.hub)) == (0, 1)


async def test_a_stream_lives_as_long_as_its_token_opens_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within `edge.token_leeway_s` after `exp`: it would end at once, and the browser come back every 2 s."""
    lives: list[float] = []

    def opened(*_: object, expires_in_s: float, **__: object) -> Response:
        lives.append(expires_in_s)
        return Response()

    monkeypatch.setattr(routes, "EventStream", opened)
    machine = {"now_s": 1_800_000_000.0}
    async with running_node(machine_clock=lambda: machine["now_s"], token_leeway_s=30) as node:
        headers = node.headers()
        for after_s in (0, 3_600, 3_629):
            machine["now_s"] = 1_800_000_000.0 + after_s
            assert (await node.client.get("/v1/stream", headers=headers)).status_code == 200
    assert lives == [3_630, 30, 1]


async def test_without_a_token_there_is_no_stream(node: Node) -> None:
    assert (await node.client.get("/v1/stream")).status_code == 401
    assert (await node.client.get("/v1/stream", params={"token": "forged"})).status_code == 401


async def test_the_follower_wakes_all_who_see_a_banner_that_changed(node: Node) -> None:
    key = node.key()
    await node.read("assignments", (key.encode(), encode(assignment(key, 1, "a"))))
    async with stream(node) as (client, task):
        await until(lambda: len(client.events) == 1)
        assert client.events[0][2]["tier"] == "default"
        await node.read("ready", (b"a" * 64, encode(ready("a"))))
        await until(lambda: len(client.events) == 2)
        await node.read("ready", (b"a" * 64, encode(ready("a", revision=2))))
        await until(lambda: len(client.events) == 3)
        await node.read("ready", (b"a" * 64, encode(ready("a", revision=2))), (b"a" * 64, None))
        await until(lambda: len(client.events) == 4)
        await node.read("assignments", (key.encode(), None))
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert [event for event, *_ in client.events] == ["banner"] * 4 + ["erased"]
        assert [data["tier"] for _, _, data in client.events[:4]] == ["default", "studio", "studio", "default"]


def woken(node: Node, *users: str) -> dict[str, Connection]:
    """Return a connection of each visitor: whether its `wake` is set, a stream would notice, and then look."""
    return {user: node.edge.hub.open(node.key(user)) for user in users}


async def test_a_first_decision_whose_banner_is_being_painted_changes_the_default(node: Node) -> None:
    """An open page shows what a page that is loaded then would."""
    node.announce("a", cohort="cooks")
    node.announce("b", cohort="bakers")
    key = node.key()

    async with stream(node) as (client, _):
        await until(lambda: len(client.events) == 1)

        async def decided(epoch: int, cohort: str) -> tuple[str, str]:
            """Return the banner of the open page and that of a page loaded now, once a banner is requested."""
            await node.read("assignments", (key.encode(), encode(assignment(key, epoch, "c", cohort))))
            await until(lambda: len(client.events) == epoch + 1)
            answer = await node.client.get("/v1/banner", headers=node.headers())
            return client.events[-1][2]["banner_key"], answer.json()["banner_key"]

        assert await decided(1, "cooks") == ("a" * 64, "a" * 64)
        assert await decided(2, "bakers") == ("b" * 64, "b" * 64)


async def test_a_change_wakes_only_those_who_may_see_it() -> None:
    async with running_node(default_cohort="walkers") as node:
        node.announce("a", cohort="cooks")
        node.announce("b", cohort="bakers")
        node.assign(1, "a", "owner")
        node.assign(1, "c", "cook", cohort="cooks")
        node.assign(1, "d", "baker", cohort="bakers")
        watching = woken(node, "owner", "cook", "baker", "stranger")

        async def woken_by(*records: tuple[bytes, bytes | None]) -> set[str]:
            for connection in watching.values():
                connection.wake.clear()
            await node.read("ready", *records)
            return {user for user, connection in watching.items() if connection.wake.is_set()}

        assert await woken_by((b"a" * 64, encode(ready("a", cohort="cooks", revision=2)))) == {"owner", "cook"}
        assert await woken_by((b"a" * 64, encode(ready("a", cohort="cooks", revision=2)))) == set(), "nothing changed"
        assert await woken_by((b"e" * 64, encode(ready("e", cohort="cooks")))) == {"cook"}, "a newer default"
        assert await woken_by((b"a" * 64, encode(ready("a", cohort="cooks", revision=2)))) == {"cook"}, "and the older"
        assert await woken_by((b"b" * 64, None)) == {"baker"}
        assert await woken_by((b"f" * 64, encode(ready("f", cohort="walkers")))) == {"cook", "baker", "stranger"}


async def test_many_changes_are_looked_for_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at everybody who is connected, for each record, would hold the loop for minutes while topics are read."""
    looks = []
    everybody = node.edge.hub.visitors
    monkeypatch.setattr(node.edge.hub, "visitors", lambda: looks.append(1) or everybody())
    (connection,) = woken(node, "ada").values()
    records = [(b"a" * 64, encode(ready("a", revision=revision))) for revision in range(1, 1001)]
    node.assign(1, "a")
    connection.wake.clear()
    await node.read("ready", *records)
    assert connection.wake.is_set()
    assert len(looks) == 1
