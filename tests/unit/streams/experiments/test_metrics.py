"""Metrics of the experiments worker: each report counts once, and arbitrary variants create no series."""

from dataclasses import dataclass

from faust.types import TP
from prometheus_client import CollectorRegistry

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.messages import EngineTier
from bannerstream.streams.batching import Batch, Codec, MemoryStore
from bannerstream.streams.batching.store import Partition
from bannerstream.streams.experiments.app import FeedbackOutcome, fold_feedback
from bannerstream.streams.experiments.metrics import ExperimentMetrics
from bannerstream.streams.experiments.tally import pack, unpack
from tests.support.reports import Kind, feedback

AIRY = "panel-light-airy"


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None
    timestamp: int = 1
    key: bytes | None = b"k"
    headers: tuple[tuple[str, bytes], ...] = ()


def packed(number: int, kind: Kind = "impression", variant: str = AIRY, engine: EngineTier | None = "studio") -> bytes:
    return encode(feedback(f"{number}-{kind}", kind, variant, engine=engine))


class Worker:
    """The tallies of one partition, and their metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ExperimentMetrics(self.registry, [AIRY])
        self.tallies = Partition(Codec(pack, unpack), MemoryStore())

    def take(self, *values: bytes, first: int = 0) -> FeedbackOutcome:
        records = [Record(first + number, value) for number, value in enumerate(values)]
        counted = fold_feedback(Batch(TP("feedback", 0), first, first + len(values), records), self.tallies, now_ms=1)
        self.metrics.counted(counted.taken)
        return counted

    def sample(self, name: str, variant: str = AIRY, tier: str = "studio") -> float:
        labels = {"variant": variant, "tier": tier}
        return self.registry.get_sample_value(f"bannerstream_experiment_{name}_total", labels) or 0


def test_impressions_and_clicks_are_told_by_variant_and_tier():
    worker = Worker()
    worker.take(packed(1), packed(2), packed(2, "click"), packed(3, engine="diffusers"))
    assert (worker.sample("impressions"), worker.sample("clicks")) == (2, 1)
    assert worker.sample("impressions", tier="diffusers") == 1


def test_what_comes_again_is_not_told_again():
    worker = Worker()
    worker.take(packed(1), packed(2, "click"))
    replayed = worker.take(packed(1), packed(2, "click"))
    sent_twice = worker.take(packed(1), b"{not json", first=2)
    assert (worker.sample("impressions"), worker.sample("clicks")) == (1, 1)
    assert replayed.outcome.counts == {"duplicate": 2}
    assert sent_twice.outcome.counts == {"duplicate": 1, "dead_letter": 1}


def test_a_variant_that_nobody_tries_makes_no_series_of_its_own():
    worker = Worker()
    worker.take(*(packed(number, variant=f"made-up-{number}", engine=None) for number in range(50)))
    assert worker.sample("impressions", variant="other", tier="other") == 50
    samples = [sample for family in worker.registry.collect() for sample in family.samples]
    assert {sample.labels["variant"] for sample in samples if "variant" in sample.labels} == {"other"}
