"""The Faust app: one agent over clicks and purchases, one table, and the services around them."""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec

from prometheus_client import CollectorRegistry

from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.topics import internal_topics
from bannerstream.contracts.errors import BannerstreamError, ConfigurationError
from bannerstream.contracts.inputs import Source
from bannerstream.settings import Settings, input_forms
from bannerstream.streams.affinity import FAVOURITES, Policy
from bannerstream.streams.affinity.decision import Draw
from bannerstream.streams.agents import affinity_agent
from bannerstream.streams.batch import Rules
from bannerstream.streams.batching import BatchApp, Checkpoint, RocksStore
from bannerstream.streams.catalogue_view import CatalogueView
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.layout import STATE_VERSION
from bannerstream.streams.columnar.states import Version
from bannerstream.streams.connection import connected_producer, connected_reader, faust_options, transactional_producers
from bannerstream.streams.erasure import ErasureProcessor, IdleSweep
from bannerstream.streams.event_processor import EventProcessor
from bannerstream.streams.letter_cap import LetterCap
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outbox import Outbox
from bannerstream.streams.recent_keys import RecentKeys
from bannerstream.streams.repartition import Repartitioner
from bannerstream.streams.topics import prepare_topics
from bannerstream.streams.worker_identity import WorkerIdentity

TABLE = "affinity"

_DAY_MS = 86_400_000


class StreamsApp(BatchApp):
    """The Faust app with its outbox and catalogue; both are ready before the first partition is assigned."""

    def __init__(self, settings: Settings, registry: CollectorRegistry, identity: WorkerIdentity) -> None:
        kafka, streams = settings.kafka, settings.streams
        super().__init__(
            streams.app_id,
            connect_producer=lambda: connected_producer(settings),
            connect_reader=lambda: connected_reader(settings.kafka),
            connect_transactional=transactional_producers(settings),
            on_connected=throttle_empty_fetches,
            **faust_options(settings, identity),
        )
        topics = kafka.topic_table()
        self._settings = settings
        self._metrics = metrics = StreamsMetrics(registry)
        recently_requested = RecentKeys(streams.request_ttl_s)
        self.catalogue = CatalogueView(
            kafka,
            creative_revision=settings.generator.creative_revision,
            # Only where they influence the picture: a new top product then repaints its cohort's banners.
            favourites=FAVOURITES if settings.generator.personal else 0,
            on_offered_again=recently_requested.clear,
        )
        outbox = Outbox(
            self.bulk_producer,
            topics,
            source=f"bannerstream/streams/{streams.app_id}",
            recently_requested=recently_requested,
            metrics=metrics.outbox,
        )
        sources: dict[str, Source] = {topics.clicks.name: "clicks", topics.purchases.name: "purchases"}
        # Here, and not where this module is imported: it takes numpy.
        from bannerstream.streams.decision_sweep import DecisionSweep  # noqa: PLC0415
        from bannerstream.streams.experiments.results import choose_draw  # noqa: PLC0415
        from bannerstream.streams.ready_banners import ReadyBanners  # noqa: PLC0415

        draw, self._results = choose_draw(settings, self.catalogue.current, registry)
        rules = _rules(settings, draw)
        letters = LetterCap(streams.dead_letters_per_visitor, metrics)
        events = EventProcessor(sources, rules, self.catalogue.current, metrics, letters.kept)
        erasures = topics.erasures.name
        eraser = ErasureProcessor(self, erasures, rules.user_keys, metrics)
        sweep = IdleSweep(self, erasures, round(streams.forget_after_days * _DAY_MS), metrics)
        self._ready = ReadyBanners(kafka)
        decision_sweep = DecisionSweep(
            self,
            self.catalogue.current,
            rules,
            ready=self._ready,
            recently_requested=recently_requested,
            metrics=metrics,
            announce_all=streams.announce_decisions,
        )
        self.write_behind(
            TABLE,
            _opens_states(settings, rules, identity),
            publish=outbox.publish,
            publish_first=outbox.publish_letters,
            published=outbox.published,
            max_decoded=streams.warm_states,
            on_checkpoint=self._count,
        )

        repartitioned = internal_topics(streams)["repartitioned"]
        inputs = [*sources, erasures] if repartitioned is None else [repartitioned, erasures]
        self._following: asyncio.Task[None] | None = None
        self._repartitioner = None if repartitioned is None else Repartitioner(settings, metrics, self._copying_failed)

        agent = affinity_agent(
            self, erasures_topic=erasures, events=events, erasures=eraser, sweep=sweep, decision_sweep=decision_sweep
        )
        self.agent(self.topic(*inputs, key_type=bytes, value_type=bytes), name=TABLE)(agent)

    async def on_start(self) -> None:
        """Check the topics and read the catalogue; then start Faust."""
        await prepare_topics(self._settings.kafka, **internal_topics(self._settings.streams))
        await self.catalogue.start()
        self._following = asyncio.create_task(self._ready.run(), name="ready banners")
        if self._results is not None:
            await self._results.start()
        self._metrics.catalog_products.set(len(self.catalogue.current().products))
        if self._repartitioner is not None:
            await self._repartitioner.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Finish copying and folding what is in flight; then leave the groups."""
        if self._repartitioner is not None:
            await self._repartitioner.stop()
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Disconnect after everything has stopped."""
        await super().on_shutdown()
        await self.catalogue.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self._results is not None:
            await self._results.stop()

    async def _copying_failed(self, error: BaseException) -> None:
        if isinstance(error, BannerstreamError):
            self.end(error)
        else:
            await self.crash(error)

    def _count(self, checkpoint: Checkpoint) -> None:
        self._metrics.flush.labels("states").observe(checkpoint.state_s)
        if checkpoint.effect_s is not None:
            self._metrics.flush.labels("decisions").observe(checkpoint.effect_s)
        self._metrics.states_written.inc(checkpoint.states)
        self._metrics.users.set(len(self.written.partitions_here))


