"""Records of the requests' topic, and models that do as a test says."""

from aiokafka.structs import ConsumerRecord

TOPIC = "banner.requests"


def record(offset: int, *, partition: int = 0, value: bytes | None = b"") -> ConsumerRecord:
    return ConsumerRecord(TOPIC, partition, offset, 1000 + offset, 0, b"key", value, None, 0, 0, ())
