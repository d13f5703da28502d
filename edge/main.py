"""Runs an edge node as a process."""

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.edge.app import create_app
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.protocol import LimitedHttpProtocol, RepeatedWarnings
from bannerstream.service.compat import overrides_private
from bannerstream.service.metrics_server import served_metrics
from bannerstream.settings import EdgeSettings, Settings
from bannerstream.storage import S3BannerStore, StorageMetrics

_log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 5
"""How long a stop waits for requests in progress; live streams are closed at once."""

BACKLOG = 2048
"""Connections that the kernel queues: after a restart, all of a shop's visitors reconnect at once."""


def run(settings: Settings, extend: Callable[[FastAPI, EdgeNode], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then close live streams, finish requests and write waiting records.

    `extend` may add routes to the application before it serves; the demo adds its shop.

    Raises:
        ConfigurationError: a setting is invalid, the port is in use, or the brokers refuse this node from its start.
    """
    registry = CollectorRegistry()
    ours = settings.edge
    with (
        closing(S3BannerStore(settings.storage, metrics=StorageMetrics(registry))) as store,
        closing(listening_socket(ours)) as listener,
        served_metrics(ours.metrics_port, registry, setting="edge.metrics_port", host=ours.metrics_host),
    ):
        edge = EdgeNode(settings, store, registry)
        app = create_app(edge)
        if extend is not None:
            extend(app, edge)
        server = EdgeServer(edge, app)
        host, port = listener.getsockname()[:2]
        _log.info("serving", host=host, port=port, shard=ours.shard)
        server.run(sockets=[listener])
        if edge.refused is not None:
            raise edge.refused
        _log.info("stopped")


class EdgeServer(uvicorn.Server):
    """uvicorn's server of one node."""

    def __init__(self, edge: EdgeNode, app: FastAPI) -> None:
        super().__init__(_config(edge, app))
        logging.getLogger("uvicorn.error").addFilter(RepeatedWarnings())
        self._edge = edge
        edge.on_refused = self._end

    def _end(self) -> None:
        self.should_exit = True

    @overrides_private("uvicorn:Server.shutdown", "9f8a90ed456d")
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the live streams first: uvicorn waits for every request to end, and these never do."""
        self._edge.hub.close_all()
        await super().shutdown(sockets)

    @overrides_private("uvicorn:Server.capture_signals", "85d29b580603")
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT. uvicorn's version raises the signal again at the end: no exit code 0."""
        before = {signum: signal.signal(signum, self.handle_exit) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def _config(edge: EdgeNode, app: FastAPI) -> uvicorn.Config:
    settings = edge.settings.edge
    return uvicorn.Config(
        app,
        http=type(
            "EdgeProtocol",
            (LimitedHttpProtocol,),
            {"head_timeout_s": settings.request_timeout_s, "send_timeout_s": settings.send_timeout_s},
        ),
        ws="none",
        log_config=None,
        access_log=False,  # URLs may hold tokens
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )


def listening_socket(settings: EdgeSettings) -> socket.socket:
    """Return the socket that the node listens on.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"edge.host, edge.port: {settings.host}:{settings.port} cannot be listened on ({error.strerror}); "
            "set another, for example edge.port = 8081"
        ) from error
    # Connections inherit it. Without uvloop nothing else sets it, and each response waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
