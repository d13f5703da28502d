"""The faults of the whole chain; a seed determines which come, and at which part of the load."""

import asyncio
import random
from functools import partial

from tests.faults.chain.faulty_store import FAILURES, Failure
from tests.faults.chain.run import Act, ChainScene
from tests.faults.chain.services import SERVICES


def _moments(random_: random.Random, count: int, last: float = 0.9) -> list[float]:
    return sorted(random_.uniform(0.05, last) for _ in range(count))


async def store_fails(scene: ChainScene, failure: Failure) -> None:
    """The store fails in one way, for a third to all of its responses, three times for a second or two."""
    for moment in _moments(scene.random, 3):
        await scene.visitors.reached(moment)
        scene.store.fail(failure, scene.random.uniform(0.3, 1.0))
        await asyncio.sleep(scene.random.uniform(1.0, 2.5))
        scene.store.heal()


async def killed(scene: ChainScene, module: str) -> None:
    """SIGKILL one of the processes of a service at a time and start it again, four times."""
    names = [name for name, each in SERVICES.items() if each == module]
    for moment in _moments(scene.random, 4):
        await scene.visitors.reached(moment)
        name = scene.random.choice(names)
        scene.services.kill(name)
        scene.faults += 1
        await asyncio.sleep(scene.random.uniform(0.0, 1.5))
        scene.services.start(name)


async def cdn_down(scene: ChainScene) -> None:
    """The CDN refuses purges twice, and a purger is killed meanwhile."""
    for moment in _moments(scene.random, 2):
        await scene.visitors.reached(moment)
        scene.cdn.is_down = True
        name = scene.random.choice(["purger-1", "purger-2"])
        scene.services.kill(name)
        scene.faults += 1
        await asyncio.sleep(scene.random.uniform(0.5, 2.0))
        scene.services.start(name)
        scene.cdn.is_down = False


async def broker_restarts(scene: ChainScene) -> None:
    """The broker goes away, in order or by SIGKILL, under all services, and comes back."""
    await scene.visitors.reached(_moments(scene.random, 1, last=0.6)[0])
    kafka = scene.servers.kafka
    assert kafka.process is not None
    await asyncio.to_thread(kafka.stop if scene.seed % 2 else kafka.process.kill)
    await asyncio.sleep(scene.random.choice([0, 4]))
    await asyncio.to_thread(scene.servers.start_kafka_again)
    scene.faults += 1


async def anything(scene: ChainScene) -> None:
    """Any process is killed or stopped and started again, six times."""
    for moment in _moments(scene.random, 6):
        await scene.visitors.reached(moment)
        name = scene.random.choice(list(SERVICES))
        if scene.random.random() < 0.5:
            scene.services.kill(name)
        elif name in scene.services.running:
            await scene.services.stop(name)
        scene.faults += 1
        scene.services.start(name)


CHAIN_PLAYS: dict[str, Act] = {
    **{f"chain-store-{failure}": partial(store_fails, failure=failure) for failure in FAILURES},
    "chain-generator-kill": partial(killed, module="generator"),
    "chain-edge-kill": partial(killed, module="edge"),
    "chain-cdn-down": cdn_down,
    "chain-broker-restart": broker_restarts,
    "chain-anything": anything,
}
