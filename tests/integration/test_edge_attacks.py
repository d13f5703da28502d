"""Attacks are rejected and counted, and no visitor learns anything about another."""

import asyncio
import base64
import hmac
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from bannerstream.devservers.ports import LOOPBACK
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.edge_process import EdgeProcess, Writer, live, writer
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.timeout(240), pytest.mark.pairs("embedded")]

SLOW = 100
"""Slow clients of each kind, 400 in all, which keeps this test quick. `python -m bench edge --case slow` has 10,000."""

UNREAD, TOO_MANY = 500, 50
"""Live streams that nobody reads, and requests beyond that limit: CI may allow only 1,024 descriptors."""

UNREAD_PICTURES = 20
PICTURE_BYTES = 8 << 20
"""More than the socket buffers of both ends hold when nobody reads."""

LIMITS: dict[str, Any] = {
    "request_timeout_s": 1.0,
    **dict.fromkeys(("rate_per_address", "burst_per_address", "rate_per_visitor", "burst_per_visitor"), 100_000),
}
"""High rate limits: these have their own tests, and would stop these attacks before they begin."""


@pytest.fixture
async def streams(settings: Settings) -> AsyncIterator[Writer]:
    async with writer(settings) as writing:
        for number, user in enumerate(("ada", "eve"), 1):
            await writing.announce("ab"[number - 1])
            await writing.assign(user, number * 10, "ab"[number - 1])
        yield writing


