"""Memory of a visitor's state, and of a worker: `python -m bench memory --users 200000,1000000`.

At rest, in a process that does nothing else: its growth per visitor, without the key's own bytes (32 for the product's
states, the id for those of bench/peers/README.md, `common`); `counted_bytes_per_user` is the sum of
`sys.getsizeof` as a check. And a worker that has read these visitors from a changelog and folded 5,000 of their events
a second for `--seconds`: `rss_mb` is its memory at the end, `peak_rss_mb` its peak.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # `python bench/memory.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena.deployment import Deployment
from bench.arena.load import Load
from bench.arena.resting import Kind, changelog, weigh
from bench.arena.stage import Result, Stage, numbers, parser, print_progress, reporting, staged
from bench.arena.workload import write

PER_S = 5_000
STORES = ("memory", "rocksdb")


def at_rest(users: int, kind: Kind) -> Result:
    """Return the memory of one visitor's state."""
    weight = weigh(users, kind)
    return {
        "bytes_per_user": round(weight.resident, 1),
        "counted_bytes_per_user": round(weight.counted, 1),
        "packed_bytes": round(weight.packed, 1),
        "key_bytes": weight.key_bytes,
    }


def of_worker(stage: Stage, app: str, users: int, store: str, seconds: float) -> Result:
    """Return the memory of a worker under load."""
    with Deployment(stage, app, settings={"BANNERSTREAM_STREAMS__STORE": store}) as shop:
        write(stage.bootstrap, shop.changelog, changelog(users), compression="lz4")
        worker = shop.start()
        worker.wait_until_folding()
        with Load(stage, f"{app}-load", users=users, per_s=PER_S, seconds=seconds) as load:
            load.offered()
        shop.until_caught_up()
        time.sleep(2.0)  # two commit intervals
        now, peak = worker.memory_mb()
    return {"rss_mb": now, "peak_rss_mb": peak}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("memory", __doc__)
    options.add_argument(
        "--users",
        type=numbers,
        default=(200_000, 1_000_000),
        metavar="N,M",
        help="numbers of users (default 200000,1000000)",
    )
    options.add_argument("--seconds", type=float, default=15.0, help="seconds of load (default 15)")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.users, chosen.seconds = 1, (20_000,), 3.0
    with staged("memory") as stage:
        report = reporting(chosen.out)
        for number in range(1, chosen.rounds + 1):
            for users in chosen.users:
                print_progress(f"round {number} of {chosen.rounds}: {users:,} users")
                line: Result = {"bench": "memory", "users": users, "round": number}
                kinds: tuple[Kind, ...] = ("common", "full")
                weights = {kind: at_rest(users, kind) for kind in kinds}
                report(line | {"system": "bannerstream", "store": "memory", "state": "common"} | weights["common"])
                for store in STORES:
                    print_progress(f"round {number} of {chosen.rounds}: a worker with {users:,} users, {store}")
                    worker = of_worker(stage, f"memory-{users}-{store}-{number}", users, store, chosen.seconds)
                    rest = weights["full"] if store == "memory" else {}
                    report(line | {"system": "bannerstream", "store": store, "state": "full"} | rest | worker)


if __name__ == "__main__":
    main()
