"""The worker on a real Kafka while its model or its store fails: no request lost, none made twice, the queue bounded.

The model, the store and the studio are fakes that a test can make fail; the worker, the queue, the pipeline and the
paint server are the real ones. `tests/faults/test_generator_*.py` stops real servers and kills real processes.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.generator.errors import ModelLost, OutOfMemory, PaintingFailed
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.fakes import FakePainter
from bannerstream.generator.pipeline.pipeline import Pipeline
from bannerstream.generator.pipeline.ports import SceneRequest
from bannerstream.generator.serving.paint_server import PaintServer
from bannerstream.generator.serving.supervised import SupervisedModel
from bannerstream.generator.worker.worker import GeneratorWorker
from bannerstream.service.health import Health
from bannerstream.settings import Settings
from tests.support.generator_fakes import Fakes
from tests.support.generator_worker import publish_requests, ready_events, request_for
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.pairs("apache"), pytest.mark.servers("kafka")]


@dataclass
class Shop:
    """A worker's settings, its fakes, and checks of its results."""

    settings: Settings
    fakes: Fakes
    model: FakePainter = field(default_factory=FakePainter)
    metrics: GeneratorMetrics = field(default_factory=lambda: GeneratorMetrics(CollectorRegistry()))

    def pipeline(self) -> Pipeline:
        generator, health = self.settings.generator, Health()
        supervised = SupervisedModel(
            "painter",
            self.model,
            lambda: self.model,
            timeout_s=generator.step_timeout_s,
            after_hang=generator.after_hang,
            health=health,
            on_hang=self.metrics.hangs.labels("painter").inc,
        )
        self.fakes.painter = PaintServer(  # type: ignore[assignment]  # in the place of the fake
            supervised,
            max_batch_size=generator.images_together,
            wait_s=generator.batch_wait_s,
            callers=generator.batches_in_flight,
            metrics=self.metrics,
        )
        preview_composer = self.fakes.preview_composer() if generator.progressive else None
        composer, executor = self.fakes.composer(), self.fakes.executor
        return Pipeline(
            composer, self.fakes.store, executor, now=lambda: 1, preview_composer=preview_composer, health=health
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator["Work"]:
        """Run a worker while the block runs, and stop it cleanly."""
        work = Work(GeneratorWorker(self.settings, self.pipeline(), self.metrics))
        try:
            yield work
        finally:
            work.stop.set()
            await asyncio.wait([work.task], timeout=PATIENCE_S)
        await work.task

    async def until_ready(self, requests: Sequence[BannerRequest], *, revision: int = 1) -> dict[str, BannerReady]:
        """Wait until the banners of all requests are ready, and return their ready events."""
        keys = {request.banner_key for request in requests}
        events = await ready_events(
            self.settings, lambda found: {e.banner_key for e in found if e.revision == revision} >= keys
        )
        return {event.banner_key: event for event in events if event.revision == revision and event.banner_key in keys}

    async def committed(self) -> int:
        """Return how many requests are committed, over all partitions."""
        admin = AIOKafkaAdminClient(**client_options(self.settings.kafka))
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.settings.generator.group_id)
            return sum(offset.offset for offset in offsets.values())
        finally:
            await admin.close()

    def painters(self, requests: Sequence[BannerRequest]) -> set[str]:
        return {self.fakes.store.manifests[request.banner_key].provenance.painter for request in requests}

    def reasons(self, requests: Sequence[BannerRequest]) -> set[str | None]:
        return {self.fakes.store.manifests[request.banner_key].provenance.fallback_reason for request in requests}

    def assert_each_was_made(self, requests: Sequence[BannerRequest], times: int = 1) -> None:
        written = Counter(key for key in self.fakes.store.written if key.startswith("manifests/"))
        assert written == {f"manifests/{request.banner_key}.json": times for request in requests}


class Work:
    """A running worker."""

    def __init__(self, worker: GeneratorWorker) -> None:
        self.worker = worker
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(worker.run(self.stop))


