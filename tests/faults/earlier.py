"""Writes changelogs with states of version 1 before the first worker starts."""

import random
import time

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from bannerstream.broker.connection import client_options
from bannerstream.contracts.keys import user_key
from tests.faults.evidence import Earlier
from tests.faults.run import Scene
from tests.faults.states import version_1
from tests.support.shop import DAY, PRODUCTS

MANY = 50_000
EPOCH = 3


async def every_visitor(scene: Scene) -> None:
    """Write a state of version 1 for every visitor of the load."""
    await _write(scene, [f"visitor-{number}" for number in range(scene.load.visitors)])


async def many_visitors(scene: Scene) -> None:
    """Write so many states that reading them takes a while: of the load's visitors, and of others without events."""
    await _write(scene, [f"visitor-{number}" for number in range(MANY)])


async def _write(scene: Scene, users: list[str]) -> None:
    settings = scene.settings
    secret = settings.privacy.user_key_secret.get_secret_value().encode()
    half_life_ms = round(settings.streams.half_life_days * DAY)
    partitions = list(range(settings.kafka.partitions))
    partition_of = DefaultPartitioner()
    now = time.time_ns() // 1_000_000
    random_ = random.Random(scene.seed)
    options = client_options(settings.kafka, client_id="load") | {"enable_idempotence": True, "linger_ms": 20}
    async with AIOKafkaProducer(**options, max_batch_size=1 << 20) as producer:
        for user in users:
            key = user_key(user, secret)
            product = random_.choice(PRODUCTS)
            at = now - random_.randrange(20 * DAY)
            weights = {cohort: weight for cohort, weight in product.cohorts.items() if cohort != "unheard-of"}
            scene.earlier[key] = Earlier({cohort: (weight, at) for cohort, weight in weights.items()}, EPOCH)
            packed = version_1(half_life_ms, at, weights, epoch=EPOCH, product_id=product.product_id)
            # The partition of the visitor's events: state and events share one.
            partition = partition_of(user.encode(), partitions, partitions)
            await producer.send(scene.shop.changelog, packed, key=key.encode(), partition=partition)
        await producer.flush()
