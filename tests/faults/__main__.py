"""`make faults`: the nightly set on a real Kafka. Progress on stderr; the last line, on stdout, is one JSON object."""

import argparse
import asyncio
import json
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import plan
from tests.faults.audit import KINDS
from tests.faults.load import Traffic
from tests.faults.run import Result, run
from tests.faults.scenarios import PLAYS
from tests.faults.servers import Servers


def main() -> int:
    """Return 0 if nothing was found, 1 if something was, 2 if it could not run."""
    options = _options()
    if (reason := Servers.why_unavailable()) is not None:
        print(reason, file=sys.stderr)
        return 2
    runs = plan.chosen(options.only, options.seed, options.seeds)
    traffic = Traffic(events=options.events, visitors=options.visitors, per_s=options.rate)
    folder = Path(tempfile.mkdtemp(prefix="bannerstream-faults-"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells every retry, and faults are what is wanted
    began = time.monotonic()
    results = asyncio.run(_run_all(runs, traffic, folder))
    total: dict[str, int] = {kind: sum(each.findings.counts()[kind] for each in results) for kind in KINDS}
    summary: dict[str, int] = {
        "seeds": len(results),
        "events": sum(each.events for each in results),
        "faults": sum(each.faults for each in results),
        **total,
        "seconds": round(time.monotonic() - began),
    }
    found = any(total.values())
    if found:
        print(f"what the workers said is in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    print(json.dumps(summary))
    return int(found)


async def _run_all(runs: plan.Plan, traffic: Traffic, folder: Path) -> list[Result]:
    results: list[Result] = []
    with Servers(folder / "servers") as servers:
        for number, (name, seed) in enumerate(runs, 1):
            of_run = folder / f"{name}-{seed}"
            result = await run(servers, PLAYS[name], traffic, of_run, name=name, seed=seed)
            results.append(result)
            verdict = "FOUND" if result.findings else "ok"
            print(
                f"{number}/{len(runs)} {name} seed {seed}: {verdict}, {result.events} events, "
                f"{result.faults} faults, {result.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            if result.findings:
                again = f'make faults ARGS="--only {name} --seed {seed}"'
                print(f"{result.findings}\nagain: {again}", file=sys.stderr, flush=True)
            else:
                shutil.rmtree(of_run, ignore_errors=True)
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], choices=list(PLAYS), help="this scenario; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="this one seed of each scenario")
    parser.add_argument("--seeds", type=int, help="this many seeds of each scenario, not those of the nightly set")
    traffic = plan.NIGHTLY_TRAFFIC
    parser.add_argument("--events", type=int, default=traffic.events, help="events of each run (%(default)s)")
    parser.add_argument("--rate", type=int, default=traffic.per_s, help="events a second (%(default)s)")
    parser.add_argument("--visitors", type=int, default=traffic.visitors, help="visitors (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
