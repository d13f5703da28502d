"""Time without progress while workers join and leave: `python -m bench scaleout --standbys 0,1`.

One worker has a steady load. Then, one after the other: a second and a third join, one leaves (SIGTERM), one is killed
and restarts at once (SIGKILL; it is a static member), one dies (SIGKILL without a restart: its session ends after 10
s). Probes in every partition lead to one banner request each; `pause_s` is the longest latency of any probe from the
step until all partitions make progress again. A new process takes CPU time from the others while it starts, which is
part of the pause on a machine with few cores.

With one standby, Faust moves partitions only from workers that have more than an even share (rounded up): with four
partitions, two workers keep two each, and the third worker that joins has only standbys.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":  # `python bench/scaleout.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena import probes
from bench.arena.deployment import Deployment, Worker
from bench.arena.load import Load
from bench.arena.resting import changelog
from bench.arena.stage import Result, Stage, numbers, parser, print_progress, reporting, staged
from bench.arena.workload import write

PROBES_PER_S = 40.0
"""10 per partition, so that a pause is measured to 100 ms."""
SESSION_S = 10.0
SETTLE_S = 3.0
"""How long probes are evaluated after a step: a leave, for example, causes two rebalances."""
LIMIT_S = 60.0
LASTS_S = 150.0
"""Time for all steps of one scenario."""


def scenario(stage: Stage, app: str, standbys: int, *, users: int, per_s: int) -> Iterator[Result]:
    """Yield the result of each step."""
    most = round(LASTS_S * PROBES_PER_S)
    settings = {
        "BANNERSTREAM_STREAMS__STANDBYS": str(standbys),
        "BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
    }
    with Deployment(stage, app, extra=probes.products(most), settings=settings) as shop:
        write(stage.bootstrap, shop.changelog, changelog(users), compression="lz4")
        first = shop.start()
        first.wait_until_folding()
        with (
            Load(stage, f"{app}-load", users=users, per_s=per_s, seconds=LASTS_S),
            probes.Probes(shop, PROBES_PER_S, most) as probing,
        ):
            if not probing.run_until(time.time() + 2 * SETTLE_S, LIMIT_S):
                raise probes.Unanswered(first.process.log_tail())

            def step(event: str, workers: int, take: Callable[[], object], watched_s: float = SETTLE_S) -> Result:
                print_progress(f"  {event}, {workers} workers afterwards")
                began_at = time.time()
                take()
                ended_at = time.time() + watched_s
                flows = probing.run_until(ended_at, LIMIT_S)
                pause_s = probes.longest_pause_s(probing.between(began_at, ended_at))
                return {"event": event, "workers": workers, "pause_s": round(pause_s, 3) if flows else None}

            alive: list[Worker] = [first]

            def join() -> None:
                alive.append(shop.start())
                alive[-1].wait_until_joined()

            def restart() -> None:
                shop.kill(alive.pop())
                join()

            def leave() -> None:
                alive.pop(1).process.stop()

            yield step("join", 2, join)
            yield step("join", 3, join)
            yield step("leave", 2, leave, 2 * SETTLE_S)
            yield step("restart", 2, restart, 2 * SETTLE_S)
            yield step("die", 1, lambda: shop.kill(alive.pop()), SESSION_S + 2 * SETTLE_S)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("scaleout", __doc__)
    options.add_argument(
        "--standbys", type=numbers, default=(0, 1), metavar="N,M", help="standbys per partition (default 0,1)"
    )
    options.add_argument(
        "--users", type=int, default=200_000, help="users in the changelog and in the load (default 200000)"
    )
    options.add_argument("--per-s", type=int, default=5_000, help="events a second (default 5000)")
    options.set_defaults(rounds=1)
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.standbys, chosen.users, chosen.per_s = (0,), 2_000, 500
    with staged("scaleout") as stage:
        report = reporting(chosen.out)
        for number in range(1, chosen.rounds + 1):
            for standbys in chosen.standbys:
                print_progress(f"round {number} of {chosen.rounds}: {standbys} standbys")
                line: Result = {"bench": "scaleout", "standbys": standbys, "users": chosen.users, "round": number}
                app = f"scaleout-{standbys}-{number}"
                for result in scenario(stage, app, standbys, users=chosen.users, per_s=chosen.per_s):
                    report(line | result)


if __name__ == "__main__":
    main()
