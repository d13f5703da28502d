"""A loopback HTTP server with scripted S3 responses, for faults that real servers do not produce on demand."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Response = tuple[int, str, bytes]
"""Status, content type, body."""


def s3_error(status: int, code: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>scripted</Message><Resource>/</Resource></Error>"
    return status, "application/xml", body.encode()


class ScriptedServer:
    """Responds to each request with the return value of `script(method, path)`, and records the requests.

    None means no response until the server stops.
    """

    def __init__(self) -> None:
        self.script: Callable[[str, str], Response | None] = lambda method, path: s3_error(404, "NoSuchKey")
        self.requests: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        """Sent with every answer that is not an error."""
        self.cut_short = False
        """Each body ends before the length that its head announces."""
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                server.requests.append((self.command, self.path))
                scripted = server.script(self.command, self.path)
                if scripted is None:
                    server.released.wait(30)
                    self.close_connection = True
                    return
                status, content_type, body = scripted
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body) + server.cut_short))
                for name, value in server.headers.items() if status < 300 else ():
                    self.send_header(name, value)
                self.end_headers()
                self.close_connection = server.cut_short
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_HEAD = respond  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
