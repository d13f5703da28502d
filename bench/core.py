"""CPU time of the pure core per event: `python -m bench core [--users 1000 200000] [--events 900000] [--pace 300]`.

Batches of native events of random visitors, about the example catalogue, go through `fold_batch`. States are kept as in
a table: packed at rest, decoded from their first use to the next flush, which packs the changed ones. Events arrive
at 300 a millisecond of event time and are flushed every 300,000, so that a flush is a second of a worker's full load.
Within these seconds no visitor gets a second banner; with `--pace 0.01` the banner can change with every event.

Prints one JSON line per number of visitors and stage, in microseconds of CPU time per event: medians over the batches
of all flushes after the first, in which visitors are new. `decode` and `key` are measured separately; `unpack` by
reading a batch's visitors before it is folded; `pack` at the flushes. `fold` is the rest: folding, decisions and
messages; `all` is the sum. `bytes` is the mean size of a packed state. Garbage is collected as rarely as in a worker.
"""

import argparse
import cProfile
import gc
import json
import pstats
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from time import process_time

if __name__ == "__main__":  # `python bench/core.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.catalog import with_rev
from bannerstream.contracts.inputs import decode_events
from bannerstream.contracts.keys import UserKeys
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.settings import Settings
from bannerstream.streams.affinity import Catalogue, Policy, UserState, pack, unpack
from bannerstream.streams.batch import Rules, fold_batch

BATCH = 2_000
FLUSH = 300_000
BEGIN = 1_795_000_000_000
HOT = 50_000
"""Decoded states that are kept after a flush."""
SECRET = b"a secret of the benchmark"


@dataclass(slots=True)
class Record:
    """One record as aiokafka parses it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Table:
    """Packed states at rest, and the decoded states of visitors that were used since the last flush."""

    def __init__(self) -> None:
        self.packed: dict[bytes, bytes] = {}
        self.live: dict[bytes, UserState] = {}
        self.dirty: dict[bytes, UserState] = {}

    def get(self, key: bytes) -> UserState | None:
        """Return a decoded state; unpack it if necessary."""
        state = self.live.get(key)
        if state is None and (packed := self.packed.get(key)) is not None:
            state = self.live[key] = unpack(packed)
        return state

    def put(self, key: bytes, state: UserState) -> None:
        """Store a changed state."""
        self.live[key] = self.dirty[key] = state

    def flush(self) -> None:
        """Pack the changed states."""
        for key, state in self.dirty.items():
            self.packed[key] = pack(state)
        self.dirty.clear()

    def evict_clean(self) -> None:
        """Evict all decoded states if there are more than a table would keep."""
        if len(self.live) > HOT:
            self.live.clear()


def example_catalogue() -> Catalogue:
    """Return the example catalogue in the form that streams uses."""
    files = read_catalogue(CATALOGUE)
    return Catalogue(map(with_rev, files.products), map(with_rev, files.cohorts), creative_revision="bench")


def rules() -> Rules:
    """Return the rules that follow from the default settings."""
    streams = Settings().streams
    policy = Policy(
        half_life_ms=round(streams.half_life_days * 86_400_000),
        margin=streams.margin,
        min_interval_ms=round(streams.min_interval_s * 1000),
        suppress_ms=round(streams.suppress_days * 86_400_000),
        products_per_user=streams.products_per_user,
        max_cohorts=streams.max_cohorts,
        duplicate_window=streams.duplicate_window,
    )
    formats = {"clicks": "auto", "purchases": "auto"}
    return Rules(policy, SECRET, formats, max_future_ms=300_000, max_age_ms=400 * 86_400_000)


def batches(users: int, events: int, products: Sequence[str], pace: float) -> Iterator[list[Record]]:
    """Yield events of uniformly random visitors, `pace` per millisecond of event time; deterministic."""
    random_ = random.Random(7)
    for start in range(0, events, BATCH):
        batch = []
        for offset in range(start, start + BATCH):
            user, at = f"visitor-{random_.randrange(users)}", BEGIN + int(offset / pace)
            event = {
                "event_id": f"e-{offset:09}",
                "user_id": user,
                "product_id": random_.choice(products),
                "time": at,
                "kind": random_.choices(["view", "click", "cart"], [6, 3, 1])[0],
            }
            batch.append(Record(offset, at, user.encode(), json.dumps(event).encode()))
        yield batch


class Stages:
    """Microseconds of CPU time per event, by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def stage(self, name: str, events: int) -> Iterator[None]:
        """Add the time inside the `with` block to a stage that handles `events` events."""
        begin = process_time()
        yield
        self.spent.setdefault(name, []).append((process_time() - begin) / events * 1e6)

    def medians(self) -> dict[str, float]:
        """Return the median of each stage, `fold` without its parts `decode` and `key`, and the sum."""
        found = {name: median(times) for name, times in self.spent.items()}
        found["fold"] -= found["decode"] + found["key"]
        return found | {"all": sum(found.values())}


def measure(users: int, events: int, pace: float, profile: AbstractContextManager[object]) -> dict[str, float]:
    """Return microseconds per event by stage, and the mean bytes of a state.

    Raises:
        RuntimeError: an event was not folded, so the time would be meaningless.
    """
    catalogue, table, rules_, keys, stages = example_catalogue(), Table(), rules(), UserKeys(SECRET), Stages()
    for number, batch in enumerate(batches(users, events, list(catalogue.products), pace), 1):
        if number * BATCH == FLUSH + BATCH:
            stages = Stages()  # after the first flush, most visitors are known
        ids = [record.key.decode() for record in batch]
        values, arrivals = [record.value for record in batch], [record.timestamp for record in batch]
        with stages.stage("decode", BATCH):
            decode_events(
                values,
                arrivals,
                "clicks",
                rules_.formats["clicks"],
                max_future_ms=rules_.max_future_ms,
                max_age_ms=rules_.max_age_ms,
            )
        with stages.stage("key", BATCH):
            visitors = [keys[user_id] for user_id in ids]
        with stages.stage("unpack", BATCH):
            for visitor in visitors:
                table.get(visitor)
        with stages.stage("fold", BATCH), profile:
            outcome = fold_batch("clicks", "clicks", 0, batch, table, catalogue, rules_, BEGIN)
        if outcome.counts != {"folded": BATCH}:
            raise RuntimeError(f"not all events of the benchmark were folded: {outcome.counts}")
        if number * BATCH % FLUSH == 0:
            with stages.stage("pack", FLUSH):
                table.flush()
            table.evict_clean()
    return stages.medians() | {"bytes": fmean(map(len, table.packed.values()))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench core", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 200_000], help="numbers of visitors")
    parser.add_argument("--events", type=int, default=900_000, help=f"a multiple of {FLUSH:,}, twice that at least")
    parser.add_argument("--pace", type=float, default=300, help="events per millisecond of event time")
    parser.add_argument("--profile", action="store_true", help="print where `fold_batch` spends its time instead")
    options = parser.parse_args(arguments)
    gc.set_threshold(200_000, 50, 1000)
    gc.freeze()
    for users in options.users:
        if options.profile:
            profile = cProfile.Profile()
            measure(users, options.events, options.pace, profile)
            pstats.Stats(profile).sort_stats("tottime").print_stats(15)
            continue
        for stage, value in measure(users, options.events, options.pace, nullcontext()).items():
            line = {"bench": "core", "users": users, "pace": options.pace, "stage": stage}
            unit = "bytes" if stage == "bytes" else "us_per_event"
            print(json.dumps(line | {unit: round(value, 2)}))


if __name__ == "__main__":
    main()
