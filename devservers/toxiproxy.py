"""Toxiproxy (Shopify/toxiproxy, v2): a TCP proxy on loopback that cuts, delays and throttles connections on request."""

import http.client
import json
from pathlib import Path
from typing import ClassVar, Literal

from bannerstream.devservers.errors import ServerFailed
from bannerstream.devservers.go_tools import GoTool
from bannerstream.devservers.ports import LOOPBACK, free_ports
from bannerstream.devservers.probes import http_answers
from bannerstream.devservers.server import START_TIMEOUT_S, Progress, no_progress, start_server
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service

# The newest version that the Go module proxy has under this module path.
_TOOL = GoTool("toxiproxy-server", "github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0", build_time="half a minute")
_PROXY = "upstream"
_TIMEOUT_S = 10.0

Toxic = Literal["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]
Stream = Literal["upstream", "downstream"]


class Toxiproxy:
    """One proxy in front of one upstream. Its port is known before it starts, because a broker has to advertise it."""

    name: ClassVar[str] = "toxiproxy"

    def __init__(self, data_dir: Path, on_progress: Progress = no_progress) -> None:
        self._data_dir = data_dir.resolve()
        self._on_progress = on_progress
        self._api_port, self.port = free_ports(2)
        self.address = f"{LOOPBACK}:{self.port}"
        self.process: ChildProcess | None = None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        return _TOOL.why_unavailable()

    @staticmethod
    def prepare(on_progress: Progress) -> None:
        """Build it if necessary."""
        _TOOL.program(on_progress)

    def start(self, upstream: str) -> None:
        """Build it if necessary, start it, and forward its port to `upstream` (host:port).

        Raises:
            ServerMissing, ServerFailed, ChildFailed: it is not installed and cannot be built, or it did not start.
        """
        service = Service(
            self.name,
            [_TOOL.program(self._on_progress), "-host", LOOPBACK, "-port", str(self._api_port)],
            is_ready=lambda: http_answers(LOOPBACK, self._api_port),
            ready_timeout_s=START_TIMEOUT_S,
        )
        self.process = start_server(service, self._data_dir)
        self._request(
            "POST", "/proxies", {"name": _PROXY, "listen": self.address, "upstream": upstream, "enabled": True}
        )

    def stop(self) -> None:
        """Stop it, which closes every connection through it."""
        if self.process is not None:
            self.process.stop()

    def cut(self) -> None:
        """Close every connection and refuse new ones, until `heal`."""
        self._request("POST", f"/proxies/{_PROXY}", {"enabled": False})

    def add(self, toxic: Toxic, stream: Stream = "downstream", **attributes: int) -> None:
        """Add a toxic to one direction of every connection; `attributes` are those of Toxiproxy's documentation."""
        self._request("POST", f"/proxies/{_PROXY}/toxics", {"type": toxic, "stream": stream, "attributes": attributes})

    def heal(self) -> None:
        """Remove every toxic and accept connections again."""
        self._request("POST", "/reset")

    def _request(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self._api_port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            reason = response.read().decode(errors="replace")
        except OSError as error:
            raise ServerFailed(f"toxiproxy does not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ServerFailed(f"toxiproxy rejected {method} {path}: {response.status} {reason}")
