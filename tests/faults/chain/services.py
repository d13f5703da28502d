"""All services of the chain as processes that a scenario can kill: streams, generators, edge nodes, purgers."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from bannerstream.devservers.ports import LOOPBACK, free_ports
from bannerstream.devservers.probes import http_answers
from bannerstream.service.child_process import ChildProcess
from tests.faults.audit import Findings
from tests.support.waiting import until

SERVICES = {
    "streams-1": "streams",
    "generator-1": "generator",
    "generator-2": "generator",
    "edge-1": "edge",
    "edge-2": "edge",
    "purger-1": "purger",
    "purger-2": "purger",
}
"""Modules by name of the process."""

_COMMAND_TIMEOUT_S = 60.0
_ROOT = Path(__file__).parents[3]


class Services:
    """A context manager. A service that ends unexpectedly, without `kill` or `stop`, is a finding."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, findings: Findings, with_own_clock: Set[str] = frozenset()
    ) -> None:
        """Start nothing yet. The clocks of the services in `with_own_clock` can be shifted with `set_clock`."""
        self._with_own_clock = with_own_clock
        self._environment = environment
        self._folder = folder
        self.findings = findings
        self._running: dict[str, ChildProcess] = {}
        for name in with_own_clock:
            folder.mkdir(parents=True, exist_ok=True)
            self.set_clock(name, 0)
        self._ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))

    @property
    def edge_urls(self) -> list[str]:
        return [f"http://{LOOPBACK}:{self._ports[name]}" for name, module in SERVICES.items() if module == "edge"]

    @property
    def running(self) -> list[str]:
        return list(self._running)

    def start(self, name: str) -> None:
        """Start a service that does not run."""
        module = SERVICES[name]
        own = {"BANNERSTREAM_STREAMS__DATA_DIR": str(self._folder / name)}
        if module == "edge":
            own["BANNERSTREAM_EDGE__PORT"] = str(self._ports[name])
        self._running[name] = ChildProcess(
            [sys.executable, *self._program(name), "run", module],
            name=name,
            log_file=self._folder / f"{name}.log",
            environment={**self._environment, **own},
            folder=_ROOT,
        )

    def _program(self, name: str) -> list[str | Path]:
        if name in self._with_own_clock:
            return ["-m", "tests.faults.chain.shifted_clock", self._clock_of(name)]
        return ["-P", "-m", "bannerstream"]

    def set_clock(self, name: str, offset_s: int) -> None:
        """Shift the clock of a service of `with_own_clock`."""
        file = self._clock_of(name)
        scratch = file.with_suffix(".scratch")
        scratch.write_text(f"{offset_s:+d}\n")
        scratch.replace(file)

    def _clock_of(self, name: str) -> Path:
        return self._folder / f"{name}.clock"

    def start_all(self) -> None:
        for name in SERVICES:
            self.start(name)

    async def edges_listen(self) -> None:
        """Return once every edge node accepts connections."""
        for name, module in SERVICES.items():
            if module == "edge":
                port, process = self._ports[name], self._running[name]
                await until(partial(http_answers, LOOPBACK, port), process.log_tail)

    def run_command(self, *arguments: str) -> None:
        """Run a command of bannerstream to its end."""
        with ChildProcess(
            [sys.executable, "-P", "-m", "bannerstream", *arguments],
            name=arguments[0],
            log_file=self._folder / "commands.log",
            environment=self._environment,
        ) as command:
            if (status := command.wait(_COMMAND_TIMEOUT_S)) != 0:
                self._ended(command, status)

    def kill(self, name: str) -> None:
        """Send SIGKILL: the service neither commits nor leaves its group."""
        self.check()
        if (process := self._running.pop(name, None)) is not None:
            process.kill()

    async def stop(self, name: str) -> None:
        """Send SIGTERM; a status other than 0 is a finding."""
        process = self._running.pop(name)
        status = await asyncio.to_thread(process.stop, 30.0)
        # A service that was just started may still be importing; the signal then kills it.
        is_importing = status == -signal.SIGTERM and not process.log_tail(1)
        if status != 0 and not is_importing:
            self._ended(process, status)

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in list(self._running)))

    def check(self) -> None:
        """Record the services that ended unexpectedly."""
        for name, process in list(self._running.items()):
            if (status := process.poll()) is not None:
                del self._running[name]
                self._ended(process, status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running.values():
            process.kill()

    def _ended(self, process: ChildProcess, status: int) -> None:
        self.findings.add("crashed", f"{process.name} ended with {status}: {process.log_tail(3)}")
