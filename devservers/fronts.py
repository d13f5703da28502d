"""What stands between browsers and edge nodes, as a child process: a program of the system's, with rules of deploy/."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Self

from bannerstream.devservers.errors import ServerMissing
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import accepts_connections
from bannerstream.devservers.server import START_TIMEOUT_S, started
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service

_DEPLOY = Path(__file__).resolve().parent.parent / "deploy"

_SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/opt/homebrew/sbin:/opt/homebrew/bin"
"""Daemons are outside the PATH of ordinary users on Debian."""


@dataclass(frozen=True)
class Program:
    """A program and the rules that it runs by."""

    name: str
    """Name of its folder and its log."""
    binary: str
    package: str
    """What `apt-get install` is to install."""
    rules: str
    """A file under deploy/, with `${NAMES}` to be filled in."""
    arguments: Callable[[Path, Path, str], Sequence[str | Path]]
    """From its folder, the rules as filled in and the address to listen on to the command line after the binary."""
    lacks: Callable[[], str | None] = lambda: None
    """Return what else is missing, or None."""

    def why_unavailable(self) -> str | None:
        """Return what is missing on this machine and how to get it, or None."""
        if not (_DEPLOY / self.rules).is_file():
            return f"deploy/{self.rules} is not here: run from a checkout"
        if self.found is None:
            return f"{self.binary} is not installed: apt-get install {self.package}"
        return self.lacks()

    @property
    def found(self) -> str | None:
        """Where the binary is, or None."""
        return shutil.which(self.binary, path=_SBIN)

    def filled_in(self, into: Path, **values: str | Path) -> Path:
        """Write the rules with these values and return where."""
        text = (_DEPLOY / self.rules).read_text(encoding="utf-8")
        into.write_text(Template(text).safe_substitute(values), encoding="utf-8")
        return into


class Front:
    """One running program, with its files under the data folder. `values` are filled into its rules.

    `LISTEN`, `CACHE_DIR` and `ACCESS_LOG` are known here.
    """

    def __init__(self, program: Program, data_dir: Path, **values: str) -> None:
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
            ServerMissing, ChildFailed: it is not installed, or does not take its rules.
        """
        program = self._program
        if (reason := program.why_unavailable()) is not None:
            raise ServerMissing(reason)
        folder = self._data_dir / program.name
        folder.mkdir(parents=True, exist_ok=True)
        address = f"{LOOPBACK}:{self._port}"
        own: dict[str, str | Path] = {"LISTEN": address, "CACHE_DIR": folder / "cache", "ACCESS_LOG": self.access_log}
        rules = program.filled_in(folder / "rules", **own, **self._values)
        service = Service(
            program.name,
            [str(program.found), *program.arguments(folder, rules, address)],
            is_ready=lambda: accepts_connections(LOOPBACK, self._port),
            ready_timeout_s=START_TIMEOUT_S,
        )
        self.process = started(service, self._data_dir)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
