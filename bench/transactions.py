"""What a round costs in transactions, and without them: `python -m bench transactions`.

A round of a worker with `--partitions` partitions at once: states of 330 B to the changelog, effects of 180 B, offsets.
`ordered` is the order of writes without transactions: states, acknowledged, then effects, acknowledged; its offsets are
committed once per interval, here with each tenth round. `transactions` is one transaction a partition. Both use
the classes of `streams.batching`, on one broker and one event loop, and take turns round by round, after a pause of
`--gap-ms`. `wall_ms` is the median time until everything is acknowledged, `cpu_ms` the processor time of this process.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

if __name__ == "__main__":  # `python bench/transactions.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from bannerstream.settings import Settings
from bannerstream.streams.batching import BulkProducer, Write
from bannerstream.streams.batching.transactions import Transactions
from bannerstream.streams.connection import connected_producer
from bench.arena.stage import Result, Stage, parser, print_progress, reporting, staged

STATE_BYTES, EFFECT_BYTES = 330, 180
COMMIT_EVERY = 10
SIZES = {"small": (20, 10), "middle": (500, 250), "large": (4_000, 2_000)}
"""States and effects of each partition."""
CHANGELOG, EFFECTS, EVENTS = "rounds-changelog", "rounds-effects", "rounds-events"

Round = Callable[[int], Awaitable[None]]


class Work:
    """The same records for both ways of writing them."""

    def __init__(self, partitions: int, states: int, effects: int) -> None:
        random_ = random.Random(1)
        self.states = [(b"%032x" % number, random_.randbytes(STATE_BYTES), []) for number in range(states)]
        self.effects = [(b"%032x" % number, random_.randbytes(EFFECT_BYTES), []) for number in range(effects)]
        self.partitions = range(partitions)

    def writes(self, partition: int) -> tuple[Write, list[Write]]:
        """Return a partition's states, and its effects spread over all partitions."""
        count = len(self.partitions)
        spread = [Write(EFFECTS, target, self.effects[target::count]) for target in self.partitions]
        return Write(CHANGELOG, partition, self.states), spread


async def ordered(bulk: BulkProducer, group: AIOKafkaConsumer, work: Work, number: int) -> None:
    """Write a round in the order of writes."""
    writes = [work.writes(partition) for partition in work.partitions]
    await bulk.deliver([states for states, _ in writes])
    await bulk.deliver([write for _, effects in writes for write in effects])
    if number % COMMIT_EVERY == 0:
        await group.commit({TopicPartition(EVENTS, partition): number for partition in work.partitions})


async def transacted(transactions: Transactions, work: Work, number: int) -> None:
    """Write a round in one transaction a partition."""

    async def commit(partition: int) -> None:
        states, effects = work.writes(partition)
        await transactions.commit(partition, [states, *effects], {TP(EVENTS, partition): number})

    await asyncio.gather(*map(commit, work.partitions))


async def measure(stage: Stage, name: str, partitions: int, rounds: int, gap_s: float) -> list[Result]:
    """Return the medians of both ways for one size of round."""
    settings = Settings(kafka={"bootstrap_servers": stage.bootstrap}, streams={"app_id": f"rounds-{name}"})
    work = Work(partitions, *SIZES[name])

    async def connect(transactional_id: str) -> AIOKafkaProducer:
        return await connected_producer(settings, transactional_id)

    bulk = BulkProducer(lambda: connected_producer(settings))
    transactions = Transactions(connect, settings.streams.app_id)
    group = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, group_id="rounds-ordered", enable_auto_commit=False)
    await asyncio.gather(bulk.start(), transactions.open(work.partitions), group.start())
    group.assign([TopicPartition(EVENTS, partition) for partition in work.partitions])
    ways: dict[str, Round] = {
        "ordered": partial(ordered, bulk, group, work),
        "transactions": partial(transacted, transactions, work),
    }
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds + 2):
        for way, write in ways.items():
            await asyncio.sleep(gap_s)
            wall, cpu = time.perf_counter(), time.process_time()
            await write(number)
            if number >= 2:  # the first ones make connections and look partitions up
                taken[way].append((time.perf_counter() - wall, time.process_time() - cpu))
    await asyncio.gather(bulk.close(), transactions.close(), group.stop())
    return [
        {
            "bench": "transactions",
            "round_size": name,
            "states": SIZES[name][0],
            "effects": SIZES[name][1],
            "way": way,
            "wall_ms": round(1000 * median(wall for wall, _ in times), 2),
            "wall_p90_ms": round(1000 * sorted(wall for wall, _ in times)[int(0.9 * len(times))], 2),
            "cpu_ms": round(1000 * median(cpu for _, cpu in times), 2),
            "samples": len(times),
        }
        for way, times in taken.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parser("transactions", __doc__)
    options.add_argument("--partitions", type=int, default=4, help="4")
    options.add_argument("--samples", type=int, default=60, help="rounds of each way and size; 60")
    options.add_argument("--gap-ms", type=float, default=30.0, help="pause before each round; 30")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.samples = 1, 3
    with staged("transactions") as stage:
        report = reporting(chosen.out)
        for topic in (CHANGELOG, EFFECTS, EVENTS):
            stage.topics.create(topic, chosen.partitions)
        for number in range(1, chosen.rounds + 1):
            for name in SIZES:
                print_progress(f"round {number} of {chosen.rounds}: {name}")
                measured = measure(stage, name, chosen.partitions, chosen.samples, chosen.gap_ms / 1000)
                for line in asyncio.run(measured):
                    report(line | {"round": number})


if __name__ == "__main__":
    main()
