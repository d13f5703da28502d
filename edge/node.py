"""One edge node: everything that its routes share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from prometheus_client import CollectorRegistry

from bannerstream.broker.errors import REFUSALS
from bannerstream.broker.lasting_view import LastingView
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Refusal
from bannerstream.contracts.refusals import GATE_CODES, refused_now
from bannerstream.edge.broker_clock import BrokerClock
from bannerstream.edge.bucket_probe import BucketProbe
from bannerstream.edge.connections import Hub
from bannerstream.edge.feedback_tokens import FeedbackTokens, ReplayGuard, feedback_rate
from bannerstream.edge.identity import Identity
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.outbox import Outbox, Sink
from bannerstream.edge.pictures import Bucket, Pictures
from bannerstream.edge.report_records import ReportRecords, check_formats
from bannerstream.edge.resolver import BannerResolver, ProductCard, product_card
from bannerstream.edge.sharding import Shard
from bannerstream.edge.topic_follower import TopicFollower
from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.service.rate_limit import RateLimit
from bannerstream.settings import Settings
from bannerstream.settings.production import refuse_in_production

_log = structlog.get_logger(__name__)

CLIENT_ID = "bannerstream-edge"


class EdgeNode:
    """Holds a node's tables and limits, and runs its Kafka tasks while `running`.

    `make_sink` replaces the Kafka publisher in tests, `now` (epoch seconds) the machine's clock.

    Raises:
        ConfigurationError: a token key is invalid, streams cannot read the events that the edge writes, or production
            refuses a setting.
    """

    def __init__(
        self,
        settings: Settings,
        bucket: Bucket,
        registry: CollectorRegistry,
        make_sink: Callable[[], Sink] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        edge = settings.edge
        refuse_in_production(settings, "edge", "tokens")
        check_formats(settings)
        self.settings = settings
        self.registry = registry
        self.metrics = EdgeMetrics(registry)
        self.shard = Shard.parse(edge.shard)
        self.clock = clock = BrokerClock(self.metrics, now)
        self.tokens = VisitorTokens(settings, clock.now)
        self.feedback_tokens = FeedbackTokens(
            edge.feedback_secret.get_secret_value().encode(), edge.feedback_life_s, clock.now
        )
        self.report_records = ReportRecords(
            settings,
            self.feedback_tokens,
            ReplayGuard(now=clock.now),
            feedback_rate(edge.rate_per_visitor, edge.burst_per_visitor, edge.feedback_life_s),
            clock.now,
            # Only while it is current and not empty is a product that it lacks unknown.
            products=lambda: (self.products.values or None) if self.products.is_current else None,
        )
        self.addresses = RateLimit(edge.rate_per_address, edge.burst_per_address)
        self.identity = Identity(
            self.tokens, self.shard, RateLimit(edge.rate_per_visitor, edge.burst_per_visitor), edge.cors_origins
        )
        topics = settings.kafka.topic_table()
        self.products = LastingView(settings.kafka, topics.products.name, product_card, self._catalogue_changed)
        self.refusals = LastingView(settings.kafka, topics.refusals.name, _refusal, self._refusals_changed)
        self.banners = BannerTable()
        self.visitors = VisitorTable(self.banners)
        self.resolver = BannerResolver(edge, self.banners, self.visitors, self._products)
        self.hub = Hub(self.metrics, max_streams=edge.max_streams, max_per_visitor=edge.max_streams_per_visitor)
        self.pictures = Pictures(bucket, self.metrics, cache_bytes=edge.picture_cache_mb << 20)
        # With a CDN for pictures, the node reads no bucket.
        self.bucket = BucketProbe(bucket.check if edge.cdn_base_url is None else None, self.metrics)
        self.follower = TopicFollower(
            settings.kafka,
            shard=self.shard,
            banners=self.banners,
            visitors=self.visitors,
            resolver=self.resolver,
            hub=self.hub,
            metrics=self.metrics,
        )
        self.outbox = Outbox(
            make_sink or (lambda: Publisher(settings.kafka, client_id=CLIENT_ID)),
            self.metrics,
            clock,
            max_waiting=edge.max_waiting,
            ack_timeout_s=edge.ack_timeout_s,
        )
        self.broken = False
        """Whether one of the node's tasks has ended, which is a defect. A restart repairs it."""
        self.refused: Exception | None = None
        """Why the brokers refuse this node, if they do from its start: the process ends with it."""
        self.on_refused: Callable[[], None] = lambda: None
        self.metrics.caught_up.set_function(lambda: float(self.ready))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the topics and write records while the block runs; then write waiting records."""
        tasks = [
            asyncio.create_task(run, name=name)
            for name, run in (
                ("view", self.follower.run()),
                ("outbox", self.outbox.run()),
                ("catalogue", self.products.run()),
                ("refusals", self.refusals.run()),
                ("bucket", self.bucket.run()),
            )
        ]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            yield
        finally:
            self.hub.close_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.edge.ack_timeout_s):
                    await self.outbox.drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> bool:
        """Return whether the node may get traffic.

        It has read its topics to the end, its bucket has answered once, and all its tasks run. A bucket that fails
        later takes no node out: every node has the same bucket, and banners are served from memory.
        """
        return self.follower.caught_up.is_set() and self.bucket.has_answered.is_set() and not self.broken

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """Fail `/readyz` and close all streams, so that traffic moves to another node: this one would fall behind."""
        if task.cancelled():
            return
        self.broken = True
        self.hub.close_all()
        error = task.exception()
        if isinstance(error, REFUSALS):
            self.refused = error
            self.on_refused()
        else:
            _log.error("task_ended", task=task.get_name(), exc_info=error)

    def _products(self) -> Mapping[str, ProductCard]:
        return self.products.values

    def _catalogue_changed(self) -> None:
        """Take over titles and links; without them banners link to `edge.default_link`."""
        self.resolver.changed_all()
        self._refusals_changed()

    def _refusals_changed(self) -> None:
        """Take over which products can have no banner in their present revision, and wake all streams."""
        refused = refused_now(self.products.values, self.refusals.values)
        withheld = {product_id for product_id, refusal in refused.items() if refusal.code in GATE_CODES}
        if self.banners.refuse(refused.keys(), withheld):
            for user_key in self.hub.visitors():
                self.hub.notify(user_key)


def _refusal(payload: bytes) -> Refusal:
    return decode(payload, Refusal)
