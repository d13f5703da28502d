"""Replays recorded events to `clicks` and `purchases`, at a steady rate or as fast as possible."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from bannerstream.broker.connection import broker_errors
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.recordings import RecordedEvent, parse_events, parse_line, read_lines, retimed
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs import InputFormat, Source
from bannerstream.settings.kafka import KafkaSettings

_LINES_AT_A_TIME = 500
"""Lines that a thread reads at a time: amortizes the switch of threads and keeps the event loop free."""

_PROGRESS_EVERY = 50


@dataclass(slots=True)
class ReplayCounts:
    """Records sent, by topic."""

    clicks: int = 0
    purchases: int = 0

    @property
    def total(self) -> int:
        """Return the sum."""
        return self.clicks + self.purchases

    def count(self, source: Source) -> None:
        """Count one more."""
        if source == "clicks":
            self.clicks += 1
        else:
            self.purchases += 1


async def replay(
    settings: KafkaSettings,
    recording: Path | Literal["-"],
    *,
    from_format: InputFormat | None = None,
    rate: float | None = None,
    retime: bool = False,
    on_progress: Callable[[ReplayCounts], None] | None = None,
) -> ReplayCounts:
    """Send a recording (see `broker.recordings`), or with `from_format` a file of bare events, one a line.

    `rate` is events per second in an open loop: the n-th is sent at its time whether or not earlier ones are
    acknowledged, so a slow broker shows as latency, not as a lower rate. `retime` shifts a recording in time so that it
    ends now. Returns when all are acknowledged.

    Raises:
        ConfigurationError: the file, a line of it or `rate` is wrong.
        ServiceUnavailable, MessageTooLarge: see `broker.connection.broker_errors`; some may have been sent.
    """
    if rate is not None and rate <= 0:
        raise ConfigurationError(f"a rate is a number of events per second above 0, not {rate}")
    table = settings.topic_table()
    names: dict[Source, str] = {"clicks": table.clicks.name, "purchases": table.purchases.name}
    records = _records(recording, from_format)
    if retime:
        records = _in_order(retimed([each async for each in records], _now_ms()))
    sent = ReplayCounts()
    waiting: set[asyncio.Future[Any]] = set()
    async with Publisher(settings, client_id="bannerstream-replay") as publisher:
        started_s = time.monotonic()
        async for record in records:
            if rate is not None:
                await asyncio.sleep(max(0.0, started_s + sent.total / rate - time.monotonic()))
            waiting.add(await publisher.enqueue(Outgoing(names[record.source], record.key, record.value, [])))
            sent.count(record.source)
            if sent.total % _PROGRESS_EVERY == 0:
                waiting = _unacknowledged(settings, waiting)
                if on_progress:
                    on_progress(sent)
        if waiting:
            await asyncio.wait(waiting)
        _unacknowledged(settings, waiting)
    if on_progress:
        on_progress(sent)
    return sent


async def _records(recording: Path | Literal["-"], from_format: InputFormat | None) -> AsyncIterator[RecordedEvent]:
    lines = enumerate(read_lines(recording), start=1)
    # A pipe delivers line by line; waiting for a full chunk would delay each.
    at_a_time = 1 if recording == "-" else _LINES_AT_A_TIME
    while batch := await asyncio.to_thread(lambda: list(islice(lines, at_a_time))):
        for number, line in batch:
            if line.strip():
                if from_format is None:
                    yield parse_line(line, number)
                    continue
                for record in parse_events(line, from_format, _now_ms()):
                    yield record


async def _in_order(records: Iterable[RecordedEvent]) -> AsyncIterator[RecordedEvent]:
    for record in records:
        yield record


def _unacknowledged(settings: KafkaSettings, waiting: "set[asyncio.Future[Any]]") -> "set[asyncio.Future[Any]]":
    with broker_errors(settings):
        for future in waiting:
            if future.done():
                future.result()
    return {each for each in waiting if not each.done()}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
