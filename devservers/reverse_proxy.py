"""Reverse proxies between browsers and edge nodes, as child processes: system programs configured from deploy/."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Self

from bannerstream.devservers.errors import ServerMissing
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import accepts_connections
from bannerstream.devservers.server import START_TIMEOUT_S, start_server
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service

_DEPLOY = Path(__file__).resolve().parent.parent / "deploy"

_SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/opt/homebrew/sbin:/opt/homebrew/bin"
"""On Debian, daemons are not on the PATH of ordinary users."""


@dataclass(frozen=True)
class ProxyProgram:
    """A program and its configuration file."""

    name: str
    """Name of its folder and its log."""
    binary: str
    package: str
    """Arguments for `apt-get install`."""
    config: str
    """A file under deploy/ with `${NAMES}` to be substituted."""
    arguments: Callable[[Path, Path, str], Sequence[str | Path]]
    """Maps (data folder, rendered configuration, listen address) to the arguments after the binary."""
    missing_module: Callable[[], str | None] = lambda: None
    """Returns what else has to be installed, or None."""

    def why_unavailable(self) -> str | None:
        """Return what is missing on this machine and how to get it, or None."""
        if not (_DEPLOY / self.config).is_file():
            return f"deploy/{self.config} is not here: run from a checkout"
        if self.path is None:
            return f"{self.binary} is not installed: apt-get install {self.package}"
        return self.missing_module()

    @property
    def path(self) -> str | None:
        """The path of the binary, or None."""
        return shutil.which(self.binary, path=_SBIN)

    def render_config(self, into: Path, **values: str | Path) -> Path:
        """Substitute these values in the configuration, write it to `into` and return that path."""
        text = (_DEPLOY / self.config).read_text(encoding="utf-8")
        into.write_text(Template(text).safe_substitute(values), encoding="utf-8")
        return into


class ReverseProxy:
    """One running program with its files in the data folder.

    `values` are substituted in its configuration, beside `LISTEN`, `CACHE_DIR` and `ACCESS_LOG`, which are set here.
    """

    def __init__(self, program: ProxyProgram, data_dir: Path, **values: str) -> None:
        self._program = program
        self._data_dir = data_dir.resolve()
        self._values = values
        self._port = free_port()
        self.url = f"http://{LOOPBACK}:{self._port}"
        self.access_log = self._data_dir / program.name / "access.log"
        self.process: ChildProcess | None = None

    def why_unavailable(self) -> str | None:
        """Return what is missing on this machine, or None."""
        return self._program.why_unavailable()

    def start(self) -> None:
        """Start it and return when it accepts connections.

        Raises:
            ServerMissing: the program is not installed.
            ChildFailed: it did not start, for example because it rejects its configuration.
        """
        program = self._program
        if (reason := program.why_unavailable()) is not None:
            raise ServerMissing(reason)
        folder = self._data_dir / program.name
        folder.mkdir(parents=True, exist_ok=True)
        address = f"{LOOPBACK}:{self._port}"
        own: dict[str, str | Path] = {"LISTEN": address, "CACHE_DIR": folder / "cache", "ACCESS_LOG": self.access_log}
        config = program.render_config(folder / "config", **own, **self._values)
        service = Service(
            program.name,
            [str(program.path), *program.arguments(folder, config, address)],
            is_ready=lambda: accepts_connections(LOOPBACK, self._port),
            ready_timeout_s=START_TIMEOUT_S,
        )
        self.process = start_server(service, self._data_dir)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
