"""Processing a batch of the repartitioned topic, whose records name their own source."""

import json
import time
from types import SimpleNamespace

from faust.types import TP
from prometheus_client import CollectorRegistry

from bannerstream.contracts.keys import user_key
from bannerstream.streams.batching import Batch
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.event_processor import EventProcessor
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.repartition import Origin
from tests.support.folded_batch import CATALOGUE, RULES, SECRET

ROUTED = TP("routed", 3)


def copied(offset: int, *headers: tuple[str, bytes]) -> SimpleNamespace:
    event = {"event_id": f"e-{offset}", "user_id": "ada", "product_id": "mug", "time": round(time.time() * 1000)}
    return SimpleNamespace(
        offset=offset, timestamp=event["time"], key=b"ada", value=json.dumps(event).encode(), headers=headers
    )


def test_what_others_wrote_there_is_a_dead_letter_and_costs_its_neighbours_nothing():
    events = EventProcessor({}, RULES, lambda: CATALOGUE, StreamsMetrics(CollectorRegistry()))
    states = ColumnarStates(RULES.policy)
    origin = Origin("clicks", "shop.clicks", 0, 7, round(time.time() * 1000)).header()
    outcome = events.fold(Batch(ROUTED, 0, 3, [copied(0, origin), copied(1), copied(2, origin)]), states)
    (letter,) = outcome.dead_letters
    assert (letter.code, letter.topic, letter.partition, letter.offset) == ("malformed", *ROUTED, 1)
    state = states.get(user_key("ada", SECRET).encode())
    assert state is not None
    assert state.offsets == {"routed": 2}
    assert sum(state.scores.values()) > 3.9  # two clicks


def test_the_dead_letter_of_one_event_among_several_names_the_shops_record_and_the_event():
    events = EventProcessor({}, RULES, lambda: CATALOGUE, StreamsMetrics(CollectorRegistry()))
    states = ColumnarStates(RULES.policy)
    origins = [Origin("clicks", "shop.clicks", 5, 7, round(time.time() * 1000), part) for part in (1, 2)]
    good, bad = (copied(offset, origin.header()) for offset, origin in enumerate(origins))
    bad.value = bad.value.replace(b"mug", b"ghost")
    (letter,) = events.fold(Batch(ROUTED, 0, 2, [good, bad]), states).dead_letters
    assert (letter.code, letter.topic, letter.partition, letter.offset, letter.part) == (
        "unknown_product", "shop.clicks", 5, 7, 2,
    )  # fmt: skip
    assert letter.value == bad.value
