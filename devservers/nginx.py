"""nginx in front of edge: as a cache (deploy/cdn/nginx.conf), or as a load balancer of shards (deploy/edge)."""

import os
from collections.abc import Sequence
from pathlib import Path

from bannerstream.devservers.reverse_proxy import ProxyProgram, ReverseProxy

# The parts of Debian's nginx.conf that include conf.d/, reduced to a server that writes to its own folder only.
_MAIN_CONFIG = """{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {config};
}}
"""


def _arguments(folder: Path, config: Path, _address: str) -> Sequence[str | Path]:
    main_config = folder / "nginx.conf"
    # When root starts nginx, its workers run as another user, who cannot read a folder that only root may enter.
    user = "user root;" if os.geteuid() == 0 else ""
    main_config.write_text(_MAIN_CONFIG.format(user=user, folder=folder, config=config), encoding="utf-8")
    return ["-e", "stderr", "-p", folder, "-c", main_config, "-g", "daemon off;"]


_CACHE = ProxyProgram("nginx", "nginx", "nginx-light", "cdn/nginx.conf", _arguments)
_SHARDS = ProxyProgram("nginx-shards", "nginx", "nginx-light", "edge/shards.conf", _arguments)


def nginx_cache(data_dir: Path, edge: str, purge_token: str) -> ReverseProxy:
    """Return a cache in front of `edge` (`host:port`). The cache stays on disk when the server stops."""
    host, _, port = edge.rpartition(":")
    return ReverseProxy(_CACHE, data_dir, EDGE_HOST=host, EDGE_PORT=port, PURGE_TOKEN=purge_token)


def nginx_shards(data_dir: Path, first: str, second: str) -> ReverseProxy:
    """Return a load balancer of the shards `0/2` and `1/2`, given as `host:port`."""
    return ReverseProxy(_SHARDS, data_dir, EDGE_0=first, EDGE_1=second)
