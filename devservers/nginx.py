"""nginx in front of edge: as a cache (deploy/cdn/nginx.conf), or as the load balancer of nodes that share visitors."""

import os
from collections.abc import Sequence
from pathlib import Path

from bannerstream.devservers.fronts import Front, Program

# What Debian has around conf.d/, as far as a server needs it that owns nothing outside its folder.
_AROUND = """{user}
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
    include {rules};
}}
"""


def _arguments(folder: Path, rules: Path, _address: str) -> Sequence[str | Path]:
    around = folder / "nginx.conf"
    # Started by root, its workers would be somebody who may not enter a folder that is ours alone.
    user = "user root;" if os.geteuid() == 0 else ""
    around.write_text(_AROUND.format(user=user, folder=folder, rules=rules), encoding="utf-8")
    return ["-e", "stderr", "-p", folder, "-c", around, "-g", "daemon off;"]


_CACHE = Program("nginx", "nginx", "nginx-light", "cdn/nginx.conf", _arguments)
_SHARDS = Program("nginx-shards", "nginx", "nginx-light", "edge/shards.conf", _arguments)


def nginx_cache(data_dir: Path, edge: str, purge_token: str) -> Front:
    """Return a cache in front of `edge`, `host:port`. It stays on disk when it is stopped."""
    host, _, port = edge.rpartition(":")
    return Front(_CACHE, data_dir, EDGE_HOST=host, EDGE_PORT=port, PURGE_TOKEN=purge_token)


def nginx_shards(data_dir: Path, first: str, second: str) -> Front:
    """Return a load balancer of the two nodes `0/2` and `1/2`, each `host:port`."""
    return Front(_SHARDS, data_dir, EDGE_0=first, EDGE_1=second)
