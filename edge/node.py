"""One edge node: everything that its routes share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog
from prometheus_client import CollectorRegistry

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.broker.errors import REFUSALS
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.edge.connections import Hub
from bannerstream.edge.feedback_tokens import FeedbackTokens, ReplayGuard, feedback_rate
from bannerstream.edge.identity import Identity
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.outbox import Outbox, Sink
from bannerstream.edge.pictures import Bucket, Pictures
from bannerstream.edge.rate_limit import RateLimit
from bannerstream.edge.report_records import ReportRecords, check_formats
from bannerstream.edge.resolver import BannerResolver, ProductCard, product_card
from bannerstream.edge.sharding import Shard
from bannerstream.edge.topic_follower import TopicFollower
from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.settings import Settings

_log = structlog.get_logger(__name__)

CLIENT_ID = "bannerstream-edge"

_CATALOGUE_POLL_S = 1.0
_CATALOGUE_RETRY_S = 5.0


class EdgeNode:
    """Holds a node's tables and limits, and runs its Kafka tasks while `running`.

    `make_sink` replaces the Kafka publisher in tests.

    Raises:
        ConfigurationError: a token key is invalid, or streams cannot read the events that the edge writes.
    """

    def __init__(
        self,
        settings: Settings,
        bucket: Bucket,
        registry: CollectorRegistry,
        make_sink: Callable[[], Sink] | None = None,
    ) -> None:
        edge = settings.edge
        check_formats(settings)
        self.settings = settings
        self.registry = registry
        self.metrics = EdgeMetrics(registry)
        self.shard = Shard.parse(edge.shard)
        self.tokens = VisitorTokens(settings)
        self.feedback_tokens = FeedbackTokens(edge.feedback_secret.get_secret_value().encode(), edge.feedback_life_s)
        self.report_records = ReportRecords(
            settings,
            self.feedback_tokens,
            ReplayGuard(),
            feedback_rate(edge.rate_per_visitor, edge.burst_per_visitor, edge.feedback_life_s),
            products=lambda: self._catalogue if self._catalogue_followed else None,
        )
        self.addresses = RateLimit(edge.rate_per_address, edge.burst_per_address)
        self.identity = Identity(
            self.tokens, self.shard, RateLimit(edge.rate_per_visitor, edge.burst_per_visitor), edge.cors_origins
        )
        self.banners = BannerTable()
        self.visitors = VisitorTable(self.banners)
        self.resolver = BannerResolver(edge, self.banners, self.visitors, self._products)
        self.hub = Hub(self.metrics, max_streams=edge.max_streams, max_per_visitor=edge.max_streams_per_visitor)
        self.pictures = Pictures(bucket, self.metrics, cache_bytes=edge.picture_cache_mb << 20)
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
            max_waiting=edge.max_waiting,
            ack_timeout_s=edge.ack_timeout_s,
        )
        self._catalogue: Mapping[str, ProductCard] = {}
        self._catalogue_followed = False
        """Whether it is current and not empty: only then is a product that it lacks unknown."""
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
                ("catalogue", self._follow_catalogue()),
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
        """Return whether the node has read its topics to the end and all its tasks run."""
        return self.follower.caught_up.is_set() and not self.broken

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
        return self._catalogue

    async def _follow_catalogue(self) -> None:
        """Keep products' titles and links current; without them banners link to `edge.default_link`."""
        topic = self.settings.kafka.topic_table().products.name
        while True:
            try:
                async with AsyncExitStack() as opened:
                    view = await opened.enter_async_context(CompactedView(self.settings.kafka, topic, product_card))
                    await view.caught_up()
                    version = -1
                    while True:
                        self._catalogue = view.current()
                        self._catalogue_followed = bool(self._catalogue)
                        if view.version != version:
                            version = view.version
                            self.resolver.changed_all()
                        await asyncio.sleep(_CATALOGUE_POLL_S)
            except (ServiceUnavailable, ConfigurationError) as error:
                self._catalogue_followed = False
                _log.warning("catalogue_waiting", error=str(error), seconds=_CATALOGUE_RETRY_S)
            await asyncio.sleep(_CATALOGUE_RETRY_S)
