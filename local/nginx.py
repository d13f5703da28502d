"""nginx in front of an edge, with the rules of deploy/cdn/nginx.conf."""

import os
import shutil
from pathlib import Path
from string import Template
from typing import ClassVar

from local.errors import ServerMissing
from local.ports import LOOPBACK, free_port
from local.probes import accepts_connections
from local.process import ChildProcess
from local.servers import log_path

_RULES = Path(__file__).resolve().parent.parent / "deploy" / "cdn" / "nginx.conf"

# What Debian has around conf.d/, as far as a server needs it that owns nothing outside its folder.
_AROUND = """{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {rules};
}}
"""


class Nginx:
    """One nginx with its cache under the data folder; `edge` is `host:port`."""

    name: ClassVar[str] = "nginx"

    def __init__(self, data_dir: Path, edge: str, purge_token: str, port: int | None = None) -> None:
        self._data_dir = data_dir.resolve()
        self._edge = edge
        self._purge_token = purge_token
        self._port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self._port}"
        self.process: ChildProcess | None = None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        if not _RULES.is_file():
            return "nginx's rules are in deploy/cdn/nginx.conf, which is not here: run from a checkout"
        if shutil.which("nginx", path=_SBIN) is None:
            return "nginx is not installed: apt-get install nginx-light"
        return None

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        folder = self._data_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        host, _, port = self._edge.rpartition(":")
        rules, around = folder / "bannerstream.conf", folder / "nginx.conf"
        rules.write_text(
            Template(_RULES.read_text(encoding="utf-8")).safe_substitute(
                LISTEN=f"{LOOPBACK}:{self._port}",
                EDGE_HOST=host,
                EDGE_PORT=port,
                PURGE_TOKEN=self._purge_token,
                CACHE_DIR=folder / "cache",
            ),
            encoding="utf-8",
        )
        # Started by root, its workers would be somebody who may not enter a folder that is ours alone.
        user = "user root;" if os.geteuid() == 0 else ""
        around.write_text(_AROUND.format(user=user, folder=folder, rules=rules), encoding="utf-8")
        self.process = ChildProcess(
            [str(shutil.which("nginx", path=_SBIN)), "-e", "stderr", "-p", folder, "-c", around, "-g", "daemon off;"],
            name=self.name,
            log_file=log_path(self._data_dir, self.name),
        )
        self.process.wait_until_ready(lambda: accepts_connections(LOOPBACK, self._port))

    def stop(self) -> None:
        """Stop it; its cache stays."""
        if self.process is not None:
            self.process.stop()


_SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/opt/homebrew/bin"
"""Daemons are outside the PATH of ordinary users on Debian."""
