"""The experiments worker: folds banner.feedback into write-behind tallies, replay-safe by offset."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.topics import create_changelog, tallies_name
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.messages import Feedback
from bannerstream.settings import Settings
from bannerstream.streams.batching import Batch, BatchApp, Codec, Partition, Write, decoded_states
from bannerstream.streams.connection import connected_producer, connected_reader, faust_options, transactional_producers
from bannerstream.streams.experiments.metrics import ExperimentMetrics
from bannerstream.streams.experiments.tally import Tally, TallyKey, count, pack, unpack
from bannerstream.streams.input_records import letter_of
from bannerstream.streams.main import serve
from bannerstream.streams.metrics import OutboxMetrics
from bannerstream.streams.outbox import Outbox
from bannerstream.streams.outcome import BatchOutcome, Disposition
from bannerstream.streams.recent_keys import RecentKeys
from bannerstream.streams.worker_identity import WorkerIdentity

TABLE = "tallies"


@dataclass(frozen=True, slots=True)
class FeedbackOutcome:
    """The results of one batch of feedback."""

    outcome: BatchOutcome
    taken: list[Feedback]
    """Feedback that the tallies count for the first time."""


class ExperimentsApp(BatchApp):
    """A separate Faust app, so that a flood of impressions never delays a visitor's banner."""

    def __init__(self, settings: Settings, identity: WorkerIdentity, registry: CollectorRegistry) -> None:
        kafka = settings.kafka
        app_id = f"{settings.streams.app_id}-experiments"
        super().__init__(
            app_id,
            connect_producer=lambda: connected_producer(settings),
            connect_reader=lambda: connected_reader(kafka),
            connect_transactional=transactional_producers(settings),
            on_connected=throttle_empty_fetches,
            **faust_options(settings, identity),
        )
        topics = kafka.topic_table()
        metrics = ExperimentMetrics(registry, settings.experiments.variants)
        outbox = Outbox(
            self.bulk_producer,
            topics,
            source=f"bannerstream/streams/{app_id}",
            recently_requested=RecentKeys(1.0),
            metrics=OutboxMetrics(registry),
        )
        self._settings = settings
        self.write_behind(
            TABLE,
            decoded_states(Codec(pack, unpack)),
            publish=_nothing_more,
            publish_first=outbox.publish_letters,
            published=outbox.published,
        )

        @self.agent(self.topic(topics.feedback.name, key_type=bytes, value_type=bytes), name=TABLE)
        async def tally(stream: Any) -> None:
            """Count impressions and clicks."""
            async for batch, tallies in self.batches(stream):
                counted = fold_feedback(batch, tallies, now_ms=time.time_ns() // 1_000_000)
                outcome = counted.outcome
                metrics.counted(counted.taken)
                for disposition, number in outcome.counts.items():
                    metrics.feedback.labels(disposition).inc(number)
                self.checkpointer.submit(batch, effects=outcome if outcome.dead_letters else None)

    async def on_start(self) -> None:
        """Create the changelog if it is missing; then start Faust."""
        kafka = self._settings.kafka
        await create_changelog(kafka, tallies_name(self._settings.streams.app_id), like=kafka.topic_table().feedback)
        await super().on_start()


async def _nothing_more(outcomes: Sequence[BatchOutcome]) -> list[Write]:
    """Publish nothing besides dead letters: readers read the changelog itself."""
    del outcomes
    return []


def fold_feedback(batch: Batch, tallies: Partition[Tally], *, now_ms: int) -> FeedbackOutcome:
    """Count a batch; an unreadable record becomes a dead letter and does not stop the others."""
    ignored = repeated = 0
    taken: list[Feedback] = []
    letters: list[DeadLetter] = []
    topic, partition = batch.tp
    for record in batch.records:
        try:
            feedback = decode(record.value or b"", Feedback)
        except InvalidRecord as error:
            letters.append(letter_of(record, topic, partition, error, now_ms))
            continue
        if feedback.cohort_id is None or feedback.product_id is None:
            ignored += 1  # the shop's default banner, which no decision chose
            continue
        key = TallyKey(feedback.cohort_id, feedback.variant, feedback.product_id).key
        tally = tallies.get(key) or Tally()
        if record.offset <= tally.offset:
            repeated += 1
            continue
        if count(tally, feedback, record.offset):
            taken.append(feedback)
        else:
            repeated += 1
        tallies.put(key, tally)
    fates: dict[Disposition, int] = {
        "folded": len(taken),
        "ignored": ignored,
        "duplicate": repeated,
        "dead_letter": len(letters),
    }
    outcome = BatchOutcome(dead_letters=letters)
    outcome.counts = {fate: number for fate, number in fates.items() if number}
    return FeedbackOutcome(outcome, taken)


def run(settings: Settings) -> None:
    """Count until SIGTERM or SIGINT; then write and commit the work in flight and leave the group.

    Raises:
        BannerstreamError: the topics, the brokers or a setting prevent the start.
    """
    experiments = settings.experiments
    serve(
        settings,
        ExperimentsApp,
        (experiments.metrics_host, experiments.metrics_port),
        setting="experiments.metrics_port",
    )