def create_app(settings: Settings, identity: WorkerIdentity, registry: CollectorRegistry | None = None) -> StreamsApp:
    """Return the app for these settings; its metrics go to `registry`, or to a new one.

    Raises:
        ConfigurationError: a certificate cannot be used, or the limits let a state outgrow a Kafka record.
    """
    return StreamsApp(settings, registry or CollectorRegistry(), identity)


def _opens_states(settings: Settings, rules: Rules, identity: WorkerIdentity) -> Callable[[int], ColumnarStates]:
    streams, policy = settings.streams, rules.policy
    version: Version = 3 if streams.write_state_version == STATE_VERSION else 2
    if streams.store == "memory":
        return lambda _: ColumnarStates(policy, version=version)
    if find_spec("rocksdict") is None:
        raise ConfigurationError('streams.store = "rocksdb" needs a package: pip install "bannerstream[rocksdb]"')

    def on_disk(partition: int) -> ColumnarStates:
        store = RocksStore(identity.folder / "states" / str(partition))
        return ColumnarStates(policy, store, durable=True, version=version)

    return on_disk


def _rules(settings: Settings, draw: Draw) -> Rules:
    streams = settings.streams
    policy = Policy(
        half_life_ms=max(1, round(streams.half_life_days * _DAY_MS)),
        margin=streams.margin,
        min_interval_ms=round(streams.min_interval_s * 1000),
        suppress_ms=max(1, round(streams.suppress_days * _DAY_MS)),
        products_per_user=streams.products_per_user,
        duplicate_window=streams.duplicate_window,
        max_cohorts=streams.max_cohorts,
    )
    return Rules(
        policy=policy,
        secret=settings.privacy.user_key_secret.get_secret_value().encode(),
        formats=input_forms(settings.input),
        max_future_ms=round(settings.input.max_future_s * 1000),
        max_age_ms=round(settings.input.max_age_days * _DAY_MS),
        max_record_bytes=settings.input.max_record_bytes,
        max_products=settings.input.max_products,
        draw=draw,
    )
