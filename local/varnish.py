"""Varnish in front of an edge, with the rules of deploy/cdn/varnish.vcl."""

import shutil
from pathlib import Path
from string import Template
from typing import ClassVar

from local.errors import ServerMissing
from local.ports import LOOPBACK, free_port
from local.probes import accepts_connections
from local.process import ChildProcess
from local.servers import log_path

_RULES = Path(__file__).resolve().parent.parent / "deploy" / "cdn" / "varnish.vcl"
_XKEY = "varnish/vmods/libvmod_xkey.so"


class Varnish:
    """One varnishd with its cache in memory; `edge` is `host:port`. Compiles its rules at each start (about 1 s)."""

    name: ClassVar[str] = "varnish"

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
            return "Varnish's rules are in deploy/cdn/varnish.vcl, which is not here: run from a checkout"
        if shutil.which("varnishd", path=_SBIN) is None:
            return "Varnish is not installed: apt-get install varnish varnish-modules"
        if not list(Path("/usr/lib").glob(f"*/{_XKEY}")) and not Path("/usr/lib", _XKEY).is_file():
            return "Varnish's module xkey is not installed: apt-get install varnish-modules"
        return None

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        folder = self._data_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        host, _, port = self._edge.rpartition(":")
        rules = folder / "rules.vcl"
        rules.write_text(
            Template(_RULES.read_text(encoding="utf-8")).safe_substitute(
                EDGE_HOST=host, EDGE_PORT=port, PURGE_TOKEN=self._purge_token
            ),
            encoding="utf-8",
        )
        self.process = ChildProcess(
            [
                str(shutil.which("varnishd", path=_SBIN)),
                "-F",
                *("-j", "none"),  # its own user could not enter a folder that is ours alone
                *("-a", f"{LOOPBACK}:{self._port}"),
                *("-f", rules),
                *("-n", folder / "work"),
                *("-s", "malloc,64m"),
                *("-p", "thread_pool_min=10"),
            ],
            name=self.name,
            log_file=log_path(self._data_dir, self.name),
        )
        self.process.wait_until_ready(lambda: accepts_connections(LOOPBACK, self._port))

    def stop(self) -> None:
        """Stop it; its cache is gone with it."""
        if self.process is not None:
            self.process.stop()


_SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/opt/homebrew/sbin"
"""Daemons are outside the PATH of ordinary users on Debian."""
