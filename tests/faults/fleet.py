"""The workers of one run: started, struck, stopped and asked for their memory; none is left behind."""

import asyncio
import json
import os
import random
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from bannerstream.service.child_process import ChildProcess
from tests.faults.audit import Findings
from tests.faults.evidence import Memory
from tests.support.waiting import until

STOP_S = 15.0
"""What an orchestrator gives a worker to stop, at least."""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Strike:
    """At which of its own requests a worker strikes itself (see `tests.faults.dying_streams`)."""

    when: str
    nth: int
    signal: Literal["KILL", "STOP"] = "KILL"


class Worker:
    """`python -m bannerstream.streams` with a strike in it, if any; its memory can be asked for."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], strike: Strike | None) -> None:
        self._memory = folder / f"{name}.memory.json"
        self._is_folding = False
        ordered = [] if strike is None else [strike.when, str(strike.nth), strike.signal]
        self.process = ChildProcess(
            [sys.executable, "-m", "tests.faults.dying_streams", self._memory, *ordered],
            name=name,
            log_file=folder / f"{name}.log",
            environment=environment,
            folder=_ROOT,
        )

    @property
    def is_folding(self) -> bool:
        """Whether it has taken up its work, so that it handles signals by now."""
        if not self._is_folding:
            self._is_folding = "folding" in self.process.log_file.read_text(encoding="utf-8", errors="replace")
        return self._is_folding

    def recoveries(self) -> int:
        """Return how often it has recovered its partitions and gone on."""
        log = self.process.log_file.read_text(encoding="utf-8", errors="replace")
        return len(re.findall(r"folding \d+ partitions", log))

    def gave_up(self) -> bool:
        """Whether it has given up a write."""
        return "discarded unwritten states and effects" in self.process.log_file.read_text(
            encoding="utf-8", errors="replace"
        )

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it (Linux)."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] == "T"

    async def memory(self) -> Memory:
        """Ask for its packed states."""
        self.send(signal.SIGUSR1)
        await until(self._memory.exists, f"{self.process.name} writes its memory down")
        states_by_partition = json.loads(self._memory.read_text(encoding="utf-8"))
        self._memory.unlink()
        return {
            int(partition): {key: bytes.fromhex(packed) for key, packed in states.items()}
            for partition, states in states_by_partition.items()
        }


class Fleet:
    """A context manager. Whatever a worker does that nobody asked for becomes a finding."""

    def __init__(self, environment: Mapping[str, str], folder: Path, findings: Findings) -> None:
        self._environment = environment
        self._folder = folder
        self._findings = findings
        self._started = 0
        self.alive: list[Worker] = []

    def start(self, strike: Strike | None = None, *, bootstrap: str | None = None) -> Worker:
        """Start one more worker, on another bootstrap address if one is given."""
        self._started += 1
        environment = dict(self._environment)
        if bootstrap is not None:
            environment["BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS"] = bootstrap
        worker = Worker(f"worker-{self._started}", self._folder, environment, strike)
        self.alive.append(worker)
        return worker

    def is_any_folding(self) -> bool:
        """Whether somebody is at work."""
        return any(each.is_folding for each in self.alive)

    async def folding(self) -> None:
        """Return once every worker has taken up its work, or ended."""

        def all_do() -> bool:
            return all(each.is_folding or each.process.poll() is not None for each in self.alive)

        await until(all_do, "the workers take up their work")

    def pick(self, random_: random.Random) -> Worker:
        return random_.choice(self.alive)

    def kill(self, worker: Worker) -> None:
        """SIGKILL: no goodbye, no commit."""
        self.check()
        if worker in self.alive:
            self.alive.remove(worker)
            worker.process.kill()

    async def leave(self, worker: Worker) -> None:
        """SIGTERM: it finishes, commits and leaves, with status 0 and in time."""
        self.alive.remove(worker)
        handles_it = worker.is_folding
        status = await asyncio.to_thread(worker.process.stop, STOP_S)
        # One that was started last may still be importing, and dies of the signal instead of handling it.
        if status != 0 and (handles_it or status != -signal.SIGTERM):
            self._crashed(worker, f"asked to stop, it ended with {status}")

    def died(self, worker: Worker) -> bool:
        """Return whether the worker has struck itself dead by now; anything else that ended it is a finding."""
        status = worker.process.poll()
        if status is None:
            return False
        self.alive.remove(worker)
        if status != -signal.SIGKILL:
            self._crashed(worker, f"it ended with {status}")
        worker.process.kill()
        return True

    def check(self) -> None:
        """Note which workers ended by themselves."""
        for worker in list(self.alive):
            if (status := worker.process.poll()) is not None:
                self.alive.remove(worker)
                self._crashed(worker, f"it ended with {status}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self.alive:
            worker.process.kill()

    def _crashed(self, worker: Worker, how: str) -> None:
        self._findings.add("crashed", f"{worker.process.name}: {how}: {worker.process.log_tail(3)}")
