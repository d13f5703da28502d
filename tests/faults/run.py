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
    """What a scenario plays with. It counts each fault that hit a worker at work in `faults`."""

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
    """States that the scenario put into the changelog before the first worker."""
    erased: set[str] = field(default_factory=set)
    """User keys of visitors whose erasure the scenario asked for."""
    _audits: int = 0

    @property
    def proxied(self) -> str:
        """Where a worker must bootstrap for its connections to go through the proxy."""
        return self.servers.proxy.address

    async def audit_now(self) -> None:
        """Check what must be true of all that is committed, at this moment."""
        evidence = await gather(self.settings, earlier=self.earlier, erased=self.erased)
        self._take(evidence, audit_committed(evidence, self.settings))

    async def audit_end(self, memories: Sequence[Memory]) -> None:
        """Check everything; the workers have told their memories and are gone."""
        evidence = await gather(self.settings, memories=memories, earlier=self.earlier, erased=self.erased)
        self._take(evidence, audit(evidence, self.settings))

    def _take(self, evidence: Evidence, found: Findings) -> None:
        self._audits += 1
        if found:  # a fault may not come again under the same seed: keep what there is to look at
            (self.folder / f"evidence-{self._audits}.pickle").write_bytes(pickle.dumps(evidence))
        self.findings.take(found)


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Play:
    """A scenario, and what comes before its load."""

    scenario: Act
    prepare: Act | None = None
    streams: Mapping[str, object] = field(default_factory=dict)
    """Settings of the workers, besides those of every run."""


async def run(servers: Servers, play: Play, traffic: Traffic, folder: Path, *, name: str, seed: int) -> Result:
    """Play a scenario and audit what is left. Never raises for what a worker did: that is a finding."""
    began = time.monotonic()
    overrides = _overrides(servers, f"{name}-{seed}-{time.time_ns():x}", folder, play.streams)
    settings = Settings(**overrides)
    findings = Findings()
    random_ = random.Random(seed)  # the same for the faults as for the load: a seed says all
    load = Load(settings, random.Random(seed), traffic)
    with Fleet(environment_of(overrides), folder, findings) as fleet:
        async with Shop(settings) as shop:
            await create_topics(settings.kafka, changelog=shop.changelog)
            scene = Scene(random_, seed, servers, settings, shop, load, fleet, findings, folder)
            try:
                async with asyncio.timeout(RUN_S):
                    await _play(scene, play)
            except (TimeoutError, AssertionError, KafkaError) as error:
                findings.add("vacuous", f"the run did not come to its end: {error!r}")
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
        scene.findings.add("vacuous", "no fault hit a worker at work: the load is too short for this machine")
    await scene.fleet.folding()
    await _caught_up(scene)
    scene.fleet.check()
    memories = await _memories(scene)
    for worker in list(scene.fleet.alive):
        await scene.fleet.leave(worker)
    await scene.audit_end(memories)


async def _memories(scene: Scene) -> list[Memory]:
    """Return what the workers hold, once each partition is somebody's: a rebalance may still be under way.

    If that does not come to be, the audit tells who holds what.
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
    """Return once all is committed, or nothing more will be: the audit tells what is missing."""
    most, deadline = -1, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and scene.fleet.alive:
        with contextlib.suppress(KafkaError):  # a broker that is just coming back
            committed, end = await progress(scene.settings)
            if committed == end:
                return
            if committed > most:
                most, deadline = committed, time.monotonic() + PATIENCE_S
        scene.fleet.check()
        await asyncio.sleep(PROGRESS_POLL_S)


def _overrides(
    servers: Servers, name: str, folder: Path, streams: Mapping[str, object]
) -> dict[str, dict[str, object]]:
    return {
        "kafka": kafka_overrides(servers, name),
        "streams": {
            "app_id": f"{name}-streams",
            "data_dir": str(folder / "streams"),
            "metrics_port": 0,
            "min_interval_s": 0,
            "transaction_timeout_s": SESSION_TIMEOUT_S,
            **streams,
        },
    }
