"""A process that sends events at a steady rate, without waiting for acknowledgements: `python -m bench.arena.load …`.

Events are created beforehand, and their send times are fixed from the start. Prints a JSON line with the start, and one
at its end: the rate at which the brokers acknowledged, and the longest delay of an event.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from confluent_kafka import Producer

from bannerstream.service.child_process import ChildProcess
from bench.arena.deployment import CLICKS
from bench.arena.environments import REPOSITORY
from bench.arena.stage import Stage
from bench.arena.topics import CLIENT
from bench.arena.workload import Entry, Workload, draw, records

TICK_S = 0.002
LINGER_MS = 5
"""A shop's servers also fill small batches; the probes, whose latency is measured, do not linger."""
FELL_BEHIND = 0.98
"""Share of the intended rate; below it, a run counts as having failed to offer that rate."""

_MAKING_S = 120.0
"""Deadline for creating the events: 2.5 million take 8 s on a quiet machine."""
_AHEAD_S = 1.0
"""The first event is due this long after the load announces it, so that observers are ready by then."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The achieved rate of a load."""

    achieved_per_s: float
    late_ms: float
    """The longest delay between the due time of an event and its sending."""


class Load:
    """A context manager: sends `per_s` events a second of `users`, drawn uniformly, for `seconds` from `begins_at` on.

    The events have been created when the constructor returns, so that only sending them is left.
    """

    def __init__(self, stage: Stage, name: str, *, users: int, per_s: int, seconds: float) -> None:
        self._seconds = seconds
        options = {"bootstrap": stage.bootstrap, "users": users, "per-s": per_s, "seconds": seconds}
        self._process = ChildProcess(
            [sys.executable, "-m", "bench.arena.load", *(f"--{key}={value}" for key, value in options.items())],
            name=name,
            log_file=stage.folder / "logs" / f"{name}.log",
            folder=REPOSITORY,
        )
        self._process.wait_until_ready(self._has_begun, _MAKING_S)
        self.begins_at = self._printed_result()["begins_at"]

    def offered(self) -> Offered:
        """Wait for its end, and return what was sent.

        Raises:
            ChildFailed: it does not end.
            KeyError, ValueError: it failed; the reason is in its log.
        """
        self._process.wait(max(0.0, self.begins_at - time.time()) + self._seconds + 60)
        result = self._printed_result()
        return Offered(result["achieved_per_s"], result["late_ms"])

    def _has_begun(self) -> bool:
        return "begins_at" in self._process.log_tail(1)

    def _printed_result(self) -> dict[str, float]:
        result: dict[str, float] = json.loads(self._process.log_tail(1))
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()


def entries(users: int, per_s: int, seconds: float, begins_at: float) -> list[Entry]:
    """Return the events of a load that begins at about this time; an event's time is its due time."""
    workload = Workload(users, "uniform", round(per_s * seconds))
    begin_ms = round(begins_at * 1000)
    drawn = draw(workload, begin_ms)
    due = begin_ms + np.arange(workload.events) * 1000 // per_s
    return list(records(replace(drawn, time=due), users))


def offer(producer: Producer, events: Sequence[Entry], per_s: int, begins_at: float) -> Offered:
    """Send the events at their due times, and return once all are acknowledged."""
    sent, late = 0, 0.0
    while sent < len(events):
        now = time.time()
        due = min(len(events), int((now - begins_at) * per_s) + 1) if now >= begins_at else 0
        if due > sent:
            late = max(late, now - (begins_at + sent / per_s))
            batch = [{"key": key, "value": value, "partition": number} for key, value, number, _ in events[sent:due]]
            sent += producer.produce_batch(CLICKS, batch)
            producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()
    return Offered(round(len(events) / (time.time() - begins_at), 1), round(late * 1000, 1))


def main() -> None:
    """Create the events, send them, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.arena.load", description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--per-s", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    events = entries(options.users, options.per_s, options.seconds, time.time())
    gc.disable()  # there is no garbage, and a collection over millions of events takes a second
    producer = Producer(
        {
            **CLIENT,
            "bootstrap.servers": options.bootstrap,
            "acks": "all",
            "linger.ms": LINGER_MS,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
        }
    )
    producer.list_topics(CLICKS)  # to connect
    begins_at = time.time() + _AHEAD_S
    print(json.dumps({"begins_at": begins_at}), flush=True)
    print(json.dumps(asdict(offer(producer, events, options.per_s, begins_at))), flush=True)


if __name__ == "__main__":
    main()
