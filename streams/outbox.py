"""Sends what a batch leads to, and waits until the brokers have it: states first, then decisions."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from broker.connection import client_options
from broker.publishing import MAX_REQUEST_BYTES
from contracts.cloudevents import CloudEvent, Headers
from contracts.codecs import encode
from contracts.deadletters import DeadLetter
from contracts.messages import Assignment
from contracts.topics import Topics
from settings import KafkaSettings
from streams.batch import Ask, StateKey
from streams.metrics import StreamsMetrics
from streams.recent import RecentKeys

_log = structlog.stdlib.get_logger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
"""Tries go on at this pace for as long as an outage lasts."""

REQUEST_TIMEOUT_MS = 10_000
"""After this long an unacknowledged record counts as failed, and the outage is logged."""

CLOSE_TIMEOUT_S = 3.0
"""A clean goodbye to brokers that do not answer is given up after this long."""


_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)


class Abandoned(Exception):
    """What is pending may not, or cannot, be written: it will be folded again, by whoever has the partitions then."""


class Ack(Protocol):
    """Where a record landed."""

    @property
    def offset(self) -> int:
        """Its offset."""
        ...


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """Stands for the acknowledgement of a record that was given up."""

    offset: int = -1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    letter: DeadLetter | None = None
    """The dead letter that this record carries: refused for its size, it goes without the original, then not at all."""


class Outbox:
    """An idempotent producer (acks=all) that does not give up. Call `start` before use, `close` at the end."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Topics,
        changelog: str,
        *,
        source: str,
        ttl_s: float,
        metrics: StreamsMetrics,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._changelog = changelog
        self._source = source
        self._metrics = metrics
        self._asked = RecentKeys(ttl_s)
        self._producer: AIOKafkaProducer | None = None
        self._stopping = False

    async def start(self) -> None:
        """Connect."""
        self._producer = await self._connect()

    def abandon(self) -> None:
        """From now on, let a failing delivery fail: the worker is stopping."""
        self._stopping = True

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        self._stopping = True
        await self._disconnect()

    async def write_states(self, states: dict[StateKey, bytes], is_member: Callable[[], bool]) -> dict[StateKey, int]:
        """Write packed states to the changelog, each to its partition; return the offsets they got.

        `is_member` is asked before every try: a worker that the group has given up may not write over its successor.

        Raises:
            Abandoned: it is no member any more, or a try failed while the worker was stopping.
        """
        keys = list(states)
        acks = await self._deliver(
            [Outgoing(self._changelog, key.user_key.encode(), states[key], [], key.partition) for key in keys],
            is_member,
        )
        return {key: ack.offset for key, ack in zip(keys, acks, strict=True)}

    async def publish(
        self, assignments: Sequence[Assignment], asks: Sequence[Ask], dead_letters: Sequence[DeadLetter]
    ) -> None:
        """Publish decisions and dead letters; a banner that was asked for lately is not asked for again."""
        fresh = [each for each in asks if each.request.banner_key not in self._asked]
        await self._deliver(
            [
                *(self._request(each) for each in fresh),
                *(self._assignment(each) for each in assignments),
                *(self._dead_letter(each) for each in dead_letters),
            ]
        )
        for each in fresh:
            self._asked.add(each.request.banner_key)
        self._metrics.requests.inc(len(fresh))
        self._metrics.assignments.inc(len(assignments))
        for letter in dead_letters:
            self._metrics.dead_letters.labels(letter.code).inc()

    def _request(self, ask: Ask) -> Outgoing:
        request = ask.request
        event = CloudEvent(
            id=f"{request.banner_key}:{ask.cause}",
            type="banner.request",
            source=self._source,
            time=request.requested_at,
            subject=request.banner_key,
        )
        return Outgoing(self._topics.requests.name, request.banner_key.encode(), encode(request), event.headers())

    def _assignment(self, assignment: Assignment) -> Outgoing:
        event = CloudEvent(
            id=f"{assignment.user_key}:{assignment.epoch}",
            type="banner.assignment",
            source=self._source,
            time=assignment.decided_at,
            subject=assignment.user_key,
        )
        key = assignment.user_key.encode()
        return Outgoing(self._topics.assignments.name, key, encode(assignment), event.headers())

    def _dead_letter(self, letter: DeadLetter) -> Outgoing:
        topic = self._topics.dead_letters.name
        return Outgoing(topic, letter.key, letter.value, letter.headers(), letter=letter)

    async def _deliver(self, records: Sequence[Outgoing], may_go_on: Callable[[], bool] = lambda: True) -> list[Ack]:
        """Send until every record is acknowledged, and return the acknowledgements in order.

        Raises:
            Abandoned: a try failed while the worker was stopping, or `may_go_on` says no.
        """
        acks: dict[int, Ack] = {}
        pending = list(records)
        delay = 0.0
        while len(acks) < len(records):
            if not may_go_on():
                raise Abandoned("the group has not heard of this worker for a session timeout")
            error = await self._try(pending, acks)
            if error is None:
                continue
            if self._stopping:
                raise Abandoned(repr(error)) from error
            if not delay:
                _log.warning(
                    "the brokers do not take records; trying until they do",
                    error=repr(error),
                    pending=len(records) - len(acks),
                )
            delay = min(LAST_RETRY_S, max(FIRST_RETRY_S, 2 * delay))
            await asyncio.sleep(delay)
        if delay:
            _log.info("the brokers take records again")
        return [acks[number] for number in range(len(records))]

    async def _try(self, records: list[Outgoing], acks: dict[int, Ack]) -> KafkaError | None:
        """Send what is not acknowledged yet. A dead letter that is too large is replaced by a smaller one for later."""
        sent: dict[int, asyncio.Future[Ack]] = {}
        error: KafkaError | None = None
        try:
            if self._producer is None:
                self._producer = await self._connect()
            for number, record in enumerate(records):
                if number not in acks:
                    sent[number] = await self._producer.send(
                        record.topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=record.headers,
                    )
        except KafkaError as failed:
            error = failed
        results = await asyncio.gather(*sent.values(), return_exceptions=True)
        for number, result in zip(sent, results, strict=True):
            if isinstance(result, KafkaError):
                error = result
                if isinstance(result, _TOO_LARGE) and (letter := records[number].letter) is not None:
                    self._shrink(number, letter, records, acks)
            elif isinstance(result, BaseException):
                raise result
            else:
                acks[number] = result
        if error is not None:
            # A producer that lost a record may have a hole in its sequence numbers: begin with a new one.
            await self._disconnect()
        return error

    def _shrink(self, number: int, letter: DeadLetter, records: list[Outgoing], acks: dict[int, Ack]) -> None:
        """Let a refused letter go without its original; give it up where that was refused: the stream must go on."""
        if not letter.bare:
            records[number] = self._dead_letter(letter.without_original())
            return
        acks[number] = _Nowhere()
        _log.error(
            "the dead-letter topic refuses a letter even without its original; its record is in the source topic",
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            code=letter.code,
        )

    async def _connect(self) -> AIOKafkaProducer:
        options: dict[str, Any] = client_options(self._kafka) | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
        producer = AIOKafkaProducer(
            **options,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), CLOSE_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            _log.debug("producer did not close cleanly", error=repr(error))
