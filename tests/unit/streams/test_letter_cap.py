"""One visitor cannot fill the dead-letter topic, and what is dropped is counted."""

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.streams.batching import Batch
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.event_processor import EventProcessor
from bannerstream.streams.letter_cap import LetterCap
from bannerstream.streams.metrics import StreamsMetrics
from tests.support.folded_batch import CATALOGUE, RULES, record

HOUR_S = 3600


class Capped:
    """A cap of 100 letters an hour, and its clock."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = StreamsMetrics(self.registry)
        self.now_s = 0.0
        self.cap = LetterCap(100, self.metrics, now=lambda: self.now_s)

    def dropped(self, code: str = "unknown_product") -> float:
        return self.registry.get_sample_value("bannerstream_dead_letters_dropped_total", {"code": code}) or 0.0


def letters(count: int, key: bytes | None, code: str = "unknown_product") -> list[DeadLetter]:
    return [
        DeadLetter.of(key=key, value=b"{}", topic="clicks", partition=0, offset=n, code=code, reason="?", now=1)
        for n in range(count)
    ]


def test_beyond_the_cap_a_visitors_letters_are_dropped_and_counted() -> None:
    capped = Capped()
    flood = letters(5_000, b"mallory")
    assert capped.cap.kept(flood) == flood[:100]
    assert capped.dropped() == 4_900
    capped.now_s += HOUR_S / 2
    assert len(capped.cap.kept(flood)) == 50
    assert len(capped.cap.kept(letters(100, b"ada"))) == 100, "nobody else's"


@pytest.mark.parametrize(("key", "code"), [(None, "malformed"), (b"shop", "wrong_key")])
def test_letters_that_no_visitor_causes_are_kept(key: bytes | None, code: str) -> None:
    capped = Capped()
    assert len(capped.cap.kept(letters(5_000, key, code))) == 5_000
    assert capped.dropped(code) == 0


def test_a_batch_of_one_visitors_unknown_products_is_capped_and_the_others_are_folded() -> None:
    capped = Capped()
    processor = EventProcessor({"clicks": "clicks"}, RULES, lambda: CATALOGUE, capped.metrics, capped.cap.kept)
    records = [record(n, "mallory", product_id=f"nope-{n}") for n in range(1_000)] + [record(1_000, "ada")]
    outcome = processor.fold(Batch(TP("clicks", 0), 0, 1_001, records), ColumnarStates(RULES.policy))  # type: ignore[arg-type]  # fakes
    assert len(outcome.dead_letters) == 100
    assert capped.dropped() == 900
    assert outcome.counts == {"folded": 1, "dead_letter": 1_000}
    assert len(outcome.assignments) == 1
