"""`make faults`: injects faults into services under load. Progress goes to stderr; the last line is a JSON object."""

import argparse
import asyncio
import itertools
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.faults import plan
from tests.faults.history import ROOT, History, Line, summary
from tests.faults.play import SCENARIOS, play, usual_events
from tests.faults.servers import Servers

RECORD = ROOT / "bench" / "results" / "faults.jsonl"
_LEAST_EVENTS = 50


def main() -> int:
    """Return 0 if nothing was found, 1 if something was, 2 if it could not run."""
    options = _options()
    if (reason := Servers.why_unavailable()) is not None:
        print(reason, file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="bannerstream-faults-"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every retry, and retries are expected here
    began = time.monotonic()
    lines = asyncio.run(_run_all(options, folder))
    totals = summary(lines, time.monotonic() - began)
    found = any(line.findings for line in lines)
    if found:
        print(f"the services' logs and the evidence are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    print(json.dumps(totals))
    return int(found)


async def _run_all(options: argparse.Namespace, folder: Path) -> list[Line]:
    history = History(options.record or (RECORD if options.resume else folder / "runs.jsonl"))
    lines = history.comparable() if options.resume else []
    runs = plan.chosen(options.only, options.seed, options.seeds)
    done = {(line.name, line.seed) for line in lines}
    waiting: Iterable[plan.Run] = [run for run in runs if run not in done]
    if options.resume:
        print(f"{len(done)} runs of this service code are recorded, {len(list(waiting))} are left", file=sys.stderr)
    count = len(list(waiting))
    if options.hours is not None:
        waiting = _until(time.monotonic() + 3600 * options.hours, waiting, plan.further(runs))
    commit = plan.current_commit()
    with Servers(folder / "servers") as servers:
        for number, (name, seed) in enumerate(waiting, 1):
            own_folder = folder / f"{name}-{seed}"
            result = await play(servers, name, seed, own_folder, events=options.events)
            lines.append(history.append(result, commit))
            verdict = "FOUND" if result.findings else "ok"
            position = f"{number}/{count}" if options.hours is None else f"{number}"
            print(
                f"{position} {name} seed {seed}: {verdict}, {result.events} events, "
                f"{result.faults} faults, {result.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            if result.findings:
                again = f'make faults ARGS="--only {name} --seed {seed}"'
                print(f"{result.findings}\nagain: {again}, and with --shorten", file=sys.stderr, flush=True)
                if options.shorten:
                    await _shorten(servers, name, seed, options.events or usual_events(name), folder)
            else:
                shutil.rmtree(own_folder, ignore_errors=True)
    return lines


async def _shorten(servers: Servers, name: str, seed: int, events: int, folder: Path) -> None:
    """Repeat a failed run with half of its events for as long as it fails; tries each length twice."""
    while (events := events // 2) >= _LEAST_EVENTS:
        for attempt in (1, 2):
            own_folder = folder / f"{name}-{seed}-{events}-{attempt}"
            result = await play(servers, name, seed, own_folder, events=events)
            if result.findings:
                break
        print(f"with {events} events: {result.findings or 'ok'}", file=sys.stderr, flush=True)
        if not result.findings:
            return
        print(f'shorter: make faults ARGS="--only {name} --seed {seed} --events {events}"', file=sys.stderr, flush=True)


def _until(deadline: float, *runs: Iterable[plan.Run]) -> Iterator[plan.Run]:
    """Yield runs until the deadline; the last one may end after it."""
    return itertools.takewhile(lambda _: time.monotonic() < deadline, itertools.chain(*runs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], choices=list(SCENARIOS), metavar="SCENARIO",
        help=f"this scenario; may be repeated. One of {', '.join(SCENARIOS)}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="this one seed of each scenario")
    parser.add_argument("--seeds", type=int, help="the first N seeds of each scenario instead of the nightly set")
    parser.add_argument("--hours", type=float, help="continue with further seeds for this time")
    parser.add_argument("--record", type=Path, help="append one JSON line per run to this file")
    parser.add_argument(
        "--resume", action="store_true",
        help=f"skip runs that the record ({RECORD.relative_to(ROOT)}) has for the same service code, and count them",
    )  # fmt: skip
    parser.add_argument("--events", type=int, help="events of each run")
    parser.add_argument("--shorten", action="store_true", help="repeat a failed run with fewer events")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
