"""The cost of bad records: events per second with 1 % of them, and without. `python -m bench poison`.

The product's worker on events that are in Kafka, as in `python -m bench streams --work full`. Every hundredth event is
truncated, has an invalid time, or lacks its product, and becomes a dead letter. The two cases alternate, and so does
which comes first. The states are compared with an offline computation that skips the bad records.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # `python bench/poison.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena.contenders import contenders
from bench.arena.stage import Result, parser, print_progress, reporting, staged
from bench.arena.workload import Workload
from bench.streams import Arena

EVERY = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("poison", __doc__)
    options.add_argument("--users", type=int, default=200_000, help="number of users (default 200000)")
    options.add_argument("--events", type=int, default=3_000_000, help="number of events (default 3000000)")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.users, chosen.events = 1, 1_000, 50_000
    (worker,) = contenders(["bannerstream"], ["full"], ["1-worker"])
    with staged("poison") as stage:
        report = reporting(chosen.out)
        arena = Arena(stage, limit_s=600.0)
        for number in range(1, chosen.rounds + 1):
            for every in (0, EVERY) if number % 2 else (EVERY, 0):
                share = 1 / every if every else 0.0
                print_progress(f"round {number} of {chosen.rounds}: {share:.0%} bad records")
                line: Result = {"bench": "poison", "poison": share, "users": chosen.users, "events": chosen.events}
                measured = arena.run(worker, Workload(chosen.users, "uniform", chosen.events, every))
                report(line | measured | {"round": number})


if __name__ == "__main__":
    main()
