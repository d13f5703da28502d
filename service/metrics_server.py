"""A service's metrics page for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.groups import ANY_ADDRESS


@contextmanager
def served_metrics(port: int, registry: CollectorRegistry, *, setting: str, host: str = ANY_ADDRESS) -> Iterator[None]:
    """Serve a registry at `/metrics` while the block runs; port 0 serves nothing. `setting` is named in the error.

    Raises:
        ConfigurationError: the port cannot be bound, most often because another worker on this machine uses it; or this
            machine does not have the address.
    """
    if not port:
        yield
        return
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: port {port} of {host} cannot be listened on ({error.strerror}); set another port, or 0 for no "
            f"metrics, or another address by {setting.removesuffix('port')}host"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
