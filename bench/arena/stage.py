"""What every benchmark needs around its measurements: a broker, where results go, and a word on how far it is."""

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
"""As Kafka's own start script has it: the broker shares the machine with what is measured."""

GROUPS_WAIT = {"group.initial.rebalance.delay.ms": "3000"}
"""Kafka's own default, which tests set to 0: a new group waits so long for the members that start with the first."""

Result = dict[str, object]
Report = Callable[[Result], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A broker that is up, and a folder that goes when the benchmark ends."""

    bootstrap: str
    topics: Topics
    folder: Path


@contextmanager
def staged(name: str, properties: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Run a broker, with these of its properties, while the block runs; leave the program if there can be none."""
    if (reason := ApacheKafka.why_unavailable()) is not None:
        sys.exit(reason)
    keep_byte_code()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{name}-") as scratch:
        kafka = ApacheKafka(Path(scratch), on_progress=tell, properties=properties, jvm=BROKER_JVM)
        kafka.start()
        try:
            yield Stage(kafka.bootstrap_servers, Topics(kafka.bootstrap_servers), Path(scratch))
        finally:
            kafka.stop()


def keep_byte_code() -> None:
    """Let every Python process that this one starts find its byte code, as one of an installed package does.

    Without it, a worker compiles all that it imports at each start, which takes twice its own processor time
    (`python -m bench start --no-bytecode`).
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(CACHE / "bytecode")


def parser(name: str, doc: str) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark understands."""
    made = argparse.ArgumentParser(
        prog=f"python -m bench {name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=int, default=3, help="3")
    made.add_argument("--quick", action="store_true", help="one small round: shows that it works, measures nothing")
    made.add_argument("--out", type=Path, help=f"a file to append to: bench/results/{name}.jsonl")
    return made


def reporting(out: Path | None) -> Report:
    """Return what prints a result as one JSON line, and appends it to `out`; tells the machine first."""

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
    """Return the numbers of `1000,200000`, as an option has them."""
    return tuple(int(each) for each in text.split(","))


def tell(progress: str) -> None:
    """Say how far it is."""
    print(progress, file=sys.stderr, flush=True)