@pytest.fixture
async def node(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[EdgeProcess]:
    async with EdgeProcess(settings, environment, tmp_path / "edge.log", **LIMITS) as node:
        yield node
        assert await node.metric("bannerstream_edge_requests_total", status="500") == 0, node.process.log_tail()
        assert "Traceback" not in node.process.log_tail(1000)


def forged(node: EdgeProcess) -> dict[str, str]:
    """Return invalid tokens that claim to be ada's, by their defect."""
    good = node.token("ada")
    head, body, _ = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    elsewhere = f"{part({'alg': 'HS256', 'kid': '../../etc/passwd'})}.{part(claims)}"
    mac = base64.urlsafe_b64encode(hmac.digest(b"", elsewhere.encode(), "sha256"))
    key = "another key of at least thirty-two bytes"
    eves = node.token("eve").split(".")
    return {
        "another key": jwt.encode(claims, key, headers={"kid": "trial"}),
        "an unknown key": f"{elsewhere}.{mac.decode().rstrip('=')}",
        "no signature": f"{part({'alg': 'none', 'kid': 'trial'})}.{part(claims)}.",
        "an empty signature": f"{head}.{body}.",
        "somebody else's body": f"{eves[0]}.{body}.{eves[2]}",
        "a key of its own": f"{part({'alg': 'HS256', 'kid': 'trial', 'jwk': {'k': key}})}.{body}.AAAA",
        "nothing of a token": "x",
        "very much": "A" * 9000,
    }


async def test_forged_tokens_are_refused_everywhere_and_say_nothing(node: EdgeProcess) -> None:
    tokens = forged(node)
    for what, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"}
        event = {"type": "purchase", "product_id": "mug"}
        responses = [
            await node.client.get("/v1/banner", headers=headers),
            await node.client.get("/v1/banner", params={"token": token}),
            await node.client.get("/v1/banner", headers={"Cookie": f"bs_visitor={token}"}),
            await node.client.get("/v1/stream", headers=headers),
            await node.client.post("/v1/events", json=event, headers=headers),
        ]
        assert {response.status_code for response in responses} == {401}, what
        for response in responses:
            assert response.json().keys() == {"error", "message"}
            assert "a" * 64 not in response.text
    assert await node.metric("bannerstream_edge_refused_total", reason="token") == 5 * len(tokens)


async def test_an_expired_token_is_refused(node: EdgeProcess) -> None:
    claims = jwt.decode(node.token("ada"), options={"verify_signature": False}) | {"exp": 1_700_000_000}
    secret = node.settings.edge.token_keys["trial"].get_secret_value()
    old = jwt.encode(claims, secret, headers={"kid": "trial"})
    response = await node.client.get("/v1/banner", headers={"Authorization": f"Bearer {old}"})
    assert (response.status_code, response.json()["message"]) == (401, "the token has expired")


async def test_another_visitors_epoch_shows_nothing_of_theirs(node: EdgeProcess) -> None:
    for last in ("20", "0", "-1", "1e9", "20; DROP", "9" * 5000):
        async with live(node, "ada", **{"Last-Event-ID": last}) as events:
            _, id_, banner = await events.next()
            assert (id_, banner["epoch"], banner["banner_key"]) == ("10", 10, "a" * 64)
    for query in ("epoch=20", f"user_key={'0' * 32}", "user=eve&sub=eve"):
        banner = (await node.client.get(f"/v1/banner?{query}", headers=node.headers("ada"))).json()
        assert banner["banner_key"] == "a" * 64


async def test_oversized_requests_are_refused(node: EdgeProcess) -> None:
    headers = node.headers("ada")
    assert (await node.client.post("/v1/events", content=b" " * 1_000_000, headers=headers)).status_code == 413
    assert (await node.client.post("/v1/feedback", content=b" " * 1_000_000)).status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield b" " * 1000

    assert (await node.client.post("/v1/events", content=endless(), headers=headers)).status_code == 413
    assert await node.metric("bannerstream_edge_refused_total", reason="too_large") == 3
    deep = b"[" * 60_000
    assert (await node.client.post("/v1/events", content=deep, headers=headers)).status_code == 422
    with node.connect() as endless_head:
        endless_head.sendall(b"GET /v1/banner HTTP/1.1\r\nhost: x\r\n")
        assert (await asyncio.to_thread(pour, endless_head)).startswith(b"HTTP/1.1 431 ")


def pour(connection: socket.socket) -> bytes:
    """Send headers without end, and return the response."""
    try:
        for number in range(100):
            connection.sendall(b"x-%d: " % number + b"y" * 1000 + b"\r\n")
    except ConnectionError:
        pass
    return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Return all bytes until the peer closes the connection."""
    connection.settimeout(PATIENCE_S)
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionError:
        pass
    return received


async def test_no_header_and_no_event_is_injected(node: EdgeProcess, streams: Writer) -> None:
    evil = "%0d%0aSet-Cookie:%20evil=1%0d%0a"
    for path in (
        f"/b/{evil}",
        f"/v1/pointers/{evil}",
        f"/v1/pointers/{streams.key('ada')}/300x250{evil}",
        f"/{evil}",
        f"/v1/banner?token={evil}",
        f"/v1/stream?token={evil}%0adata:x",
        f"/v1/banner?{'a=1&' * 500}",
        f"/v1/stream?token=x{'&token=x' * 500}",
    ):
        response = await node.client.get(path)
        assert response.status_code in {401, 404, 422}
        assert "set-cookie" not in response.headers
    for bad in ("a\nb", "a\r\nX: y", "a\u0000", "\u0085", "a\u2028".encode().decode() + "\x7f"):
        event = {"type": "click", "product_id": bad}
        assert (await node.client.post("/v1/events", json=event, headers=node.headers("ada"))).status_code == 422
    assert (await node.client.get("/v1/banner", headers={"Origin": "https://evil.example"})).headers.get(
        "access-control-allow-origin"
    ) is None
    with node.connect() as raw:
        raw.sendall(b"GET /v1/banner HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n")
        assert (await asyncio.to_thread(read_all, raw)).startswith(b"HTTP/1.1 400 ")


async def test_replayed_feedback_is_refused_and_counted(node: EdgeProcess) -> None:
    token = (await node.client.get("/v1/banner", headers=node.headers("ada"))).json()["feedback"]
    body = {"token": token, "kind": "click", "size": "970x250"}
    responses = await asyncio.gather(*(node.client.post("/v1/feedback", json=body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [202, *[409] * 19]
    assert await node.metric("bannerstream_edge_refused_total", reason="replayed") == 19
    assert await node.metric("bannerstream_edge_feedback_total", kind="click") == 1
    for size in ("728x90", "971x250"):  # sizes that this banner does not have
        assert (await node.client.post("/v1/feedback", json={**body, "size": size})).status_code == 422
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    assert (await node.client.post("/v1/feedback", json={**body, "token": changed})).status_code == 403


async def test_slow_clients_take_nothing_from_the_others(node: EdgeProcess, streams: Writer) -> None:
    token = node.token("ada")
    begun = {
        "send nothing": b"",
        "never end a head": b"GET /v1/banner HTTP/1.1\r\nhost: x\r\n",
        "never send a body": b"POST /v1/feedback HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        "never read a stream": f"GET /v1/stream?token={token} HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
    }
    slow: dict[str, list[socket.socket]] = {what: [] for what in begun}
    try:
        for what, head in begun.items():
            for _ in range(SLOW):
                slow[what].append(node.connect())
                if head:
                    slow[what][-1].sendall(head)
        for _ in range(SLOW):
            with node.connect() as leaving:
                leaving.sendall(begun["never send a body"])
        async with live(node, "eve") as events:
            assert (await events.next())[1] == "20"
            await streams.assign("eve", 21, "a")
            assert (await events.next())[1] == "21", "while all slow clients are connected"
        assert await node.epoch("ada") == 10
        for what in ("send nothing", "never end a head", "never send a body"):
            responses = [await asyncio.to_thread(read_all, connection) for connection in slow[what]]
            assert {response[9:12] for response in responses} == {b"408"}, what

        async def streams_closed() -> bool:  # down to the limit for one visitor
            return await node.metric("bannerstream_edge_streams") == node.settings.edge.max_streams_per_visitor

        await node.until(streams_closed)
    finally:
        for connections in slow.values():
            for connection in connections:
                connection.close()

    async def gone() -> bool:
        return await node.metric("bannerstream_edge_streams") == 0

    await node.until(gone)


async def test_a_client_that_never_reads_a_stream_is_disconnected_and_costs_little(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """`python -m bench edge --case slow` does the same with 10,000."""
    limits = {**LIMITS, "max_streams": UNREAD, "default_cohort": "cooks", "send_timeout_s": 1.0}
    async with EdgeProcess(settings, environment, tmp_path / "edge.log", **limits) as node:
        before = resident_mb(node)
        paths = [f"/v1/stream?token={node.token(f'slow-{number}')}" for number in range(UNREAD + TOO_MANY)]
        unread = await asyncio.to_thread(request_without_reading, node, paths)
        try:

            async def answered() -> bool:
                refused = await node.metric("bannerstream_edge_refused_total", reason="overloaded")
                return (await node.metric("bannerstream_edge_streams"), refused) == (UNREAD, TOO_MANY)

            await node.until(answered)
            revision = 1
            while await node.metric("bannerstream_edge_streams_closed_total", why="slow") < UNREAD:
                revision += 1
                await streams.announce("a", revision=revision)  # sent to every visitor without a banner of their own
                assert await node.epoch("eve") == 20, "other clients get responses meanwhile"
                assert revision < 500, "the socket buffers never fill"
            assert resident_mb(node) - before < UNREAD * 0.05
            async with live(node, "ada") as events:
                assert (await events.next())[2]["epoch"] == 10, "a new stream can be opened again"
        finally:
            for connection in unread:
                connection.close()


async def test_a_client_that_never_reads_a_picture_is_disconnected(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    path = "/b/" + store.put_blob(b"x" * PICTURE_BYTES, "image/webp").rpartition("/")[2]
    store.close()
    async with EdgeProcess(settings, environment, tmp_path / "edge.log", **LIMITS, send_timeout_s=1.0) as node:
        assert len((await node.client.get(path)).content) == PICTURE_BYTES
        before = descriptors(node)
        unread = await asyncio.to_thread(request_without_reading, node, [path] * UNREAD_PICTURES)
        try:

            async def answered() -> bool:
                found = await node.metric("bannerstream_edge_pictures_total", found="memory")
                return found == UNREAD_PICTURES

            await node.until(answered)

            async def streams_closed() -> bool:
                assert await node.epoch("ada") == 10, "other clients get responses meanwhile"
                return descriptors(node) <= before

            await node.until(streams_closed)
        finally:
            for connection in unread:
                connection.close()


def request_without_reading(node: EdgeProcess, paths: list[str]) -> list[socket.socket]:
    """Request each path on a new connection with the smallest receive buffer; return the connections."""
    opened = []
    for path in paths:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.settimeout(PATIENCE_S)
        connection.connect((LOOPBACK, node.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        opened.append(connection)
    return opened


def resident_mb(node: EdgeProcess) -> float:
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def descriptors(node: EdgeProcess) -> int:
    return len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))


async def test_no_answer_shows_how_the_node_is_built(node: EdgeProcess) -> None:
    for method, path in (("GET", "/nope"), ("DELETE", "/v1/banner"), ("POST", "/v1/banner"), ("GET", "/v1/events")):
        response = await node.client.request(method, path)
        assert response.status_code in {404, 405}
        assert response.json().keys() == {"error", "message"}
        assert "server" not in response.headers
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
