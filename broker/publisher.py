"""Publishes messages; all in-sync replicas acknowledge a message before `publish` returns."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from msgspec import Struct

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.errors import MessageTooLarge
from bannerstream.contracts.cloudevents import CloudEvent, Headers
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.errors import BannerstreamError
from bannerstream.settings.kafka import KafkaSettings

MAX_REQUEST_BYTES = 1_310_720
"""Largest message that this client sends: a dead letter with its largest value, key and headers."""

_LOG_APPEND_TIME = 1
"""In `RecordMetadata.timestamp_type`, as KIP-32 numbers them."""

LINGER_MS = 5
"""How long a message waits to be batched: a visitor does not notice, and a burst goes in one request."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish. A value of None deletes the key from a compacted topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    """None: chosen by the key."""


def outgoing(topic: str, key: str, message: Struct, event: CloudEvent) -> Outgoing:
    """Return the record of a message of ours: JSON, with CloudEvents headers."""
    return Outgoing(topic, key.encode(), encode(message), event.headers())


class Publisher:
    """A producer within an `async with`: acks=all, idempotent (no loss, no repeat, order kept per key)."""

    def __init__(self, settings: KafkaSettings, *, client_id: str = "bannerstream") -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: Any = None
        self._broken = False

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        self._producer = await self._connected()
        return self

    async def _connected(self) -> Any:
        producer = AIOKafkaProducer(
            **client_options(self._settings, client_id=self._client_id),
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            compression_type="snappy",
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            with broker_errors(self._settings):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, then disconnect."""
        await self._producer.stop()

    async def publish(self, topic: str, key: str, message: Struct, event: CloudEvent) -> None:
        """Publish one message and wait for its acknowledgement.

        Raises:
            ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
        """
        await self.publish_all([outgoing(topic, key, message, event)])

    async def publish_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None:
        """Publish bytes unchanged and wait for the acknowledgement.

        Raises:
            ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
        """
        await self.publish_all([Outgoing(topic, key, value, headers or [])])

    async def publish_all(self, records: Iterable[Outgoing]) -> int | None:
        """Publish records together, in order, and wait for all acknowledgements.

        Return when the broker appended the last of them, by its clock, in epoch milliseconds; None where the topic
        keeps the times of clients (`message.timestamp.type`), or without records.

        Raises:
            ServiceUnavailable, ConfigurationError, MessageTooLarge: at least one was not acknowledged; the others may
                have been, so publish all of them again (they are idempotent by their keys and ids).
        """
        if self._broken:
            await self._renew()
        acknowledgements: list[asyncio.Future[Any]] = []
        try:
            for record in records:
                acknowledgements.append(await self.enqueue(record))  # noqa: PERF401  (those before a failure count)
        except BannerstreamError:
            await self._outcomes(acknowledgements)
            raise
        outcomes = await self._outcomes(acknowledgements)
        with broker_errors(self._settings):
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        return outcomes[-1].timestamp if outcomes and outcomes[-1].timestamp_type == _LOG_APPEND_TIME else None

    async def _outcomes(self, acknowledgements: "list[asyncio.Future[Any]]") -> list[Any]:
        outcomes = await asyncio.gather(*acknowledgements, return_exceptions=True)
        self._broken = any(isinstance(outcome, BaseException) for outcome in outcomes)
        return outcomes

    async def _renew(self) -> None:
        """Switch to a new producer: the rejected records consumed sequence numbers, and brokers accept no gap."""
        fresh = await self._connected()
        worn_out, self._producer, self._broken = self._producer, fresh, False
        await worn_out.stop()

    async def enqueue(self, record: Outgoing) -> "asyncio.Future[Any]":
        """Enqueue one record; the returned future is its acknowledgement.

        Waits while the client's buffer is full. The future raises aiokafka's errors; `publish_all` translates them.

        Raises:
            ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
        """
        try:
            with broker_errors(self._settings):
                future: asyncio.Future[Any] = await self._producer.send(
                    record.topic, record.value, key=record.key, headers=record.headers, partition=record.partition
                )
        except MessageTooLarge as error:
            raise MessageTooLarge(
                f"a message of {len(record.value or b'')} bytes is too large for {record.topic}: {error.__cause__!r}"
            ) from error
        return future
