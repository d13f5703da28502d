"""Varnish as a cache in front of edge, with the rules of deploy/cdn/varnish.vcl."""

from collections.abc import Sequence
from pathlib import Path

from bannerstream.devservers.fronts import Front, Program

_XKEY = "varnish/vmods/libvmod_xkey.so"


def _arguments(folder: Path, rules: Path, address: str) -> Sequence[str | Path]:
    return [
        "-F",
        *("-j", "none"),  # its own user could not enter a folder that is ours alone
        *("-a", address),
        *("-f", rules),
        *("-n", folder / "work"),
        *("-s", "malloc,64m"),
        *("-p", "thread_pool_min=10"),
    ]


def _lacks() -> str | None:
    if not list(Path("/usr/lib").glob(f"*/{_XKEY}")) and not Path("/usr/lib", _XKEY).is_file():
        return "Varnish's module xkey is not installed: apt-get install varnish-modules"
    return None


_CACHE = Program("varnish", "varnishd", "varnish varnish-modules", "cdn/varnish.vcl", _arguments, _lacks)


def varnish_cache(data_dir: Path, edge: str, purge_token: str) -> Front:
    """Return a cache in memory in front of `edge`, `host:port`. Compiles its rules at each start (about 1 s)."""
    host, _, port = edge.rpartition(":")
    return Front(_CACHE, data_dir, EDGE_HOST=host, EDGE_PORT=port, PURGE_TOKEN=purge_token)
