"""An OAuth token endpoint on loopback: client credentials, as RFC 6749 has it in 4.4."""

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class TokenEndpoint:
    """Gives tokens to clients that know their secret. `make(client, life_s)` signs one."""

    def __init__(self, secrets: dict[str, str], make: Callable[[str, int], str]) -> None:
        self.secrets = secrets
        self.make = make
        self.life_s = 3600
        self.issued: list[tuple[str, float]] = []
        """Client and time of each token, in order."""
        self.away = False
        """Whether it answers 503."""
        self.forms: list[dict[str, str]] = []
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator["TokenEndpoint"]:
        """Serve while the block runs."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/oauth2/token"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, authorization: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        """Return status and body of one request."""
        self.forms.append(form)
        if self.away:
            return 503, {"error": "temporarily_unavailable"}
        user, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        client = urllib.parse.unquote_plus(user)
        if self.secrets.get(client) != urllib.parse.unquote_plus(secret):
            return 401, {"error": "invalid_client", "error_description": "no client with this secret"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        self.issued.append((client, time.time()))
        token = self.make(client, self.life_s)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.life_s}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
                status, answer = endpoint.answer(self.headers.get("Authorization", ""), form)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler
