"""Changelog records per event over the commit interval: `python -m bench changelog --intervals 0.5,1,2,5,10`.

Events of a million visitors under Zipf(1.1), folded at full speed. A visitor's state is written once per interval, so a
longer interval means fewer records. `common` is the work of bench/peers/README.md; `full` is the product, which also
writes the states of changed decisions at once. Choose `--events` so that a run lasts several of the longest intervals,
because the last one ends early. The states are compared with an offline computation.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # `python bench/changelog.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena.contenders import contenders
from bench.arena.stage import Result, parser, print_progress, reporting, staged
from bench.arena.timing import RunFailed
from bench.arena.workload import Workload
from bench.streams import Arena

SETTINGS = {"common": "memory", "full": "1-worker"}
VARIABLES = {"common": "BENCH_COMMIT_INTERVAL_S", "full": "BANNERSTREAM_STREAMS__COMMIT_INTERVAL_S"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("changelog", __doc__)
    options.add_argument(
        "--intervals", default="0.5,1,2,5,10", metavar="S,S", help="commit intervals in seconds (default 0.5,1,2,5,10)"
    )
    options.add_argument("--work", default="common,full", metavar="A,B", help="kinds of work (default common,full)")
    options.add_argument("--users", type=int, default=1_000_000, help="number of users (default 1000000)")
    options.add_argument("--events", type=int, default=5_000_000, help="number of events (default 5000000)")
    options.set_defaults(rounds=1)
    chosen = options.parse_args(arguments)
    intervals = [float(interval) for interval in chosen.intervals.split(",")]
    if chosen.quick:
        chosen.users, chosen.events, intervals = 1_000, 50_000, [0.5, 2.0]
    with staged("changelog") as stage:
        report = reporting(chosen.out)
        arena = Arena(stage, limit_s=600.0)
        workload = Workload(chosen.users, "zipf", chosen.events)
        for number in range(1, chosen.rounds + 1):
            for work in chosen.work.split(","):
                (contender,) = contenders(["bannerstream"], [work], [SETTINGS[work]])
                for interval in intervals:
                    print_progress(f"round {number} of {chosen.rounds}: {work}, every {interval:g} s")
                    variables = {**contender.environment, VARIABLES[work]: f"{interval:g}"}
                    line: Result = {"bench": "changelog", "work": work, "interval_s": interval, "users": chosen.users}
                    line |= {"events": chosen.events, "round": number}
                    try:
                        measured = arena.run(replace(contender, environment=variables), workload)
                    except RunFailed as error:
                        print_progress(f"FAILED: {error}")
                        continue
                    written = int(str(measured["changelog_records"]))
                    report(line | {"records_per_event": round(written / chosen.events, 4)} | measured)


if __name__ == "__main__":
    main()
