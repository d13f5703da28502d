"""Where the time of a click goes on its way to the screen: what the records and the manifest say of each stage.

One machine, one clock. Records carry when their producer made them, the manifest how long each stage of the painting
took, the page when notified, when it had the picture and when that was seen. The manifest of sizes that came first
is gone, so that their painting is one stage.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bannerstream.broker.topics import changelog_name
from bannerstream.contracts.keys import user_key
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from bench.arena.topics import CLIENT

READ_S = 20.0
"""Timeout for the records of one case; later ones are abandoned."""
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says of one banner. Epoch milliseconds; `pointer` ends with the user key."""

    banner_key: str
    product_id: str
    epoch: int
    pointer: str
    clicked_at: float
    told_at: float
    fetched_at: float
    shown_at: float

    @property
    def user_key(self) -> str:
        """Return whose banner it is."""
        return self.pointer.rpartition("/")[2]


@dataclass(slots=True)
class Trail:
    """Timestamps of the records that the page's clicks led to, in epoch milliseconds."""

    clicks: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    """By user key and product."""
    changelog: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By user key."""
    assignments: dict[tuple[str, int], int] = field(default_factory=dict)
    """By user key and epoch."""
    requests: dict[str, int] = field(default_factory=dict)
    """By banner key; the first of each."""
    ready: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By banner key: of some sizes first, where `generator.first_sizes` says so, and then of all."""


class Click(msgspec.Struct):
    """What is read of a click."""

    user_id: str
    product_id: str = ""


class Assigned(msgspec.Struct):
    """What is read of an assignment."""

    epoch: int


class Trails:
    """Reads what was written to the topics of the loop since it began."""

    def __init__(self, settings: Settings) -> None:
        topics = settings.kafka.topic_table()
        self._secret = settings.privacy.user_key_secret.get_secret_value().encode()
        self._clicks, self._assignments = topics.clicks.name, topics.assignments.name
        self._requests, self._ready = topics.requests.name, topics.ready.name
        self._changelog = changelog_name(settings.streams.app_id)
        self._consumer = Consumer(
            {
                **CLIENT,
                "bootstrap.servers": settings.kafka.bootstrap_servers,
                "group.id": "bench",
                "enable.auto.commit": False,
            }
        )
        names = (self._clicks, self._changelog, self._assignments, self._requests, self._ready)
        known = self._consumer.list_topics(timeout=10).topics
        self._partitions = [(name, number) for name in names for number in known[name].partitions]
        self._next = self._ends()

    def read(self) -> Trail:
        """Return what has come since the last time."""
        ends = self._ends()
        left = {each for each in self._partitions if self._next[each] < ends[each]}
        self._consumer.assign([TopicPartition(*each, self._next[each]) for each in left])
        trail, quiet = Trail(), 0.0
        while left and quiet < READ_S:
            records = self._consumer.consume(10_000, POLL_S)
            quiet = 0.0 if records else quiet + POLL_S
            for record in records:
                place = (str(record.topic()), record.partition() or 0)
                if (record.offset() or 0) + 1 >= ends[place]:
                    left.discard(place)
                self._note(trail, record)
        self._next = ends
        return trail

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _ends(self) -> dict[tuple[str, int], int]:
        return {each: self._consumer.get_watermark_offsets(TopicPartition(*each))[1] for each in self._partitions}

    def _note(self, trail: Trail, record: Any) -> None:
        topic, key, value, (_, at) = record.topic(), (record.key() or b"").decode(), record.value(), record.timestamp()
        if topic == self._changelog:
            trail.changelog[key].append(at)
        elif topic == self._clicks:
            click = msgspec.json.decode(value, type=Click)
            trail.clicks[user_key(click.user_id, self._secret), click.product_id].append(at)
        elif topic == self._requests:
            trail.requests.setdefault(key, at)
        elif topic == self._ready:
            trail.ready[key].append(at)
        elif value is not None:
            trail.assignments.setdefault((key, msgspec.json.decode(value, type=Assigned).epoch), at)


def stages_of(shown: Shown, trail: Trail, painting_ms: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return the milliseconds of each stage, in their order; None where a record is missing.

    `painting_ms` are the stages of the manifest, for a banner that was painted for this click; those of the whole
    banner, which are not on the way where some sizes came first.
    """
    assigned = trail.assignments.get((shown.user_key, shown.epoch))
    clicks = [at for at in trail.clicks.get((shown.user_key, shown.product_id), ()) if at + 1 >= shown.clicked_at]
    if assigned is None or not clicks:
        return None
    clicked = clicks[0]
    flushed = [at for at in trail.changelog.get(shown.user_key, ()) if clicked <= at <= assigned]
    if not flushed:
        return None
    stages = {
        "page → edge → Kafka": clicked - shown.clicked_at,
        "streams: read, folded, state written": flushed[-1] - clicked,
        "streams: state acknowledged, decision written": assigned - flushed[-1],
    }
    known = assigned
    if painting_ms is not None:
        requested, ready = trail.requests.get(shown.banner_key), trail.ready.get(shown.banner_key)
        if requested is None or not ready:
            return None
        known = ready[0]
        stages["streams: request written"] = requested - assigned
        if ready[1:]:
            stages["generator: first size painted, stored, written"] = known - requested
        else:
            stages["generator: request read, ready written"] = known - requested - sum(painting_ms.values())
            stages |= {f"generator: {name}": taken for name, taken in painting_ms.items()}
    stages["edge: read, told"] = shown.told_at - known
    stages["picture fetched"] = shown.fetched_at - shown.told_at
    stages["decoded, painted"] = shown.shown_at - shown.fetched_at
    return stages


def medians(journeys: Iterable[Mapping[str, float] | None]) -> dict[str, float]:
    """Return the median milliseconds of each stage over the journeys that are known whole."""
    taken: dict[str, list[float]] = {}
    for journey in journeys:
        for stage, ms in (journey or {}).items():
            taken.setdefault(stage, []).append(ms)
    return {stage: round(median(each), 1) for stage, each in taken.items()}


def journeys(shown: Sequence[Shown], trail: Trail, store: S3BannerStore) -> list[dict[str, float] | None]:
    """Return the stages of each banner that was shown; painted are those that were asked for meanwhile."""

    def painting(banner: Shown) -> Mapping[str, float] | None:
        if banner.banner_key not in trail.requests:
            return None
        manifest = store.manifest(banner.banner_key)
        return None if manifest is None else manifest.stage_ms

    return [stages_of(each, trail, painting(each)) for each in shown]
