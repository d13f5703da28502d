"""Latency from an event in Kafka to its request in Kafka: `python -m bench latency --rates 1000,10000,50000`.

A worker is one process, its load another (open loop, 200,000 visitors who are all known beforehand). `--probes` events
a second have new visitors and products, so each leads to a request. A probe's latency counts from its due time until a
consumer has its request, so stalls are included (bench/arena/probes.py). Rates alternate round by round. `fell_behind`
marks a run in which the load did not reach its rate; `unanswered` probes count as the slowest.

The `floor` (bench/arena/floor.py) takes turns with the worker at every rate: plain aiokafka in the worker's place,
which reads the same events and writes a record for each, acks=all, without any work in between. What the machine does
meanwhile hits both, so judge the product by its ratio to the floor of the same run.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

if __name__ == "__main__":  # `python bench/latency.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena import floor, probes
from bench.arena.deployment import CLICKS, Deployment
from bench.arena.load import FELL_BEHIND, Load
from bench.arena.stage import GROUPS_WAIT, Result, Stage, in_turn, numbers, parser, print_progress, reporting, staged
from bench.arena.workload import first_visits, write

WARM_S = 5.0
WARM_PER_S = 2_000
ANSWERS_S = 30.0
"""Limit for the last requests after the end of the load."""


def measure(
    stage: Stage, app: str, system: str, per_s: int, *, users: int, seconds: float, probes_per_s: float, workers: int
) -> Result:
    """Return a system's latency percentiles at one rate of events."""
    most = round((seconds + WARM_S + ANSWERS_S) * probes_per_s * 1.2)
    with Deployment(stage, app, extra=probes.products(most)) as shop, ExitStack() as running:
        if system == "floor":
            running.enter_context(floor.running(shop))
        else:
            for worker in [shop.start() for _ in range(workers)]:
                worker.wait_until_folding()
        write(stage.bootstrap, CLICKS, first_visits(users, time.time_ns() // 1_000_000), compression="lz4")
        shop.until_caught_up()
        with Load(stage, f"{app}-load", users=users, per_s=per_s, seconds=WARM_S + seconds) as load:
            begin = load.begins_at + WARM_S
            time.sleep(max(0.0, load.begins_at - time.time()))
            with probes.Probes(shop, probes_per_s, most) as probing:
                probing.run_until(begin + seconds, ANSWERS_S)
                taken = probing.between(begin, begin + seconds)
            offered = load.offered()
    unanswered = sum(probe.answered_at is None for probe in taken)
    latencies = [min(probe.latency_s, ANSWERS_S) * 1000 for probe in taken]
    return {
        "achieved_per_s": offered.achieved_per_s,
        "fell_behind": offered.achieved_per_s < FELL_BEHIND * per_s,
        "late_ms": offered.late_ms,
        "p50_ms": round(probes.percentile(latencies, 0.5), 2),
        "p99_ms": round(probes.percentile(latencies, 0.99), 2),
        "p999_ms": round(probes.percentile(latencies, 0.999), 2),
        "max_ms": round(max(latencies), 2),
        "samples": len(latencies),
        "unanswered": unanswered,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("latency", __doc__)
    options.add_argument(
        "--rates",
        type=numbers,
        default=(1_000, 10_000, 50_000),
        metavar="N,M",
        help="events a second (default 1000,10000,50000)",
    )
    options.add_argument(
        "--workers", type=numbers, default=(1,), metavar="N,M", help="numbers of the product's workers (default 1)"
    )
    options.add_argument("--users", type=int, default=200_000, help="number of users (default 200000)")
    options.add_argument(
        "--seconds", type=float, default=20.0, help=f"measured seconds, after {WARM_S:.0f} s of warm-up (default 20)"
    )
    options.add_argument("--probes", type=float, default=100.0, help="probes a second (default 100)")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.users, chosen.seconds, chosen.rates = 1, 2_000, 4.0, (1_000,)
    systems = [("bannerstream", workers) for workers in chosen.workers] + [("floor", 1)]
    with staged("latency", GROUPS_WAIT) as stage:
        report = reporting(chosen.out)
        print_progress("warming up the broker, whose code is compiled as it runs")
        measure(
            stage, "latency-warm", "floor", WARM_PER_S, users=WARM_PER_S, seconds=WARM_S, probes_per_s=10, workers=1
        )
        for number in range(1, chosen.rounds + 1):
            for per_s in chosen.rates:
                for system, workers in in_turn(systems, number):
                    print_progress(f"round {number} of {chosen.rounds}: {system}, {per_s:,} events a second")
                    line: Result = {
                        "bench": "latency",
                        "system": system,
                        "workers": workers,
                        "offered_per_s": per_s,
                        "users": chosen.users,
                    }
                    measured = measure(
                        stage,
                        f"latency-{system}-{workers}-{per_s}-{number}",
                        system,
                        per_s,
                        users=chosen.users,
                        seconds=chosen.seconds,
                        probes_per_s=chosen.probes,
                        workers=workers,
                    )
                    report(line | measured | {"round": number})


if __name__ == "__main__":
    main()
