"""One run: a scenario under load, for one seed, from fresh topics to its audit."""

import asyncio
import contextlib
import pickle
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from bannerstream.broker.topics import create_topics
from bannerstream.devservers.stack import environment_of
from bannerstream.settings import Settings
from tests.faults.audit import Findings, audit, audit_committed
from tests.faults.evidence import Earlier, Evidence, Memory, gather
from tests.faults.fleet import Fleet
from tests.faults.load import Load, Traffic
from tests.faults.result import RUN_S, SESSION_TIMEOUT_S, Result, delete_topics, kafka_overrides
from tests.faults.servers import Servers
from tests.support.consumer_group import progress
from tests.support.streams_worker import Shop
from tests.support.waiting import PATIENCE_S

PROGRESS_POLL_S = 0.25


@dataclass
class Scene:
    """The parts of a run that a scenario uses. `faults` counts the faults that affected a working worker."""

    random: random.Random
    seed: int
    servers: Servers
    settings: Settings
    shop: Shop
    load: Load
    fleet: Fleet
    findings: Findings
    folder: Path
    faults: int = 0
    earlier: dict[str, Earlier] = field(default_factory=dict)
    """States that the scenario wrote to the changelog before the first worker started."""
    erased: set[str] = field(default_factory=set)
    """User keys of visitors whose erasure the scenario requested."""
    _audits: int = 0

    @property
    def proxied(self) -> str:
        """The bootstrap address with which a worker's connections go through the proxy."""
        return self.servers.proxy.address

    async def audit_now(self) -> None:
        """Check the conditions on everything that is committed now."""
        evidence = await gather(self.settings, earlier=self.earlier, erased=self.erased)
        self._take(evidence, audit_committed(evidence, self.settings))

    async def audit_end(self, memories: Sequence[Memory]) -> None:
        """Check everything, after the workers have dumped their states and ended."""
        evidence = await gather(self.settings, memories=memories, earlier=self.earlier, erased=self.erased)
        self._take(evidence, audit(evidence, self.settings))

    def _take(self, evidence: Evidence, found: Findings) -> None:
        self._audits += 1
        if found:  # the same seed may not reproduce it, so the evidence is kept
            (self.folder / f"evidence-{self._audits}.pickle").write_bytes(pickle.dumps(evidence))
        self.findings.take(found)


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Play:
    """A scenario, its preparation before the load, and its settings."""

    scenario: Act
    prepare: Act | None = None
    overrides: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Additional settings of the workers, by table."""


async def run(servers: Servers, play: Play, traffic: Traffic, folder: Path, *, name: str, seed: int) -> Result:
    """Run a scenario and audit its result. A worker's failure does not raise an error; it is a finding."""
    began = time.monotonic()
    overrides = _overrides(servers, f"{name}-{seed}-{time.time_ns():x}", folder, play)
    settings = Settings(**overrides)
    findings = Findings()
    random_ = random.Random(seed)  # faults and load depend only on the seed
    load = Load(settings, random.Random(seed), traffic)
    with Fleet(environment_of(overrides), folder, findings) as fleet:
        async with Shop(settings) as shop:
            await create_topics(settings.kafka, changelog=shop.changelog)
            scene = Scene(random_, seed, servers, settings, shop, load, fleet, findings, folder)
            try:
                async with asyncio.timeout(RUN_S):
                    await _play(scene, play)
            except (TimeoutError, AssertionError, KafkaError) as error:
                findings.add("vacuous", f"the run did not finish: {error!r}")
            finally:
                await asyncio.to_thread(servers.proxy.heal)
    if not findings:
        await delete_topics(settings, shop.changelog)
    return Result(name, seed, load.written, scene.faults, findings, time.monotonic() - began)


async def _play(scene: Scene, play: Play) -> None:
    if play.prepare is not None:
        await play.prepare(scene)
    loading = asyncio.create_task(scene.load.run(scene.fleet.is_any_folding))
    try:
        await play.scenario(scene)
        await loading
    finally:
        loading.cancel()
    if not scene.faults:
        scene.findings.add("vacuous", "no fault affected a working worker: the load is too short for this machine")
    await scene.fleet.folding()
    await _caught_up(scene)
    scene.fleet.check()
    memories = await _memories(scene)
    for worker in list(scene.fleet.alive):
        await scene.fleet.leave(worker)
    await scene.audit_end(memories)


async def _memories(scene: Scene) -> list[Memory]:
    """Return the workers' states, once every partition has an owner: a rebalance may still be in progress.

    If a partition stays without one, the audit reports it.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        memories = [await worker.memory() for worker in scene.fleet.alive]
        held = sorted(partition for memory in memories for partition in memory)
        if held == list(range(scene.settings.kafka.partitions)) or time.monotonic() > deadline:
            return memories
        scene.fleet.check()
        await asyncio.sleep(PROGRESS_POLL_S)


async def _caught_up(scene: Scene) -> None:
    """Return once everything is committed, or there is no more progress: the audit then reports what is missing."""
    most, deadline = -1, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and scene.fleet.alive:
        with contextlib.suppress(KafkaError):  # the broker may be restarting
            committed, end = await progress(scene.settings)
            if committed == end:
                return
            if committed > most:
                most, deadline = committed, time.monotonic() + PATIENCE_S
        scene.fleet.check()
        await asyncio.sleep(PROGRESS_POLL_S)


def _overrides(servers: Servers, name: str, folder: Path, play: Play) -> dict[str, dict[str, object]]:
    common: dict[str, dict[str, object]] = {
        "kafka": kafka_overrides(servers, name),
        "streams": {
            "app_id": f"{name}-streams",
            "data_dir": str(folder / "streams"),
            "metrics_port": 0,
            "min_interval_s": 0,
            "transactions": True,
            "transaction_timeout_s": SESSION_TIMEOUT_S,
        },
    }
    tables = common.keys() | play.overrides.keys()
    return {table: {**common.get(table, {}), **play.overrides.get(table, {})} for table in tables}
