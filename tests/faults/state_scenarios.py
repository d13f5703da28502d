"""Scenarios with other stores, standbys, erasures or an experiment."""

import time
from collections.abc import Awaitable, Callable

from bannerstream.broker.erasure import request_erasure
from bannerstream.contracts.keys import user_key
from tests.faults.run import Play, Scene
from tests.faults.scenarios import fleet, kill
from tests.support.consumer_group import offsets, progress
from tests.support.waiting import until


async def erasure(scene: Scene) -> None:
    """Erase every seventh visitor once all their events are committed, and kill the worker meanwhile."""
    scene.fleet.start()
    await scene.fleet.folding()
    await scene.load.reached(scene.random.uniform(0.2, 0.5))
    erased = scene.load.retire(every=7)
    _, end = await progress(scene.settings)
    await until(_committed(scene, end), "the events of retired visitors are committed")
    secret = scene.settings.privacy.user_key_secret.get_secret_value().encode()
    for number, user_id in enumerate(erased):
        key = user_key(user_id, secret)
        scene.erased.add(key)
        await request_erasure(scene.settings.kafka, user_id, key, time.time_ns() // 1_000_000)
        if number == len(erased) // 2:
            scene.fleet.kill(scene.fleet.alive[0])
            scene.faults += 1
            scene.fleet.start()
    await until(_erasures_are_committed(scene), "the erasures are committed")


def _erasures_are_committed(scene: Scene) -> Callable[[], Awaitable[bool]]:
    topic = scene.settings.kafka.topic_table().erasures.name

    async def are_they() -> bool:
        committed, ends = await offsets(scene.settings, topic)
        return committed == ends

    return are_they


def _committed(scene: Scene, count: int) -> Callable[[], Awaitable[bool]]:
    async def are_they() -> bool:
        committed, _ = await progress(scene.settings)
        return committed >= count

    return are_they


_ROCKSDB = {"streams": {"store": "rocksdb"}}
_STANDBYS = {"streams": {"standbys": 1}}
_EXPERIMENT = {"experiments": {"variants": ["open-bold-natural", "panel-light-airy"]}}

STATE_PLAYS: dict[str, Play] = {
    "erasure": Play(erasure),
    "rocksdb-kill": Play(kill, overrides=_ROCKSDB),
    "rocksdb-fleet": Play(fleet, overrides=_ROCKSDB),
    "standbys-fleet": Play(fleet, overrides=_STANDBYS),
    "standbys-kill": Play(kill, overrides=_STANDBYS),
    "experiment-kill": Play(kill, overrides=_EXPERIMENT),
}
