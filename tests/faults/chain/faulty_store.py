"""A proxy in front of an S3 server that injects failures: late, rejected, truncated, empty, damaged or HTML responses.

It forwards requests with their original Host header, so signatures stay valid.
"""

import http.client
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self, get_args

Failure = Literal["unavailable", "slow", "truncated", "empty", "spoilt", "html"]
FAILURES: tuple[Failure, ...] = get_args(Failure)

_DELAY_S = 1.0
_TIMEOUT_S = 60.0
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_HTML = b"<html><body>Please log in to the guest network</body></html>"


class FaultyStore:
    """A context manager. From `fail` to `heal` a share of the responses fails; `failed` counts them.

    `unavailable` and `slow` affect all requests: a write may have succeeded and still get a 503. The other kinds affect
    successful reads of objects.
    """

    def __init__(self, upstream: str, seed: int) -> None:
        """Pass requests on to `upstream` (`host:port`)."""
        self.failed = 0
        self._failure: tuple[Failure, float, str] | None = None
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                store._handle(self, upstream)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.endpoint = f"127.0.0.1:{self._server.server_address[1]}"

    def fail(self, failure: Failure, share: float, part: str = "") -> None:
        """Make this share of the responses fail from now on; with `part`, only those to paths that contain it."""
        self._failure = (failure, share, part)

    def heal(self) -> None:
        """Forward everything unchanged."""
        self._failure = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handle(self, request: BaseHTTPRequestHandler, upstream: str) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        try:
            status, headers, content = _forward(request, body, upstream)
        except (OSError, http.client.HTTPException):
            request.close_connection = True
            return
        failure = self._draw(request, status)
        if failure == "slow":
            time.sleep(_DELAY_S)
        elif failure == "unavailable":
            status, headers = 503, []
        length = len(content)
        if failure is not None:
            content, length = _spoilt(failure, content)
        elif request.command == "HEAD":
            length = int(dict(headers).get("content-length", 0))
        request.close_connection |= len(content) < length and request.command != "HEAD"
        request.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    def _draw(self, request: BaseHTTPRequestHandler, status: int) -> Failure | None:
        with self._lock:
            if self._failure is None:
                return None
            failure, share, part = self._failure
            if self._random.random() >= share or part not in request.path:
                return None
            reads_object = request.command == "GET" and status == 200 and "?" not in request.path
            if failure not in {"unavailable", "slow"} and not reads_object:
                return None
            self.failed += 1
            return failure


def _forward(request: BaseHTTPRequestHandler, body: bytes, upstream: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body of the store's own response."""
    connection = http.client.HTTPConnection(upstream, timeout=_TIMEOUT_S)
    try:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read()
    finally:
        connection.close()


def _spoilt(failure: Failure, content: bytes) -> tuple[bytes, int]:
    """Return the body to send, and the value of Content-Length."""
    middle = len(content) // 2
    match failure:
        case "slow":
            return content, len(content)
        case "unavailable" | "empty":
            return b"", 0
        case "html":
            return _HTML, len(_HTML)
        case "truncated":
            return content[:middle], len(content)
        case "spoilt":
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], len(content)
