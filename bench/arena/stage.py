"""The common frame of the benchmarks: a broker, options, the output of results, and progress messages."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bannerstream.devservers.kafka_apache import ApacheKafka
from bench.arena.environments import CACHE
from bench.arena.machine import machine
from bench.arena.topics import Topics

BROKER_JVM = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
"""As in Kafka's own start script, because the broker shares the machine with the measured system."""

GROUPS_WAIT = {"group.initial.rebalance.delay.ms": "3000"}
"""Kafka's own default, which tests set to 0: a new group waits so long for the members that start with the first."""

Result = dict[str, object]
Report = Callable[[Result], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A running broker, and a folder that is removed when the benchmark ends."""

    bootstrap: str
    topics: Topics
    folder: Path


@contextmanager
def staged(name: str, properties: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Run a broker with these properties while the block runs; exit the program if it is unavailable."""
    if (reason := ApacheKafka.why_unavailable()) is not None:
        sys.exit(reason)
    keep_byte_code()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{name}-") as scratch:
        kafka = ApacheKafka(Path(scratch), on_progress=print_progress, properties=properties, jvm=BROKER_JVM)
        kafka.start()
        try:
            yield Stage(kafka.bootstrap_servers, Topics(kafka.bootstrap_servers), Path(scratch))
        finally:
            kafka.stop()


def keep_byte_code() -> None:
    """Have all Python children write and use cached byte code, like an installed package.

    Otherwise a worker compiles its imports at each start, which takes twice its own processor time
    (`python -m bench start --no-bytecode`).
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(CACHE / "bytecode")


def parser(name: str, doc: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    options = argparse.ArgumentParser(
        prog=f"python -m bench {name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=3, help="number of rounds (default %(default)s)")
    options.add_argument("--quick", action="store_true", help="one small round: a smoke test, not a measurement")
    options.add_argument("--out", type=Path, help=f"append the results to this file, e.g. bench/results/{name}.jsonl")
    return options


def reporting(out: Path | None) -> Report:
    """Return a function that prints a result as one JSON line and appends it to `out`; report the machine first."""

    def report(result: Result) -> None:
        line = json.dumps(result)
        print(line, flush=True)
        if out is not None:
            with out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    report(machine())
    return report


def in_turn(systems: Sequence[T], number: int) -> Sequence[T]:
    """Return the systems in the order of a round: each round begins with another one."""
    turn = number % len(systems)
    return [*systems[turn:], *systems[:turn]]


def numbers(text: str) -> tuple[int, ...]:
    """Parse an option such as `1000,200000`."""
    return tuple(int(part) for part in text.split(","))


def print_progress(message: str) -> None:
    """Print a message about the progress to standard error."""
    print(message, file=sys.stderr, flush=True)
