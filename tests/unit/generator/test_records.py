"""What is made of records: what is refused, and how dead letters are published."""

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.topics import Topics
from bannerstream.generator.errors import MismatchedKey
from bannerstream.generator.worker.announcer import publish_dead_letters
from bannerstream.generator.worker.records import dead_letters, read_request
from tests.support.generator_fakes import RequestFor


def record(value: bytes | None, *, partition: int = 0, offset: int = 0, timestamp: int = 0):
    return ConsumerRecord("banner.requests", partition, offset, timestamp, 0, b"key", value, None, 0, 0, ())


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00", b"{}", b"[]", b'{"banner_key": 1}', b"9" * 1_000_000])
def test_what_is_no_request_is_refused(value: bytes | None):
    with pytest.raises(MalformedRecord):
        read_request(value)


def test_a_key_that_is_not_the_hash_of_the_request_is_refused(request_for: RequestFor):
    forged = msgspec.structs.replace(request_for("p1"), banner_key=request_for("p2").banner_key)
    with pytest.raises(MismatchedKey):
        read_request(encode(forged))


def test_a_dead_letter_carries_the_record_and_the_reason():
    (letter,) = dead_letters([(record(b"x", partition=2, offset=9), "malformed", "not JSON")], now_ms=5)
    assert (letter.key, letter.value, letter.partition, letter.offset) == (b"key", b"x", 2, 9)
    assert (letter.code, letter.reason, letter.failed_at) == ("malformed", "not JSON", 5)


class Topic:
    """Stands in for a publisher to a topic with a largest size. `taken` holds what it took."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.taken: list[Outgoing] = []
        self.tries = 0

    async def publish_all(self, records: list[Outgoing]) -> None:
        self.tries += 1
        if any(len(each.value or b"") >= self.largest for each in records):
            raise MessageTooLarge("too large")
        self.taken += records


async def bury_all(topic: Topic, *values: bytes) -> None:
    failed = [(record(value, offset=at), "malformed", "not JSON") for at, value in enumerate(values)]
    await publish_dead_letters(dead_letters(failed, now_ms=5), topic, Topics())


async def test_a_dead_letter_that_is_too_large_goes_without_its_original_and_the_others_whole():
    topic = Topic(largest=1000)
    await bury_all(topic, b"x" * 5000, b"small")
    bare, whole = (DeadLetter.from_record(each.key, each.value, each.headers) for each in topic.taken)
    assert (bare.offset, bare.key, bare.value, bare.truncated_from) == (0, None, b"", 5003)
    assert (whole.offset, whole.value, whole.truncated_from) == (1, b"small", None)


async def test_a_dead_letter_that_no_form_of_is_taken_is_not_tried_forever():
    topic = Topic(largest=0)
    await bury_all(topic, b"x")
    assert (topic.taken, topic.tries) == ([], 2)
