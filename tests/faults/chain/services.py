"""Every service of the chain as a process that can be struck: streams, generators, edge nodes, purgers."""

import asyncio
import signal
import sys
from collections.abc import Mapping
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
"""Names, each with the module that it runs."""


class Services:
    """A context manager. A service that ends by itself is a finding; `kill`, `stop` and `start` are the scenario's."""

    def __init__(self, environment: Mapping[str, str], folder: Path, findings: Findings) -> None:
        self._environment = environment
        self._folder = folder
        self.findings = findings
        self._running: dict[str, ChildProcess] = {}
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
            [sys.executable, "-P", "-m", "bannerstream", "run", module],
            name=name,
            log_file=self._folder / f"{name}.log",
            environment={**self._environment, **own},
        )

    def start_all(self) -> None:
        for name in SERVICES:
            self.start(name)

    async def edges_listen(self) -> None:
        """Return once every edge node accepts connections."""
        for name, module in SERVICES.items():
            if module == "edge":
                port, process = self._ports[name], self._running[name]
                await until(partial(http_answers, LOOPBACK, port), process.log_tail)

    def kill(self, name: str) -> None:
        """SIGKILL: no goodbye, no commit."""
        self.check()
        if (process := self._running.pop(name, None)) is not None:
            process.kill()

    async def stop(self, name: str) -> None:
        """SIGTERM; anything but an orderly end is a finding."""
        process = self._running.pop(name)
        status = await asyncio.to_thread(process.stop, 30.0)
        # One that was started last may still be importing, and dies of the signal instead of handling it.
        is_importing = status == -signal.SIGTERM and not process.log_tail(1)
        if status != 0 and not is_importing:
            self._ended(process, status)

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in list(self._running)))

    def check(self) -> None:
        """Note which services ended by themselves."""
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
