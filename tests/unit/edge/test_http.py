"""What HTTP itself wants: HEAD, Host, and no redirect that a client's Host would steer."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
import uvicorn

from bannerstream.devservers.ports import LOOPBACK
from bannerstream.edge.main import EdgeServer, listening_socket
from bannerstream.edge.protocol import LimitedHttpProtocol, RepeatedWarnings
from bannerstream.settings import EdgeSettings
from tests.support.edge_node import Node
from tests.support.waiting import until

HOSTS = {
    "none": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "one": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    "none in 1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
}


@pytest.fixture
async def address(node: Node) -> AsyncIterator[tuple[str, int]]:
    """The node behind its own HTTP server."""
    application = node.client._transport.app  # type: ignore[attr-defined]  # httpx.ASGITransport
    server: uvicorn.Server = EdgeServer(node.edge, application)
    server.config.lifespan = "off"
    with listening_socket(EdgeSettings(port=0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        await until(lambda: server.started)
        yield (LOOPBACK, listener.getsockname()[1])
        server.should_exit = True
        await serving


async def sent(address: tuple[str, int], request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer to a request as bytes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


@pytest.mark.parametrize("hosts", HOSTS)
async def test_a_request_of_http_1_1_names_one_host(address: tuple[str, int], hosts: str) -> None:
    request, expected = HOSTS[hosts]
    status, _, body = await sent(address, request)
    assert status == expected
    if expected == 400:
        assert json.loads(body)["error"] == "bad_request"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/banner.js", "/b/{own}", "/b/" + "0" * 64 + ".webp"])
async def test_head_answers_as_get_without_a_body(node: Node, address: tuple[str, int], path: str) -> None:
    own = node.edge.resolver.default().picture("970x250", None)
    assert own is not None
    path = path.replace("/b/{own}", own)
    status, headers, body = await sent(address, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert body
    headers.pop("date")
    answer = await sent(address, f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer[1].pop("date")
    assert answer == (status, headers, b"")


@pytest.mark.parametrize("path", ["/v1/banner/", "/v1/pointers/", "/banner.js/", "/healthz/", "/docs/"])
async def test_no_redirect_reflects_the_host(node: Node, path: str) -> None:
    answer = await node.client.get(path, headers={"Host": "evil.test"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert "evil.test" not in answer.text


async def test_a_flood_of_what_is_not_http_does_not_fill_the_log(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        assert (await sent(address, b"\x16\x03\x01 not HTTP\r\n\r\n"))[0] == 400
    assert sum("Invalid HTTP" in record.message for record in caplog.records) <= 1


def test_a_warning_is_logged_once_a_minute_and_an_error_always(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"s": 1000.0}
    monkeypatch.setattr("bannerstream.edge.protocol.time.monotonic", lambda: clock["s"])
    warnings = RepeatedWarnings()

    def passes(level: int, words: str) -> bool:
        return bool(warnings.filter(logging.LogRecord("uvicorn.error", level, "", 0, words, (), None)))

    assert [passes(logging.WARNING, "a"), passes(logging.WARNING, "a"), passes(logging.WARNING, "b")] == [
        True,
        False,
        True,
    ]
    assert [passes(logging.ERROR, "a"), passes(logging.ERROR, "a")] == [True, True]
    clock["s"] += 61
    assert passes(logging.WARNING, "a")


@pytest.mark.parametrize(("count", "answered"), [(8, 8), (40, 0)])
async def test_a_connection_holds_few_requests_that_wait(address: tuple[str, int], count: int, answered: int) -> None:
    reader, writer = await asyncio.open_connection(*address)
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request * count)
    if answered:
        found = await reader.readuntil(b"ok\n")
        while found.count(b"ok\n") < answered:
            found += await reader.readuntil(b"ok\n")
        assert found.count(b"HTTP/1.1 200") == answered
    else:
        found = await reader.read()
        assert found.count(b"HTTP/1.1 400") == 1
        assert found.count(b"HTTP/1.1 200") <= 9
    writer.close()


async def test_fields_after_a_chunked_body_take_no_memory(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    complete = LimitedHttpProtocol.on_message_complete

    def completing(protocol: LimitedHttpProtocol) -> None:
        kept.append(len(protocol.headers))
        complete(protocol)

    monkeypatch.setattr(LimitedHttpProtocol, "on_message_complete", completing)
    head = b"POST /v1/feedback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, _, _ = await sent(address, head + b"2\r\n{}\r\n0\r\n" + b"A: b\r\n" * 1_000 + b"\r\n")
    assert (status, kept) == (422, [3]), "Host, Transfer-Encoding, and Connection of `sent`"


@pytest.mark.parametrize(("count", "expected"), [(98, 200), (99, 400)])
async def test_a_request_has_a_hundred_headers_at_most(address: tuple[str, int], count: int, expected: int) -> None:
    """`sent` adds one, and there is Host."""
    status, _, _ = await sent(address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * count + b"\r\n")
    assert status == expected
