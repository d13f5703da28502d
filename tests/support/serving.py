"""Records of the topic of requests, and a model step that hangs."""

import threading
from dataclasses import replace

from aiokafka.structs import ConsumerRecord

from bannerstream.contracts.sizes import RECTANGLE, BannerSize
from bannerstream.generator.pipeline.ports import SceneRequest
from bannerstream.generator.serving.warm_up import warm_up_scenes
from tests.support.waiting import PATIENCE_S

TOPIC = "banner.requests"


def record(offset: int, *, partition: int = 0, value: bytes | None = b"") -> ConsumerRecord:
    return ConsumerRecord(TOPIC, partition, offset, 1000 + offset, 0, b"key", value, None, 0, 0, ())


def scene_request(size: BannerSize = RECTANGLE, *, seed: int = 1) -> SceneRequest:
    (made,) = warm_up_scenes([size])
    return replace(made, seed=seed)


class Hanging:
    """Blocks every caller until `release`, as a hung model step does. `entered` counts the calls."""

    def __init__(self) -> None:
        self.entered = 0
        self._released = threading.Event()

    def __call__(self, *_: object) -> None:
        self.entered += 1
        assert self._released.wait(PATIENCE_S)

    def release(self) -> None:
        self._released.set()
