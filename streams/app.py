"""The Faust app, wired: one agent over clicks and purchases, one table, and what they need around them."""

import logging
from typing import Any

import faust
from prometheus_client import CollectorRegistry

from broker.connection import ssl_context
from broker.topics import changelog_name
from contracts.inputs import Source
from settings import KafkaSettings, Settings, input_forms
from streams.affinity import Policy
from streams.agent import Folder
from streams.batch import Rules
from streams.catalogue_view import CatalogueView
from streams.metrics import StreamsMetrics
from streams.outbox import Outbox
from streams.table import AffinityStore, AffinityTable
from streams.topics import prepare_topics
from streams.transport import AppliedConsumer, Transport

TABLE = "affinity"

COMMIT_INTERVAL_S = 1.0
"""A crash replays at most this much; replays cost time and repeated assignments, nothing else."""

_DAY_MS = 86_400_000


class StreamsApp(faust.App):
    """A Faust app that owns its outbox and its catalogue: both are ready before the first partition is assigned."""

    logger = logging.getLogger("faust.app")  # else Faust's own chatter would come under our name

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        kafka, streams = settings.kafka, settings.streams
        super().__init__(streams.app_id, **_faust_options(settings))
        topics = kafka.topic_table()
        self._kafka = kafka
        self._changelog = changelog_name(streams.app_id)
        self._metrics = metrics = StreamsMetrics(registry)
        self.catalogue = CatalogueView(kafka, creative_revision=settings.generator.creative_revision)
        self.outbox = Outbox(
            kafka,
            topics,
            self._changelog,
            source=f"bannerstream/streams/{streams.app_id}",
            ttl_s=streams.request_ttl_s,
            metrics=metrics,
        )
        sources: dict[str, Source] = {topics.clicks.name: "clicks", topics.purchases.name: "purchases"}
        folder = Folder(sources, _rules(settings), self.catalogue.current, self.outbox, metrics)
        inputs = self.topic(*sources, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        table = AffinityTable(self, name=TABLE, key_type=bytes, value_type=bytes)
        self.tables.add(table)

        @self.agent(inputs, name=TABLE)
        async def update_affinity(stream: Any) -> None:
            """Fold clicks and purchases into the affinity table; emit what changed."""
            async for events in stream.take_events(streams.batch_size, within=streams.batch_wait_s):
                try:
                    await folder.fold(events, _consumer(self), _store(table))
                except Exception as error:
                    await self.crash(error)

    async def on_start(self) -> None:
        """Check the topics, read the catalogue, connect the outbox; then let Faust start."""
        await prepare_topics(self._kafka, self._changelog)
        await self.catalogue.start()
        self._metrics.catalog_products.set(len(self.catalogue.current().products))
        await self.outbox.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Let what is under way end, commit it, and leave the group."""
        self.outbox.abandon()
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Disconnect, once nothing runs any more."""
        await super().on_shutdown()
        await self.outbox.close()
        await self.catalogue.stop()

    def _create_directories(self) -> None:
        self.conf.tabledir.mkdir(parents=True, exist_ok=True)  # Faust would want its parents to be there

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


def create_app(settings: Settings, registry: CollectorRegistry | None = None) -> StreamsApp:
    """Return the app for these settings; its metrics go to `registry`, or to one of their own.

    Raises:
        ConfigurationError: a certificate cannot be used, or the limits let a state outgrow a Kafka record.
    """
    return StreamsApp(settings, registry or CollectorRegistry())


def _consumer(app: StreamsApp) -> AppliedConsumer:
    consumer = app.consumer
    assert isinstance(consumer, AppliedConsumer)  # it comes from `_new_transport`
    return consumer


def _store(table: AffinityTable) -> AffinityStore:
    store = table.data
    assert isinstance(store, AffinityStore)  # it comes from `_new_store`
    return store


def _rules(settings: Settings) -> Rules:
    streams = settings.streams
    policy = Policy(
        half_life_ms=max(1, round(streams.half_life_days * _DAY_MS)),
        margin=streams.margin,
        min_interval_ms=round(streams.min_interval_s * 1000),
        suppress_ms=max(1, round(streams.suppress_days * _DAY_MS)),
        products_per_cohort=streams.products_per_cohort,
        max_cohorts=streams.max_cohorts,
    )
    return Rules(
        policy=policy,
        secret=settings.privacy.user_key_secret.get_secret_value().encode(),
        formats=input_forms(settings.input),
        max_future_ms=round(settings.input.max_future_s * 1000),
        max_age_ms=round(settings.input.max_age_days * _DAY_MS),
    )


def _faust_options(settings: Settings) -> dict[str, Any]:
    kafka, streams = settings.kafka, settings.streams
    return {
        "broker": [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": min(3.0, kafka.session_timeout_s / 3),
        "broker_commit_interval": COMMIT_INTERVAL_S,
        "consumer_auto_offset_reset": "earliest",
        "store": "memory://",
        "datadir": streams.data_dir,
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": True,
        "stream_buffer_maxsize": 2 * streams.batch_size,
        "web_enabled": False,
        "autodiscover": False,
        "logging_config": None,
    }


def _credentials(kafka: KafkaSettings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    context = ssl_context(kafka)
    if kafka.security_protocol == "SASL_SSL" and kafka.sasl_password is not None:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
