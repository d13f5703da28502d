"""The stages of a click on its way to the screen, with their times, from records and manifests.

One machine, one clock. A record has the time at which its producer created it, the manifest the duration of each stage
of the painting, the page the times at which it was notified, had the picture, and showed it. If some sizes are
announced first, their manifest is overwritten by that of all sizes, so their painting is one stage.
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
"""Timeout for the records of one case; later ones are not counted."""
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """The page's times for one banner. Epoch milliseconds; `pointer` ends with the user key."""

    banner_key: str
    product_id: str
    epoch: int
    pointer: str
    clicked_at: float
    notified_at: float
    fetched_at: float
    shown_at: float

    @property
    def user_key(self) -> str:
        """Return the user key of the banner's visitor."""
        return self.pointer.rpartition("/")[2]


@dataclass(slots=True)
class Trail:
    """Timestamps of the records that resulted from the page's clicks, in epoch milliseconds."""

    clicks: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    """By user key and product."""
    changelog: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By user key."""
    assignments: dict[tuple[str, int], int] = field(default_factory=dict)
    """By user key and epoch."""
    requests: dict[str, int] = field(default_factory=dict)
    """By banner key; the first of each."""
    ready: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By banner key: first for `generator.first_sizes` if set, then for all sizes."""


class Click(msgspec.Struct):
    """The fields of a click that are used."""

    user_id: str
    product_id: str = ""


class Assigned(msgspec.Struct):
    """The fields of an assignment that are used."""

    epoch: int


class Trails:
    """Reads the records that were written to the main job's topics since the last read."""

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
        """Return the records since the last read."""
        ends = self._ends()
        left = {tp for tp in self._partitions if self._next[tp] < ends[tp]}
        self._consumer.assign([TopicPartition(*tp, self._next[tp]) for tp in left])
        trail, quiet = Trail(), 0.0
        while left and quiet < READ_S:
            records = self._consumer.consume(10_000, POLL_S)
            quiet = 0.0 if records else quiet + POLL_S
            for record in records:
                place = (str(record.topic()), record.partition() or 0)
                if (record.offset() or 0) + 1 >= ends[place]:
                    left.discard(place)
                self._add(trail, record)
        self._next = ends
        return trail

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _ends(self) -> dict[tuple[str, int], int]:
        return {each: self._consumer.get_watermark_offsets(TopicPartition(*each))[1] for each in self._partitions}

    def _add(self, trail: Trail, record: Any) -> None:
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
    """Return the milliseconds of each stage in order, or None if a record is missing.

    `painting_ms` are the manifest's stages for a banner that was painted for this click. They are those of all sizes,
    so they are not used if some sizes were announced first.
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
    stages["edge: read, told"] = shown.notified_at - known
    stages["picture fetched"] = shown.fetched_at - shown.notified_at
    stages["decoded, painted"] = shown.shown_at - shown.fetched_at
    return stages


def medians(journeys: Iterable[Mapping[str, float] | None]) -> dict[str, float]:
    """Return the median milliseconds of each stage over the complete journeys."""
    taken: dict[str, list[float]] = {}
    for journey in journeys:
        for stage, ms in (journey or {}).items():
            taken.setdefault(stage, []).append(ms)
    return {stage: round(median(times), 1) for stage, times in taken.items()}


def journeys(shown: Sequence[Shown], trail: Trail, store: S3BannerStore) -> list[dict[str, float] | None]:
    """Return the stages of each shown banner. It was painted for its click if `trail` has its request."""

    def painting(banner: Shown) -> Mapping[str, float] | None:
        if banner.banner_key not in trail.requests:
            return None
        manifest = store.manifest(banner.banner_key)
        return None if manifest is None else manifest.stage_ms

    return [stages_of(banner, trail, painting(banner)) for banner in shown]
