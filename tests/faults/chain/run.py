"""One run of the whole chain: a scenario under visitors' events, for one seed, from fresh topics to its audit."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Set
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Assignment
from bannerstream.devservers.stack import environment_of
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.faults.audit import Findings
from tests.faults.chain.audit import ChainEvidence, audit_chain, letters_of
from tests.faults.chain.catalogue import load_catalogue
from tests.faults.chain.faulty_store import FaultyStore
from tests.faults.chain.recording_cdn import TOKEN, RecordingCdn
from tests.faults.chain.services import SERVICES, Services
from tests.faults.chain.visitors import PageVisitors, Traffic
from tests.faults.evidence import gather
from tests.faults.result import RUN_S, SESSION_TIMEOUT_S, Result, delete_topics, kafka_overrides
from tests.faults.servers import Servers
from tests.support.streams_worker import Shop, read_all
from tests.support.waiting import until


@dataclass
class ChainScene:
    """The parts of a run that a scenario uses. `faults` counts the injected faults."""

    random: random.Random
    seed: int
    servers: Servers
    services: Services
    store: FaultyStore
    cdn: RecordingCdn
    visitors: PageVisitors
    faults: int = 0


Act = Callable[[ChainScene], Awaitable[None]]


@dataclass(frozen=True)
class ChainPlay:
    """A scenario, and the services whose clocks it shifts."""

    scenario: Act
    with_own_clock: Set[str] = frozenset()


async def run_chain(
    servers: Servers, play: ChainPlay, traffic: Traffic, folder: Path, *, name: str, seed: int
) -> Result:
    """Run a scenario and audit its result. A service's failure does not raise an error; it is a finding."""
    began = time.monotonic()
    findings = Findings()
    unique = f"{name}-{seed}-{time.time_ns():x}"
    events = 0
    async with AsyncExitStack() as stack:
        direct = await asyncio.to_thread(servers.s3_endpoint)
        store = stack.enter_context(FaultyStore(direct, seed))
        cdn = await stack.enter_async_context(RecordingCdn())
        overrides = _overrides(servers, unique, store.endpoint, cdn.url)
        settings = Settings(**overrides)
        undisturbed = settings.model_copy(update={"storage": settings.storage.model_copy(update={"endpoint": direct})})
        bucket = S3BannerStore(undisturbed.storage)
        stack.callback(bucket.close)
        await asyncio.to_thread(bucket.ensure_bucket)
        shop = await stack.enter_async_context(Shop(settings, cohorts=(), products=()))
        await create_topics(settings.kafka, changelog=shop.changelog)
        await load_catalogue(undisturbed, folder / "catalogue")
        services = stack.enter_context(Services(environment_of(overrides), folder, findings, play.with_own_clock))
        random_ = random.Random(seed)
        visitors = PageVisitors(settings, services.edge_urls, random.Random(seed), traffic, findings)
        scene = ChainScene(random_, seed, servers, services, store, cdn, visitors)
        try:
            async with asyncio.timeout(RUN_S):
                await _play(scene, play.scenario)
                await _settle(scene, settings, shop)
                await services.stop_all()
                evidence = ChainEvidence(
                    await gather(settings),
                    await read_all(settings, shop.topics.ready.name),
                    visitors.acknowledged,
                    cdn.purges,
                )
                findings.take(await asyncio.to_thread(audit_chain, evidence, settings, bucket))
        except (TimeoutError, AssertionError, KafkaError) as error:
            findings.add("vacuous", f"the run did not finish: {error!r}")
        events = visitors.reported
        if not findings:
            await delete_topics(settings, shop.changelog)
    return Result(name, seed, events, scene.faults, findings, time.monotonic() - began)


async def _play(scene: ChainScene, act: Act) -> None:
    scene.services.start_all()
    await scene.services.edges_listen()
    looking = asyncio.create_task(scene.visitors.look())
    reporting = asyncio.create_task(scene.visitors.run())
    try:
        await act(scene)
        await reporting
    finally:
        reporting.cancel()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    faults = scene.faults + scene.store.failed + scene.cdn.refused
    scene.faults = faults
    findings = scene.services.findings
    if not faults:
        findings.add("vacuous", "no fault was injected: the load is too short for this machine")
    if not scene.visitors.pictures:
        findings.add("vacuous", "no picture was fetched")


async def _settle(scene: ChainScene, settings: Settings, shop: Shop) -> None:
    """End all faults, replay dead letters of requests, and return once all work is done."""
    scene.store.heal()
    scene.cdn.is_down = False
    scene.services.check()
    for name in SERVICES:
        if name not in scene.services.running:
            scene.services.start(name)
    await shop.caught_up()

    replayed = 0

    async def all_are_ready() -> bool:
        nonlocal replayed
        scene.services.check()
        letters = len(letters_of(await shop.read(shop.topics.dead_letters.name), {shop.topics.requests.name}))
        if letters > replayed:  # an operator replays requests that failed with the store
            await asyncio.to_thread(scene.services.run_command, "dlq", "replay", "--topic", shop.topics.requests.name)
            replayed = letters
        assignments = await shop.read(shop.topics.assignments.name)
        last = {record.key: decode(record.value, Assignment).banner_key for record in assignments if record.value}
        ready = {record.key.decode() for record in await shop.read(shop.topics.ready.name)}
        return set(last.values()) <= ready

    with suppress(AssertionError):  # the audit names the banners that are missing
        await until(all_are_ready, "all banners are ready")

    async def all_is_purged() -> bool:
        topics = (shop.topics.assignments.name, shop.topics.ready.name)
        return await _behind(settings, settings.cdn.group_id, topics) == 0

    with suppress(AssertionError):
        await until(all_is_purged, "the purger has read everything")


async def _behind(settings: Settings, group: str, topics: Iterable[str]) -> int:
    """Return how many records of the topics a group has not committed."""
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(settings.kafka.partitions)]
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    consumer = AIOKafkaConsumer(**client_options(settings.kafka), group_id=None)
    try:
        await admin.start()
        await consumer.start()
        committed = await admin.list_consumer_group_offsets(group)
        ends = await consumer.end_offsets(partitions)
        return sum(ends[tp] - max(0, committed[tp].offset if tp in committed else 0) for tp in partitions)
    finally:
        await consumer.stop()
        await admin.close()


def _overrides(servers: Servers, name: str, s3: str, cdn: str) -> dict[str, dict[str, object]]:
    return {
        "kafka": kafka_overrides(servers, name),
        "storage": {"endpoint": s3, "secure": False, "bucket": name.lower(), "timeout_s": 5},
        "streams": {
            "app_id": f"{name}-streams",
            "metrics_port": 0,
            "min_interval_s": 0,
            "transactions": True,
            "transaction_timeout_s": SESSION_TIMEOUT_S,
        },
        "generator": {"group_id": f"{name}-generator", "metrics_port": 0},
        # Without its cache the edge reads every picture from the store, and is affected by all its failures.
        "edge": {"picture_cache_mb": 0, "rate_per_address": 10_000, "burst_per_address": 10_000},
        "cdn": {
            "kind": "varnish",
            "nodes": [cdn],
            "purge_token": TOKEN,
            "group_id": f"{name}-purger",
            "metrics_port": 0,
            "coalesce_s": 0.2,
        },
    }
