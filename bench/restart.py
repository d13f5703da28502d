"""Kill and restart of one worker of two: `python -m bench restart --against ../before --rounds 5`.

Two workers with a steady load are one group. In every round the second is killed (SIGKILL) and restarted at once, from
this checkout and then from the one of `--against` (its `.venv` must be set up), so both have the same load.
Seconds from the kill:

- `joined_s`: until it has its partitions again,
- `folds_s`: until it has read their changelogs and folds events,
- `pause_s`: the longest latency from an event to its banner request in any partition, as in `scaleout`, including the
  backlog.

`start_cpu_s` is the processor time that it used until it folded, including the reading of the changelog. `rebalances`
counts how often the other worker had to stop and read its changelogs: never, if the killed worker comes back as the
same static member within its session (10 s), which may take too long on a busy machine.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # `python bench/restart.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena import probes
from bench.arena.deployment import FOLDS, Deployment, Worker
from bench.arena.environments import REPOSITORY
from bench.arena.load import Load
from bench.arena.resting import changelog
from bench.arena.stage import Result, parser, print_progress, reporting, staged
from bench.arena.workload import write

PROBES_PER_S = 40.0
"""10 per partition, so that a pause is measured to 100 ms."""
SESSION_S = 10.0
SETTLE_S = 3.0
LIMIT_S = 120.0
_LONGEST_ROUND_S = 60.0

_RESTORED = r"^read the changelog of [1-9]\d* partitions in ([\d.]+) s"


def measure(shop: Deployment, probing: probes.Probes, killed: Worker, other: Worker, checkout: Path) -> Result:
    """Kill a worker, restart it from this checkout, and return the times."""
    rebalances = len(other.logged(FOLDS))
    killed_at = time.time()
    shop.kill(killed)
    started = shop.start(checkout)
    folds, _ = started.wait_for_log(FOLDS)
    start_cpu_s = started.processor_s()
    restored, match = started.wait_for_log(_RESTORED)
    ended_at = time.time() + SETTLE_S
    flows = probing.run_until(ended_at, LIMIT_S)
    pause_s = probes.longest_pause_s(probing.between(killed_at, ended_at))
    return {
        "joined_s": round(restored.at - float(match[1]) - killed_at, 3),
        "folds_s": round(folds.at - killed_at, 3),
        "pause_s": round(pause_s, 3) if flows else None,
        "start_cpu_s": round(start_cpu_s, 2),
        "rebalances": len(other.logged(FOLDS)) - rebalances,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("restart", __doc__)
    options.add_argument(
        "--users", type=int, default=200_000, help="users in the changelog and in the load (default 200000)"
    )
    options.add_argument("--per-s", type=int, default=5_000, help="events a second (default 5000)")
    options.add_argument("--against", type=Path, help="another checkout, whose worker alternates with this one's")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.users, chosen.per_s = 1, 2_000, 500
    checkouts = {"this": REPOSITORY}
    if chosen.against is not None:
        checkouts["against"] = chosen.against.resolve()
        if not (checkouts["against"] / ".venv" / "bin" / "python").exists():
            sys.exit(f"--against {chosen.against}: it has no .venv; run `make setup` there")
    lasts_s = (chosen.rounds + 1) * len(checkouts) * _LONGEST_ROUND_S
    most = round(lasts_s * PROBES_PER_S)
    with staged("restart") as stage:
        report = reporting(chosen.out)
        settings = {"BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S)}
        with Deployment(stage, "restart", extra=probes.products(most), settings=settings) as shop:
            write(stage.bootstrap, shop.changelog, changelog(chosen.users), compression="lz4")
            other = shop.start()
            other.wait_until_folding()
            shop.start().wait_until_folding()
            with (
                Load(stage, "restart-load", users=chosen.users, per_s=chosen.per_s, seconds=lasts_s),
                probes.Probes(shop, PROBES_PER_S, most) as probing,
            ):
                if not probing.run_until(time.time() + 2 * SETTLE_S, LIMIT_S):
                    raise probes.Unanswered(other.process.log_tail())
                for number in range(1, chosen.rounds + 1):
                    for name, checkout in checkouts.items():
                        print_progress(f"round {number} of {chosen.rounds}: {name}")
                        line: Result = {"bench": "restart", "checkout": name, "users": chosen.users, "round": number}
                        report(line | measure(shop, probing, shop.workers[-1], other, checkout))


if __name__ == "__main__":
    main()
