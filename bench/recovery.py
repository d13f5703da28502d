"""Time from a kill to the first folded event: `python -m bench recovery --users 200000 --systems bannerstream,faust`.

A changelog of `--users` visitors is written; a worker folds a load over them, is killed (SIGKILL) and started again.
Seconds from the start of the new process:

- `join_s`: until it has its partitions and begins to read the changelog,
- `restore_s`: duration of reading the changelog, from the worker's log (not from the start),
- `ready_s`: until it begins to fold,
- `first_event_s`: until an event that was sent after the kill is folded. For the product, the resulting banner request
  shows that; stock Faust prints a line at its first record.

Stock Faust runs with its defaults and at most 200,000 users; its group waits 60 s for the dead member's session to end.
The product's workers are static members, so their group does not wait for a worker that restarts.
"""

import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

if __name__ == "__main__":  # `python bench/recovery.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.service.child_process import ChildProcess
from bench.arena import probes
from bench.arena.contenders import Place
from bench.arena.deployment import CLICKS, FOLDS, Deployment
from bench.arena.environments import PEERS, python_environment
from bench.arena.load import Load
from bench.arena.resting import changelog, common_changelog
from bench.arena.shop import write_table
from bench.arena.stage import Result, Stage, numbers, parser, print_progress, reporting, staged
from bench.arena.workload import PARTITIONS, write

LIMIT_S = 300.0
LOADED_S = 5.0
"""Time of folding before the kill."""
PER_S = 2_000
FAUST_PER_S = 500
"""A rate that stock Faust can sustain."""
MOST_FAUST_USERS = 200_000
PROBES_PER_S = 20.0
PROBED_S = 90.0
"""Limits the number of probes: each has its own product, which the worker reads at its start."""
SYSTEMS = ("bannerstream", "bannerstream-rocksdb", "faust")

_RESTORED = r"^read the changelog of [1-9]\d* partitions in ([\d.]+) s: (\d+) states"


def of_ours(stage: Stage, app: str, users: int, store: str) -> Result:
    """Measure a worker of the product."""
    most = round(PROBED_S * PROBES_PER_S)
    settings = {"BANNERSTREAM_STREAMS__STORE": store}
    with Deployment(stage, app, extra=probes.products(most), settings=settings) as shop:
        write(stage.bootstrap, shop.changelog, changelog(users), compression="lz4")
        worker = shop.start()
        worker.wait_until_folding()
        with (
            Load(stage, f"{app}-load", users=users, per_s=PER_S, seconds=60.0),
            probes.Probes(shop, PROBES_PER_S, most) as probing,
        ):
            probing.run_until(time.time() + LOADED_S, LIMIT_S)
            shop.kill(worker)
            killed_at = time.time()
            again = shop.start()

            def answers() -> list[float]:
                return [probe.answered_at for probe in probing.between(killed_at, float("inf")) if probe.answered_at]

            probing.until(lambda: bool(answers()), LIMIT_S)
            first = min(answers())
            restored, match = again.wait_for_log(_RESTORED)
            ready, _ = again.wait_for_log(FOLDS)
    restore_s = float(match[1])
    return {
        "restore_s": restore_s,
        "first_event_s": round(first - again.started_at, 3),
        "join_s": round(restored.at - restore_s - again.started_at, 3),
        "ready_s": round(ready.at - again.started_at, 3),
        "states": int(match[2]),
    }


def of_faust(stage: Stage, app: str, users: int) -> Result:
    """Measure stock Faust with bench/peers/faust/affinity.py."""
    table, folder, states = stage.folder / "table.json", stage.folder / app, f"{app}-affinity-changelog"
    write_table(table, landmark_ms=time.time_ns() // 1_000_000)
    folder.mkdir()
    stage.topics.create(CLICKS, PARTITIONS)
    stage.topics.create(states, PARTITIONS)
    try:
        write(stage.bootstrap, states, common_changelog(users), compression="lz4")
        command = [str(python_environment("faust")), str(PEERS / "faust" / "affinity.py")]
        command += ["worker", "--loglevel=info", "--without-web"]
        environment = Place(stage.bootstrap, CLICKS, app, table, folder).environment()

        def start(name: str) -> ChildProcess:
            log = stage.folder / "logs" / f"{app}-{name}.log"
            return ChildProcess(command, name=app, log_file=log, environment=environment, folder=folder)

        with Load(stage, f"{app}-load", users=users, per_s=FAUST_PER_S, seconds=LIMIT_S):
            with start("first") as worker:
                worker.wait_until_ready(lambda: _first_record(worker) is not None, LIMIT_S)
                time.sleep(LOADED_S)
                worker.kill()
            started_at = time.time()
            with start("again") as again:
                again.wait_until_ready(lambda: _first_record(again) is not None, LIMIT_S)
                first = _first_record(again)
                log = again.log_file.read_text(errors="replace")
                again.kill()
    finally:
        stage.topics.delete([CLICKS, states])
    begin, end = (
        _logged_at(log, "Restoring state from changelog topics"),
        _logged_at(log, "Done reading from changelog topics"),
    )
    return {
        "restore_s": round(end - begin, 3),
        "first_event_s": round((first or 0.0) - started_at, 3),
        "join_s": round(begin - started_at, 3),
        "states": users,
    }


def _first_record(process: ChildProcess) -> float | None:
    found = re.search(rb"^first-record (\d+)$", process.log_file.read_bytes(), re.MULTILINE)
    return int(found[1]) / 1000 if found else None


def _logged_at(log: str, what: str) -> float:
    """Return when Faust last logged this text, in epoch seconds.

    Raises:
        ValueError: it did not log it.
    """
    found = re.findall(rf"^\[([\d-]+ [\d:]+),(\d+)\].*{what}", log, re.MULTILINE)
    if not found:
        raise ValueError(f"stock Faust did not log {what!r}:\n{log[-2000:]}")
    day, millis = found[-1]
    return datetime.fromisoformat(f"{day}.{millis}").timestamp()  # Faust logs local time


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("recovery", __doc__)
    options.add_argument(
        "--users",
        type=numbers,
        default=(200_000, 1_000_000),
        metavar="N,M",
        help="numbers of users (default 200000,1000000)",
    )
    options.add_argument("--systems", default=",".join(SYSTEMS), help="comma-separated; " + ", ".join(SYSTEMS))
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.users = 1, (20_000,)
    systems = chosen.systems.split(",")
    if unknown := set(systems) - set(SYSTEMS):
        sys.exit(f"--systems: unknown {', '.join(unknown)}; known are {', '.join(SYSTEMS)}")
    with staged("recovery") as stage:
        report = reporting(chosen.out)
        for number in range(1, chosen.rounds + 1):
            for users in chosen.users:
                for system in systems:
                    if system == "faust" and users > MOST_FAUST_USERS:
                        continue
                    print_progress(f"round {number} of {chosen.rounds}: {system}, {users:,} users")
                    app = f"recovery-{system}-{users}-{number}"
                    line: Result = {"bench": "recovery", "system": system, "users": users, "round": number}
                    if system == "faust":
                        report(line | of_faust(stage, app, users))
                    else:
                        store = "rocksdb" if system.endswith("rocksdb") else "memory"
                        report(line | of_ours(stage, app, users, store))


if __name__ == "__main__":
    main()
