"""The scenarios of streams. The seed determines the faults and at which part of the load they happen."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from bannerstream.devservers.toxiproxy import Stream, Toxic
from tests.faults.earlier import every_visitor, many_visitors
from tests.faults.fleet import Strike, Worker
from tests.faults.result import SESSION_TIMEOUT_S
from tests.faults.run import Play, Scene
from tests.support.consumer_group import members, offsets, progress
from tests.support.waiting import until

_STREAMS: tuple[Stream, ...] = ("upstream", "downstream")
_STRIKES = ("before-flush", "after-flush", "before-publish", "before-commit", "after-commit")


def _moments(random_: random.Random, count: int, last: float = 0.85) -> list[float]:
    return sorted(random_.uniform(0.05, last) for _ in range(count))


async def kill(scene: Scene) -> None:
    """Kill one worker three times and restart it; with half of the seeds, it kills itself at one of its requests.

    After each kill, the committed offsets are compared with the written records.
    """
    if scene.seed % 2 == 0:
        for moment in _moments(scene.random, 3):
            worker = scene.fleet.alive[0] if scene.fleet.alive else scene.fleet.start()
            await scene.load.reached(moment)
            await scene.fleet.folding()
            scene.fleet.kill(worker)
            scene.faults += 1
            await scene.audit_now()
            scene.fleet.start()
        return
    when = _STRIKES[scene.seed // 2 % len(_STRIKES)]
    for _ in range(3):
        nth = scene.random.randint(1, 3 if when.endswith("commit") else 6)
        worker = scene.fleet.start(Strike(when, nth))
        if not await _struck(scene, worker):
            break  # it caught up before that request, and continues as the last worker
        scene.faults += 1
        await scene.audit_now()
    else:
        scene.fleet.start()


async def fleet(scene: Scene) -> None:
    """Workers join, leave (SIGTERM) and die (SIGKILL); between one and three are alive."""
    scene.fleet.start()
    scene.fleet.start()
    await scene.fleet.folding()
    for moment in _moments(scene.random, 6):
        await scene.load.reached(moment)
        if scene.random.random() < 0.7:  # otherwise the last started worker may still be joining
            await scene.fleet.folding()
        count = len(scene.fleet.alive)
        action = scene.random.choice(["join"] * (3 - count) + ["leave", "die"] * (count - 1))
        if action == "join":
            scene.fleet.start()
        elif action == "leave":
            await scene.fleet.leave(scene.fleet.pick(scene.random))
        else:
            scene.fleet.kill(scene.fleet.pick(scene.random))
        scene.faults += 1
    await scene.audit_now()


async def pause(scene: Scene) -> None:
    """Stop one of two workers (SIGSTOP) until the other has taken over and made progress; then continue it."""
    await scene.load.reached(_moments(scene.random, 1, last=0.4)[0])
    paused = scene.fleet.pick(scene.random)
    paused.send(signal.SIGSTOP)
    await _taken_over(scene)
    await _wake(scene, paused)


async def two_workers(scene: Scene) -> None:
    """Start two workers before the load: on a busy machine it could end while the second still joins."""
    for _ in range(2):
        scene.fleet.start()
    await scene.fleet.folding()


async def pause_in_flush(scene: Scene) -> None:
    """The same, but the worker stops itself right before a changelog write or the end of a transaction goes out."""
    when = scene.random.choice(("before-flush", "before-commit"))
    paused = scene.fleet.start(Strike(when, scene.random.randint(2, 6), "STOP"))
    scene.fleet.start()

    await until(paused.is_stopped, "the worker stops itself")
    await _taken_over(scene)
    await _wake(scene, paused)


async def broker_restart(scene: Scene) -> None:
    """Stop the broker cleanly or kill it, and restart it."""
    scene.fleet.start()
    await scene.fleet.folding()
    await scene.load.reached(_moments(scene.random, 1, last=0.6)[0])
    await scene.servers.restart_kafka(scene.random, cleanly=scene.seed % 2 == 1)
    scene.faults += 1


async def cut(scene: Scene) -> None:
    """The worker's connections are closed and refused, reset, or blocked, for up to five seconds."""
    scene.fleet.start(bootstrap=scene.proxied)
    await scene.fleet.folding()
    proxy = scene.servers.proxy
    for moment in _moments(scene.random, 3):
        await scene.load.reached(moment)
        strikes: list[Callable[[], None]] = [
            proxy.cut,
            partial(proxy.add, "reset_peer", timeout=0),
            partial(proxy.add, "timeout", "upstream", timeout=0),
            partial(proxy.add, "timeout", "downstream", timeout=0),
        ]
        await asyncio.to_thread(scene.random.choice(strikes))
        await asyncio.sleep(scene.random.uniform(0.2, 5))
        await asyncio.to_thread(proxy.heal)
        scene.faults += 1


