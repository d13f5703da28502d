"""The metrics page of a service, for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.groups import ANY_ADDRESS


@contextmanager
def served_metrics(port: int, registry: CollectorRegistry, *, setting: str, host: str = ANY_ADDRESS) -> Iterator[None]:
    """Serve a registry at `/metrics` while the block runs; at port 0 nothing. `setting` is where the port was set.

    Raises:
        ConfigurationError: the port cannot be had, most often because another worker on this machine has it; or this
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
