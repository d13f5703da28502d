"""Reads records of the requests topic, and makes the dead letter of a record that leads to no banner."""

from collections.abc import Sequence
from typing import Protocol

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.errors import MismatchedKey


class RequestRecord(Protocol):
    """The fields of aiokafka's `ConsumerRecord` that the worker reads."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def read_request(value: bytes | None) -> BannerRequest:
    """Return the request in a record.

    Raises:
        InvalidRecord: the value is missing or malformed, or the banner key is not the hash of the request.
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
        raise MismatchedKey(f"the banner key is {request.banner_key}, but this request has the key {expected}")
    return request


def dead_letters(failed: Sequence[tuple[RequestRecord, str, str]], now_ms: int) -> list[DeadLetter]:
    """Return the dead letters of failed records, each given with its code and reason."""
    return [
        DeadLetter.of(
            key=record.key,
            value=record.value,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
            reason=reason,
            now=now_ms,
        )
        for record, code, reason in failed
    ]