async def deaf(scene: Scene) -> None:
    """The worker's requests arrive, the broker's responses do not, and then the broker restarts.

    So the worker discards writes that are in the changelog, and the group does not notice, because a restarted broker
    begins every member's session again.
    """
    worker = scene.fleet.start(bootstrap=scene.proxied)
    await scene.fleet.folding()
    await scene.load.reached(_moments(scene.random, 1, last=0.6)[0])
    await asyncio.to_thread(scene.servers.proxy.add, "timeout", "downstream", timeout=0)
    await asyncio.sleep(scene.random.uniform(0.5, 0.9) * SESSION_TIMEOUT_S)
    await asyncio.to_thread(scene.servers.kafka.stop)
    await asyncio.to_thread(scene.servers.start_kafka_again)
    await asyncio.to_thread(scene.servers.proxy.heal)

    await until(worker.gave_up, "the worker discards what it could not write")
    scene.faults += 1


async def slow(scene: Scene) -> None:
    """The network has a latency of 0.2 to 0.8 s, then a bandwidth of 50 kB/s, then splits data into small pieces."""
    scene.fleet.start(bootstrap=scene.proxied)
    await scene.fleet.folding()
    proxy = scene.servers.proxy
    for moment in _moments(scene.random, 2, last=0.6):
        await scene.load.reached(moment)
        slowed: tuple[tuple[Toxic, dict[str, int]], ...] = (
            ("latency", {"latency": 500, "jitter": 300}),
            ("bandwidth", {"rate": 50}),
            ("slicer", {"average_size": 200, "size_variation": 100, "delay": 1_000}),
        )
        for toxic, attributes in slowed:
            stream: Stream = scene.random.choice(_STREAMS)
            await asyncio.to_thread(proxy.add, toxic, stream, **attributes)
            await asyncio.sleep(1.5)
            await asyncio.to_thread(proxy.heal)
        scene.faults += 1


async def refused(scene: Scene) -> None:
    """The broker rejects every record of the changelog, and then of the assignments, for its size."""
    scene.fleet.start()
    await scene.fleet.folding()
    for topic, moment in zip(
        (scene.shop.changelog, scene.shop.topics.assignments.name), _moments(scene.random, 2), strict=True
    ):
        await scene.load.reached(moment)
        # Smaller than any record, and not than the 78 bytes of a transaction's end: Kafka never writes that again.
        async with _altered(scene, "topics", topic, "max.message.bytes", "100"):
            before = len(await scene.shop.read(topic))
            await asyncio.sleep(2)
            if len(await scene.shop.read(topic)) == before:
                scene.faults += 1


async def throttled(scene: Scene) -> None:
    """A quota limits the worker's writes to 20 kB/s: the broker delays responses and mutes its connections."""
    scene.fleet.start()
    await scene.fleet.folding()
    await scene.load.reached(_moments(scene.random, 1, last=0.5)[0])
    async with _altered(scene, "clients", "bannerstream", "producer_byte_rate", "20000"):
        await asyncio.sleep(6)
    scene.faults += 1


