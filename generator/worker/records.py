"""What is read from a record of the requests' topic, and the dead letter of one that leads to no banner."""

from collections.abc import Sequence
from typing import Protocol

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.errors import MismatchedKey


class RequestRecord(Protocol):
    """What is used of aiokafka's `ConsumerRecord`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def read_request(value: bytes | None) -> BannerRequest:
    """Return the request in a record.

    Raises:
        InvalidRecord: no value, malformed, or a banner key that is not the hash of what is asked for.
    """
    request = decode(value or b"", BannerRequest)
    expected = banner_key(
        request.product,
        request.cohort,
        locale=request.locale,
        variant=request.variant,
        creative_revision=request.creative_revision,
        favourites=request.favourites,
    )
    if request.banner_key != expected:
        raise MismatchedKey(f"the banner key is {request.banner_key}, what is asked for has {expected}")
    return request


def dead_letters(failed: Sequence[tuple[RequestRecord, str, str]], now: int) -> list[DeadLetter]:
    """Return the letters of records that failed, each given with its code and reason."""
    return [
        DeadLetter.of(
            key=record.key,
            value=record.value,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
            reason=reason,
            now=now,
        )
        for record, code, reason in failed
    ]
