"""The workers of one run: starts, kills and stops them, and reads their memory. All have ended at its end."""

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
"""The shortest time that an orchestrator gives a worker to stop."""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Strike:
    """The request at which a worker sends itself a signal (see `tests.faults.dying_streams`)."""

    when: str
    nth: int
    signal: Literal["KILL", "STOP"] = "KILL"


class Worker:
    """`python -m bannerstream.streams` with an optional strike; it can write its states in memory to a file."""

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
        """Whether it has begun to fold, so that it handles signals by now."""
        if not self._is_folding:
            self._is_folding = "folding" in self.process.log_file.read_text(encoding="utf-8", errors="replace")
        return self._is_folding

    def recoveries(self) -> int:
        """Return how often it has recovered partitions and begun to fold."""
        log = self.process.log_file.read_text(encoding="utf-8", errors="replace")
        return len(re.findall(r"folding \d+ partitions", log))

    def gave_up(self) -> bool:
        """Whether it has discarded a write."""
        return "discarded unwritten states and effects" in self.process.log_file.read_text(
            encoding="utf-8", errors="replace"
        )

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def is_stopped(self) -> bool:
        """Whether it is stopped by SIGSTOP (Linux)."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] == "T"

    async def memory(self) -> Memory:
        """Have it write its packed states to a file, and return them."""
        self.send(signal.SIGUSR1)
        await until(self._memory.exists, f"{self.process.name} writes its memory down")
        states_by_partition = json.loads(self._memory.read_text(encoding="utf-8"))
        self._memory.unlink()
        return {
            int(partition): {key: bytes.fromhex(packed) for key, packed in states.items()}
            for partition, states in states_by_partition.items()
        }


class Fleet:
    """A context manager. A worker that ends unexpectedly becomes a finding."""

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
        """Whether any worker folds."""
        return any(worker.is_folding for worker in self.alive)

    async def folding(self) -> None:
        """Return once every worker has begun to fold, or ended."""

        def all_do() -> bool:
            return all(worker.is_folding or worker.process.poll() is not None for worker in self.alive)

        await until(all_do, "the workers take up their work")

    def pick(self, random_: random.Random) -> Worker:
        return random_.choice(self.alive)

    def kill(self, worker: Worker) -> None:
        """Send SIGKILL: the worker neither commits nor leaves its group."""
        self.check()
        if worker in self.alive:
            self.alive.remove(worker)
            worker.process.kill()

    async def leave(self, worker: Worker) -> None:
        """Send SIGTERM; the worker has to finish, commit and leave the group in time, with status 0."""
        self.alive.remove(worker)
        handles_it = worker.is_folding
        status = await asyncio.to_thread(worker.process.stop, STOP_S)
        # A worker that was just started may still be importing; the signal then kills it.
        if status != 0 and (handles_it or status != -signal.SIGTERM):
            self._crashed(worker, f"after SIGTERM it ended with {status}")

    def died(self, worker: Worker) -> bool:
        """Return whether the worker has ended; if not by its own SIGKILL, that is a finding."""
        status = worker.process.poll()
        if status is None:
            return False
        self.alive.remove(worker)
        if status != -signal.SIGKILL:
            self._crashed(worker, f"it ended with {status}")
        worker.process.kill()
        return True

    def check(self) -> None:
        """Record the workers that ended unexpectedly."""
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
