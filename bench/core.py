"""CPU time of the fold per event: `python -m bench core [--users 1000 200000] [--events 900000] [--pace 300]`.

Batches of native events of random visitors, about the example catalogue, go through `fold_batch` into a partition's
`ColumnarStates`. Events arrive at 300 a millisecond of event time and are flushed every 300,000, so that a flush is a
second of a worker's full load. Within these seconds no visitor gets a second banner; with `--pace 0.01` the banner can
change with every event.

Prints one JSON line per number of visitors, fold (`rounds`, or `core`: the pure core alone) and stage, in microseconds
of CPU time per event: medians over the batches of all flushes after the first, in which visitors are new. `decode` and
`key` are measured separately; `pack` at the flushes, in the state version of `--version`. `fold` is the rest: arrays,
folding, decisions and messages; `all` is the sum. `bytes` is the mean size of a state in the changelog, `held` that of
one in memory, key and index in it; `restore` the time per visitor to read them back. Garbage is collected as rarely as
in a worker.
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
from itertools import islice, product
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
from bannerstream.streams.affinity import Catalogue, Policy
from bannerstream.streams.batch import Rules, fold_batch
from bannerstream.streams.batching.checkpointer import FLUSH_SLICE
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.layout import LAYOUT
from bannerstream.streams.columnar.rounds import SMALLEST_ROUND
from bannerstream.streams.columnar.states import Version

BATCH = 2_000
FLUSH = 300_000
BEGIN = 1_795_000_000_000
SECRET = b"a secret of the benchmark"


@dataclass(slots=True)
class Record:
    """One record as aiokafka parses it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def example_catalogue() -> Catalogue:
    """Return the example catalogue as streams sees it."""
    files = read_catalogue(CATALOGUE)
    return Catalogue(map(with_rev, files.products), map(with_rev, files.cohorts), creative_revision="bench")


def rules() -> Rules:
    """Return the rules that the settings' defaults make."""
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
    """Yield events of uniformly random visitors, `pace` of them a millisecond; deterministic."""
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
        """Count the time inside the `with` block to a stage of so many events."""
        begin = process_time()
        yield
        self.spent.setdefault(name, []).append((process_time() - begin) / events * 1e6)

    def medians(self) -> dict[str, float]:
        """Return the median of each stage, `fold` without what is part of it, and the sum."""
        found = {name: median(times) for name, times in self.spent.items()}
        found["fold"] -= found["decode"] + found["key"]
        return found | {"all": sum(found.values())}


FOLDS = {"rounds": SMALLEST_ROUND, "core": 1 << 30}
"""By fold: the smallest round."""


def measure(  # noqa: PLR0917
    users: int, events: int, pace: float, fold: str, version: Version, profile: AbstractContextManager[object]
) -> dict[str, float]:
    """Return microseconds per event by stage, the mean bytes of a state, and microseconds to restore one.

    Raises:
        RuntimeError: an event was not folded, so that its time would say nothing.
    """
    catalogue, rules_, keys, stages = example_catalogue(), rules(), UserKeys(SECRET), Stages()
    states, changelog = ColumnarStates(rules_.policy, version=version), dict[bytes, bytes | None]()
    for number, batch in enumerate(batches(users, events, list(catalogue.products), pace), 1):
        if number * BATCH == FLUSH + BATCH:
            stages = Stages()  # the first flush is past: most visitors are known
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
            keys.digests(set(ids))
        with stages.stage("fold", BATCH), profile:
            outcome = fold_batch(
                "clicks", "clicks", 0, batch, states, catalogue, rules_, BEGIN, smallest_round=FOLDS[fold]
            )
        if outcome.counts != {"folded": BATCH}:
            raise RuntimeError(f"not all events of the benchmark were folded: {outcome.counts}")
        if number * BATCH % FLUSH == 0:
            with stages.stage("pack", FLUSH):
                changes = [change for dirty in sliced(states.dirty(), FLUSH_SLICE) for change in states.encode(dirty)]
                states.written(changes, (states.reached() or 0) + len(changes))
            changelog |= changes
    begin = process_time()
    restored = ColumnarStates(rules_.policy, version=version)
    for start in range(0, len(changelog), 5_000):
        part = dict(islice(changelog.items(), start, start + 5_000))
        restored.apply(part.items(), start + len(part))
    restore_us = (process_time() - begin) / len(restored) * 1e6
    size = fmean(len(packed) for key, packed in changelog.items() if packed and not key.startswith(LAYOUT))
    return stages.medians() | {"bytes": size, "held": states.nbytes / len(states), "restore": restore_us}


def sliced(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield the keys in slices, as the checkpointer encodes them."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench core", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 200_000], help="numbers of visitors")
    parser.add_argument("--events", type=int, default=900_000, help=f"a multiple of {FLUSH:,}, twice that at least")
    parser.add_argument("--pace", type=float, default=300, help="events per millisecond of event time")
    parser.add_argument("--fold", choices=list(FOLDS), nargs="+", default=list(FOLDS), help="which folds to measure")
    parser.add_argument("--version", type=int, choices=[2, 3], default=3, help="version of the states written")
    parser.add_argument("--profile", action="store_true", help="print where `fold_batch` spends its time instead")
    options = parser.parse_args(arguments)
    gc.set_threshold(200_000, 50, 1000)
    gc.freeze()
    for users, fold in product(options.users, options.fold):
        if options.profile:
            profile = cProfile.Profile()
            measure(users, options.events, options.pace, fold, options.version, profile)
            pstats.Stats(profile).sort_stats("tottime").print_stats(15)
            continue
        for stage, value in measure(users, options.events, options.pace, fold, options.version, nullcontext()).items():
            line = {"bench": "core", "users": users, "pace": options.pace, "fold": fold, "stage": stage}
            unit = {"bytes": "bytes", "held": "bytes", "restore": "us_per_visitor"}.get(stage, "us_per_event")
            print(json.dumps(line | {unit: round(value, 2)}))


if __name__ == "__main__":
    main()
