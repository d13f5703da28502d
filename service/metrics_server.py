"""A service's metrics page for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from bannerstream.contracts.errors import ConfigurationError


@contextmanager
def served_metrics(port: int, registry: CollectorRegistry, *, setting: str) -> Iterator[None]:
    """Serve a registry at `/metrics` while the block runs; port 0 serves nothing. `setting` is named in the error.

    Raises:
        ConfigurationError: the port cannot be bound, most often because another worker on this machine uses it.
    """
    if not port:
        yield
        return
    try:
        server, _ = start_http_server(port, registry=registry)
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: port {port} cannot be listened on ({error.strerror}); set another, or 0 for no metrics"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
