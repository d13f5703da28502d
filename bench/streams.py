"""Throughput compared with peers: `python -m bench streams --systems bannerstream,kafka-streams --users 1000,200000`.

The same work (bench/peers/README.md) in each system, on events that lie in a real Kafka, common work and whole work on
the same number of them. Every user comes once before them; the clock runs from the commit of these first visits to the
last commit, so neither a system's start nor its first sight of a user counts. Systems alternate round by round. Each
result is compared with an offline computation from the topic: a wrong one is marked `"correct": false`. Prints one JSON
line per system, setting and round; progress goes to standard error.

    python -m bench streams --systems kafka-streams,confluent --users 200000 --events 3000000
    python -m bench streams --systems bannerstream --work full
    python -m bench streams --quick      (every system and setting, once)
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

if __name__ == "__main__":  # `python bench/streams.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.service.child_process import ChildProcess
from bench.arena.contenders import FEW_EVENTS, SETTINGS, SYSTEMS, Contender, Place, contenders
from bench.arena.environments import BuildFailed
from bench.arena.expected import Expected, expected_states
from bench.arena.shop import write_table
from bench.arena.stage import GROUPS_WAIT, Result, Stage, in_turn, numbers, parser, print_progress, reporting, staged
from bench.arena.timing import RunFailed, time_run
from bench.arena.workload import DISTRIBUTIONS, PARTITIONS, Workload, first_visits_by_partition, preload

WORKS = ("common", "full")


class Arena:
    """Runs one system after the other on one broker, and keeps the table and the workloads that were written."""

    def __init__(self, stage: Stage, limit_s: float) -> None:
        self._bootstrap, self._topics, self._folder = stage.bootstrap, stage.topics, stage.folder
        self._limit_s = limit_s
        self._table = self._folder / "table.json"
        write_table(self._table, landmark_ms=time.time_ns() // 1_000_000)
        self._expected: dict[Workload, Expected] = {}
        self._runs = 0

    def run(self, contender: Contender, workload: Workload) -> Result:
        """Run a system and return its measurements, and whether its states are right."""
        expected = self._expected_of(workload)
        self._runs += 1
        app = f"bench-{self._runs}-{contender.system}-{contender.setting}"
        place = Place(self._bootstrap, workload.topic, app, self._table, self._folder / app)
        place.folder.mkdir()
        before = self._topics.names()
        environment = place.environment() | dict(contender.environment) | dict(contender.prepare(place))
        changelog = contender.changelog.format(app=app, topic=workload.topic)
        progress = contender.progress(self._topics, app, workload.topic, changelog)
        processes = [
            ChildProcess(
                contender.command(),
                name=str(contender),
                log_file=self._folder / "logs" / f"{app}-{number}.log",
                environment=environment,
                folder=place.folder,
            )
            for number in range(contender.processes)
        ]
        try:
            warm = first_visits_by_partition(workload.users) if workload.warm else None
            timing = time_run(processes, progress, self._topics.ends(workload.topic), self._limit_s, warm)
        finally:
            for process in processes:
                process.kill()  # its writes are acknowledged and its offsets committed
            progress.close()
        difference = contender.audit(self._topics, changelog, expected)
        written = sum(self._topics.ends(changelog))
        self._topics.delete(sorted(self._topics.names() - before))
        if difference is not None:
            print_progress(f"WRONG: {contender} on {workload}: {difference}")
        return {
            "events_per_s": round(timing.events / timing.seconds),
            "measured_events": timing.events,
            "cpu_us_per_event": round(timing.cpu_s / timing.events * 1e6, 2),
            "changelog_records": written,
            "correct": difference is None,
            "seconds": round(timing.seconds, 3),
            "cpu_s": round(timing.cpu_s, 2),
            "rss_mb": timing.rss_mb,
        }

    def forget_events(self) -> None:
        """Delete the events that were written, once all their runs are done."""
        self._topics.delete([workload.topic for workload in self._expected])
        self._expected.clear()

    def _expected_of(self, workload: Workload) -> Expected:
        """Return the expected states of a workload; write its events the first time."""
        if workload not in self._expected:
            print_progress(f"writing {workload.events} events of {workload.users} users ({workload.distribution})")
            self._topics.create(workload.topic, PARTITIONS)
            preload(self._bootstrap, workload)
            self._expected[workload] = expected_states(self._topics, workload.topic, self._table)
        return self._expected[workload]


def measure(arena: Arena, workload: Workload, chosen: Sequence[Contender], rounds: int) -> Iterator[Result]:
    """Yield the result of each system, round by round; each round begins with a different system."""
    for number in range(rounds):
        for contender in in_turn(chosen, number):
            fewer = min(workload.events, contender.most_events or workload.events)
            load = replace(workload, events=fewer)
            line: Result = {
                "bench": "streams",
                "system": contender.system,
                "setting": contender.setting,
                "work": contender.work,
                "users": load.users,
                "distribution": load.distribution,
                "round": number + 1,
                "events": load.events,
                "warm": load.warm,
            }
            print_progress(f"round {number + 1} of {rounds}: {contender}")
            try:
                yield line | arena.run(contender, load)
            except RunFailed as error:
                print_progress(f"FAILED: {contender} on {load}: {error}")
                yield line | {"events_per_s": None, "changelog_records": None, "correct": False}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = _options(arguments)
    chosen = contenders(options.systems, options.work, options.settings)
    if not chosen:
        sys.exit("no system matches --systems, --work and --settings; see --help")
    for system in chosen:
        try:
            system.command()
        except BuildFailed as error:
            sys.exit(f"{system}: {error}")
    with staged("streams", GROUPS_WAIT) as stage:
        report = reporting(options.out)
        arena = Arena(stage, options.limit_s)
        for users, distribution in product(options.users, options.distribution):
            workload = Workload(users, distribution, options.events, warm=not options.cold)
            for result in measure(arena, workload, chosen, options.rounds):
                report(result)
            arena.forget_events()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options_parser = parser("streams", __doc__ or "")
    options_parser.add_argument(
        "--systems",
        type=_several(SYSTEMS),
        default=SYSTEMS,
        metavar="A,B",
        help=f"some of {', '.join(SYSTEMS)} (default all)",
    )
    options_parser.add_argument(
        "--settings",
        type=_several(SETTINGS),
        default=(),
        metavar="A,B",
        help=f"some of {', '.join(SETTINGS)} (default all)",
    )
    options_parser.add_argument(
        "--work", type=_several(WORKS), default=WORKS, metavar="A,B", help="common,full (default both)"
    )
    options_parser.add_argument(
        "--users", type=numbers, default=(1000, 200_000), metavar="N,M", help="numbers of users (default 1000,200000)"
    )
    options_parser.add_argument(
        "--distribution",
        type=_several(DISTRIBUTIONS),
        default=("uniform",),
        metavar="A,B",
        help="uniform (default), zipf",
    )
    options_parser.add_argument(
        "--events", type=int, default=3_000_000, help=f"default 3000000; stock Faust at most {FEW_EVENTS}"
    )
    options_parser.add_argument("--cold", action="store_true", help="no warm-up: measure first events of users, too")
    options_parser.add_argument(
        "--limit-s", type=float, default=600.0, help="time limit of a run in seconds (default 600)"
    )
    options = options_parser.parse_args(arguments)
    if options.quick:
        options.users, options.events, options.rounds, options.cold = (1000,), FEW_EVENTS, 1, True
    return options


def _several(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in allowed]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(allowed)}")
        return names

    return parse


if __name__ == "__main__":
    main()
