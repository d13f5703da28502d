"""The scenarios of the whole chain. The seed determines the faults and at which part of the load they happen."""

import asyncio
import random
from functools import partial

from tests.faults.chain.faulty_store import FAILURES, Failure
from tests.faults.chain.run import ChainPlay, ChainScene
from tests.faults.chain.services import SERVICES
from tests.support.waiting import until


def _moments(random_: random.Random, count: int, last: float = 0.9) -> list[float]:
    return sorted(random_.uniform(0.05, last) for _ in range(count))


async def store_fails(scene: ChainScene, failure: Failure) -> None:
    """The store fails in one way, for a third to all of its responses, three times until a request has met it."""
    for moment in _moments(scene.random, 3):
        await scene.visitors.reached(moment)
        before = scene.store.failed
        scene.store.fail(failure, scene.random.uniform(0.3, 1.0))
        await asyncio.sleep(scene.random.uniform(1.0, 2.5))
        await until(partial(_has_failed_since, scene, before), "somebody meets the store's failure")
        scene.store.heal()


def _has_failed_since(scene: ChainScene, before: int) -> bool:
    return scene.store.failed > before


async def killed(scene: ChainScene, module: str) -> None:
    """Kill one process of a service and restart it, four times."""
    names = [name for name, run_module in SERVICES.items() if run_module == module]
    for moment in _moments(scene.random, 4):
        await scene.visitors.reached(moment)
        name = scene.random.choice(names)
        scene.services.kill(name)
        scene.faults += 1
        await asyncio.sleep(scene.random.uniform(0.0, 1.5))
        scene.services.start(name)


async def cdn_down(scene: ChainScene) -> None:
    """The CDN rejects purges twice, and a purger is killed meanwhile."""
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
    """Stop the broker cleanly or kill it while all services run, and restart it."""
    await scene.visitors.reached(_moments(scene.random, 1, last=0.6)[0])
    await scene.servers.restart_kafka(scene.random, cleanly=scene.seed % 2 == 1)
    scene.faults += 1


async def anything(scene: ChainScene) -> None:
    """Kill or stop any process and restart it, six times."""
    for moment in _moments(scene.random, 6):
        await scene.visitors.reached(moment)
        name = scene.random.choice(list(SERVICES))
        if scene.random.random() < 0.5:
            scene.services.kill(name)
        elif name in scene.services.running:
            await scene.services.stop(name)
        scene.faults += 1
        scene.services.start(name)


async def clocks_jump(scene: ChainScene) -> None:
    """The clocks of an edge node, of streams and of a generator jump by up to a quarter of an hour, eight times."""
    for moment in _moments(scene.random, 8):
        await scene.visitors.reached(moment)
        scene.services.set_clock(scene.random.choice(sorted(WITH_OWN_CLOCK)), scene.random.randint(-900, 900))
        scene.faults += 1


WITH_OWN_CLOCK = frozenset({"edge-2", "streams-1", "generator-1"})

CHAIN_PLAYS: dict[str, ChainPlay] = {
    **{f"chain-store-{failure}": ChainPlay(partial(store_fails, failure=failure)) for failure in FAILURES},
    "chain-generator-kill": ChainPlay(partial(killed, module="generator")),
    "chain-edge-kill": ChainPlay(partial(killed, module="edge")),
    "chain-cdn-down": ChainPlay(cdn_down),
    "chain-broker-restart": ChainPlay(broker_restarts),
    "chain-clocks": ChainPlay(clocks_jump, WITH_OWN_CLOCK),
    "chain-anything": ChainPlay(anything),
}