class Held:
    """A fault that blocks the model until `release` is set."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def __call__(self, *_: object) -> None:
        self.release.wait(PATIENCE_S)


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release.set()


MakeShop = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[MakeShop]:
    """Return a function that creates the topics and returns a shop with these settings of `generator`."""
    with ThreadPoolExecutor(4) as executor:

        async def make(**generator: object) -> Shop:
            kafka = settings.kafka.model_copy(update={"session_timeout_s": 6.0})
            changed = settings.generator.model_copy(update={"batch_size": 4} | generator)
            await create_topics(kafka)
            return Shop(settings.model_copy(update={"kafka": kafka, "generator": changed}), Fakes(executor))

        yield make


def requests_of(name: str, count: int = 12) -> list[BannerRequest]:
    return [request_for(f"{name}-{number}") for number in range(count)]


def raises(_: Sequence[SceneRequest]) -> None:
    raise PaintingFailed("no picture of that")


def no_memory(_: Sequence[SceneRequest]) -> None:
    raise OutOfMemory("out of memory for a picture")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(raises, "no picture of that"), (no_memory, "out of memory for a picture")],
    ids=["raises", "out-of-memory"],
)
async def test_while_the_model_fails_the_studio_paints_and_says_why(
    shop: MakeShop, fault: Callable[[Sequence[SceneRequest]], None], reason: str
) -> None:
    here = await shop()
    here.model.fault = fault
    during, after = requests_of("during"), requests_of("after")
    async with here.working():
        await publish_requests(here.settings, during)
        await here.until_ready(during)
        assert (here.painters(during), here.reasons(during)) == ({"fallback"}, {reason})
        here.model.fault = lambda _: None
        await publish_requests(here.settings, after)
        await here.until_ready(after)
    assert (here.painters(after), here.reasons(after)) == ({"fake"}, {None})
    here.assert_each_was_made([*during, *after])
    assert await here.committed() == len(during) + len(after)


async def test_black_pictures_are_painted_by_the_studio(shop: MakeShop) -> None:
    here = await shop()
    here.model.level = lambda _: 0
    requests = requests_of("black")
    async with here.working():
        await publish_requests(here.settings, requests)
        await here.until_ready(requests)
    assert here.painters(requests) == {"fallback"}
    assert here.reasons(requests) == {"the painter returned a black picture"}
    here.assert_each_was_made(requests)


async def test_with_little_memory_the_model_paints_in_smaller_batches(shop: MakeShop) -> None:
    def scarce(scenes: Sequence[SceneRequest]) -> None:
        if len(scenes) > 2:
            raise OutOfMemory(f"out of memory for {len(scenes)} pictures")

    here = await shop(batch_size=8)
    here.model.fault = scarce
    requests = requests_of("large", 16)
    async with here.working():
        await publish_requests(here.settings, requests)
        await here.until_ready(requests)
    assert (here.painters(requests), here.reasons(requests)) == ({"fake"}, {None})
    here.assert_each_was_made(requests)


async def test_while_a_step_hangs_the_studio_paints_and_the_model_comes_back(shop: MakeShop, held: Held) -> None:
    here = await shop(step_timeout_s=1.0)
    here.model.fault = held
    during, after = requests_of("during"), requests_of("after")
    async with here.working():
        await publish_requests(here.settings, during)
        await until(lambda: here.metrics.hangs.labels("painter")._value.get() == 1)
        here.model.fault = lambda _: None
        await here.until_ready(during)
        assert any("did not end within 1 s" in str(reason) for reason in here.reasons(during))
        await publish_requests(here.settings, after)
        await here.until_ready(after)
    assert here.painters(after) == {"fake"}
    here.assert_each_was_made([*during, *after])
    assert await here.committed() == len(during) + len(after)


async def test_a_model_that_hangs_for_good_ends_the_process_with_nothing_lost(shop: MakeShop, held: Held) -> None:
    here = await shop(step_timeout_s=0.5, after_hang="exit")
    here.model.fault = held
    requests = requests_of("stuck")
    await publish_requests(here.settings, requests)
    with pytest.raises(ModelLost, match="did not end within"):
        async with here.working() as work:
            await asyncio.wait([work.task], timeout=PATIENCE_S)
    held.release.set()
    here.model.fault = lambda _: None
    async with here.working():  # the process that the supervisor starts
        await here.until_ready(requests)
    here.assert_each_was_made(requests)
    assert await here.committed() == len(requests)


async def test_a_store_that_refuses_stops_the_intake_and_loses_nothing(shop: MakeShop) -> None:
    here = await shop(queue_size=6, batch_size=2)

    def unavailable(operation: str, _key: str) -> None:
        if operation == "put_manifest":
            raise ServiceUnavailable("the store does not answer")

    here.fakes.store.fault = unavailable
    requests = requests_of("waiting", 30)
    async with here.working() as work:
        await publish_requests(here.settings, requests)
        await until(lambda: here.metrics.paused._value.get() == 1)
        assert work.worker._queue.held == 6
        assert await here.committed() == 0
        here.fakes.store.fault = lambda *_: None
        await here.until_ready(requests)
    here.assert_each_was_made(requests)
    assert await here.committed() == len(requests)


async def test_while_the_model_is_busy_requests_wait_in_kafka_and_the_queue_stays_bounded(
    shop: MakeShop, held: Held
) -> None:
    here = await shop(queue_size=8, batch_size=2, batches_in_flight=1)
    here.model.fault = held
    requests = requests_of("busy", 40)
    most: list[int] = []
    async with here.working() as work:
        await publish_requests(here.settings, requests)
        await until(lambda: here.metrics.paused._value.get() == 1)
        held.release.set()

        def all_made() -> bool:
            most.append(work.worker._queue.held)
            return len(here.fakes.store.manifests) == len(requests)

        await until(all_made)
        await here.until_ready(requests)
    assert max(most) <= 8
    here.assert_each_was_made(requests)
    assert await here.committed() == len(requests)


async def test_over_budget_the_studio_paints_and_says_so(shop: MakeShop) -> None:
    from bannerstream.generator.serving.budget import ImageBudget

    here = await shop()
    here.fakes.budget = ImageBudget(per_hour=8)  # four banners of two sizes
    requests = requests_of("dear")
    async with here.working():
        await publish_requests(here.settings, requests)
        await here.until_ready(requests)
    painted = Counter(manifest.provenance.painter for manifest in here.fakes.store.manifests.values())
    assert painted == {"fake": 4, "fallback": 8}
    assert here.reasons(requests) == {None, "over the budget of 8 pictures an hour"}


async def test_previews_are_announced_while_the_model_is_busy_and_banners_take_their_place(
    shop: MakeShop, held: Held
) -> None:
    here = await shop(progressive=True)
    here.model.fault = held
    requests = requests_of("progressive")
    async with here.working():
        await publish_requests(here.settings, requests)
        await here.until_ready(requests, revision=1)
        assert here.painters(requests) == {"fallback"}
        assert await here.committed() == 0  # a preview does not complete a request
        held.release.set()
        await here.until_ready(requests, revision=2)
    assert here.painters(requests) == {"fake"}
    here.assert_each_was_made(requests, times=2)
    assert await here.committed() == len(requests)


async def test_what_dies_between_the_tiers_makes_the_second_again(shop: MakeShop, held: Held) -> None:
    here = await shop(progressive=True)
    here.model.fault = held
    requests = requests_of("dying", 6)
    dying = Work(GeneratorWorker(here.settings, here.pipeline(), here.metrics))
    await publish_requests(here.settings, requests)
    await here.until_ready(requests, revision=1)
    dying.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying.task
    assert not any(manifest.revision == 2 for manifest in here.fakes.store.manifests.values())
    alive = Shop(here.settings, here.fakes)
    async with alive.working():
        await alive.until_ready(requests, revision=2)
    assert alive.painters(requests) == {"fake"}
    assert await alive.committed() == len(requests)
