"""Varnish as a cache in front of edge, configured by deploy/cdn/varnish.vcl."""

from collections.abc import Sequence
from pathlib import Path

from bannerstream.devservers.reverse_proxy import ProxyProgram, ReverseProxy

_XKEY = "varnish/vmods/libvmod_xkey.so"


def _arguments(folder: Path, config: Path, address: str) -> Sequence[str | Path]:
    return [
        "-F",
        *("-j", "none"),  # without a jail: its own user could not read our data folder
        *("-a", address),
        *("-f", config),
        *("-n", folder / "work"),
        *("-s", "malloc,64m"),
        *("-p", "thread_pool_min=10"),
    ]


def _missing_module() -> str | None:
    if not list(Path("/usr/lib").glob(f"*/{_XKEY}")) and not Path("/usr/lib", _XKEY).is_file():
        return "Varnish's module xkey is not installed: apt-get install varnish-modules"
    return None


_CACHE = ProxyProgram("varnish", "varnishd", "varnish varnish-modules", "cdn/varnish.vcl", _arguments, _missing_module)


def varnish_cache(data_dir: Path, edge: str, purge_token: str) -> ReverseProxy:
    """Return a cache in memory in front of `edge` (`host:port`). It compiles its VCL at each start (about 1 s)."""
    host, _, port = edge.rpartition(":")
    return ReverseProxy(_CACHE, data_dir, EDGE_HOST=host, EDGE_PORT=port, PURGE_TOKEN=purge_token)