async def join_in_recovery(scene: Scene) -> None:
    """A worker joins while another, on a slow network, reads a changelog of 50,000 records; later it leaves.

    So partitions are revoked from the first worker while it reads them, and assigned to it again.
    """
    await asyncio.to_thread(scene.servers.proxy.add, "bandwidth", rate=250)
    scene.fleet.start(bootstrap=scene.proxied)

    async def knows(count: int) -> bool:
        return await members(scene.settings) == count

    await until(lambda: knows(1), "the first is a member")
    second = scene.fleet.start()
    await until(lambda: knows(2), "the second is a member")
    committed, _ = await progress(scene.settings)
    scene.faults += committed == 0  # otherwise the first worker has already read everything
    await asyncio.to_thread(scene.servers.proxy.heal)
    await scene.fleet.folding()
    await scene.load.reached(_moments(scene.random, 1)[0])
    await scene.fleet.leave(second)


async def earlier_version(scene: Scene) -> None:
    """The changelog holds states of version 1 for every visitor; the worker is killed once during the load."""
    worker = scene.fleet.start()
    await scene.fleet.folding()
    await scene.load.reached(_moments(scene.random, 1)[0])
    scene.fleet.kill(worker)
    scene.faults += 1
    scene.fleet.start()


PLAYS: dict[str, Play] = {
    "kill": Play(kill),
    "fleet": Play(fleet),
    "pause": Play(pause, prepare=two_workers),
    "pause-in-flush": Play(pause_in_flush),
    "broker-restart": Play(broker_restart),
    "cut": Play(cut),
    "deaf": Play(deaf),
    "slow": Play(slow),
    "refused": Play(refused),
    "throttled": Play(throttled),
    "join-in-recovery": Play(join_in_recovery, prepare=many_visitors),
    "earlier-version": Play(earlier_version, prepare=every_visitor),
}


async def _struck(scene: Scene, worker: Worker) -> bool:
    """Return whether the worker killed itself; it may have folded everything before that."""

    async def either() -> bool:
        return scene.fleet.died(worker) or (scene.load.is_done and await _is_caught_up(scene))

    with contextlib.suppress(AssertionError):  # neither within the deadline: the audit shows what is missing
        await until(either, "the worker kills itself, or has folded everything")
    return worker not in scene.fleet.alive


async def _is_caught_up(scene: Scene) -> bool:
    committed, end = await progress(scene.settings)
    return committed == end


async def _taken_over(scene: Scene) -> None:
    """Return once the live worker is alone in the group and has committed what was written to any partition by now."""

    async def it_is_alone() -> bool:
        return await members(scene.settings) == 1

    await until(it_is_alone, "the group removes the stopped worker")
    _, ends = await offsets(scene.settings)

    async def all_is_committed() -> bool:
        committed, _ = await offsets(scene.settings)
        return all(committed[tp] >= end for tp, end in ends.items())

    await until(all_is_committed, "the other worker takes over")
    scene.faults += 1


async def _wake(scene: Scene, paused: Worker) -> None:
    """Continue the worker, and return once it has partitions again; until then it reports its old ones."""
    before = paused.recoveries()
    paused.send(signal.SIGCONT)

    def it_has_recovered() -> bool:
        scene.fleet.check()
        return paused.recoveries() > before

    await until(it_has_recovered, "the paused worker has partitions again")


@asynccontextmanager
async def _altered(scene: Scene, kind: str, name: str, option: str, value: str) -> AsyncIterator[None]:
    where = ("--entity-type", kind, "--entity-name", name)
    await asyncio.to_thread(scene.servers.kafka.alter_config, *where, "--add-config", f"{option}={value}")
    try:
        yield
    finally:
        await asyncio.to_thread(scene.servers.kafka.alter_config, *where, "--delete-config", option)
