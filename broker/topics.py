"""The topics on a broker: creates missing ones and checks existing ones.

Never alters an existing topic: more partitions would move keys to other partitions and split a visitor's state.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.refusals import right_missing
from bannerstream.broker.topic_problems import (
    LOG_APPEND_TIME,
    TIMESTAMP_TYPE,
    Checked,
    TopicState,
    badly_cleaned_topics,
    missing_topics,
    thinly_replicated_topics,
    topics_dated_by_clients,
    uneven_topics,
)
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.topics import Topic
from bannerstream.service.compat import overrides_private
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.settings.streams import StreamsSettings

_DAY_MS = 86_400_000

RETENTION_DAYS = {"clicks": 7, "purchases": 7, "requests": 3, "feedback": 30, "erasures": 30, "dead_letters": 30}
"""Retention of topics that are not compacted, by role. Inputs: a week, to replay after an outage that began on a
Friday. Requests: older ones would paint banners that nobody waits for. Dead letters and erasures: a month, since people
act on them."""

TOMBSTONE_MS = 7 * _DAY_MS
"""How long a compacted topic keeps a tombstone: a reader offline for longer could miss it."""

DEAD_LETTER_BYTES = 1_310_720
"""`max.message.bytes` of the dead-letter topic: 900 kB of value, 100 kB of key, headers and a margin."""


_PROPAGATION_S = 15
"""Metadata normally reaches every broker within milliseconds."""


def changelog_name(app_id: str) -> str:
    """Return the name that Faust gives the changelog of the table `affinity`."""
    return f"{app_id}-affinity-changelog"


def repartitioned_name(app_id: str) -> str:
    """Return the name of the internal topic that holds clicks and purchases by visitor (`streams.repartition`)."""
    return f"{app_id}-interactions"


def tallies_name(app_id: str) -> str:
    """Return the name of the changelog of the experiments' tallies (`streams.experiments`)."""
    return f"{app_id}-experiments-tallies-changelog"


class InternalTopics(TypedDict):
    """Names of the internal topics of streams: keyword arguments of `create_topics` and `check_topics`."""

    changelog: str
    repartitioned: str | None


def internal_topics(settings: StreamsSettings) -> InternalTopics:
    """Return the names of the internal topics of streams under these settings."""
    return {
        "changelog": changelog_name(settings.app_id),
        "repartitioned": repartitioned_name(settings.app_id) if settings.repartition else None,
    }


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """One topic as it should be, or as it was created."""

    name: str
    partitions: int
    replication: int
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Created:
    """Topics that `create_topics` created (in a dry run, would create), and those that existed."""

    created: tuple[TopicPlan, ...]
    existing: tuple[str, ...]


async def create_topics(
    settings: KafkaSettings,
    *,
    changelog: str | None = None,
    repartitioned: str | None = None,
    external: bool = True,
    dry_run: bool = False,
) -> Created:
    """Create every missing topic, alter none, and return once the broker lists them.

    clicks, purchases, erasures and `changelog` (see `changelog_name`) get equally many partitions: as many as an
    existing one has, else `kafka.partitions`. With `repartitioned` (see `repartitioned_name`) that topic is created too
    and shares its count with the changelog; clicks and purchases may then differ. `external=False` does not create the
    topics that the shop writes.

    Raises:
        ServiceUnavailable, ConfigurationError: the broker does not answer, or rejects the request (too few brokers
            for `kafka.replication_factor`, no right to create).
    """
    with broker_errors(settings):
        async with _admin(settings) as admin:
            there = await _describe(admin)
            await _refuse_hidden(
                admin, [topic.name for topic, _ in _plans(settings, changelog, repartitioned, there)], there
            )
            plans = [
                plan
                for topic, plan in _plans(settings, changelog, repartitioned, there)
                if topic.name not in there and (external or not topic.external)
            ]
            if plans and not dry_run:
                await _create(settings, admin, plans)
                await _until_known(admin, {plan.name for plan in plans})
    needed = [topic.name for topic, _ in _plans(settings, changelog, repartitioned, there)]
    return Created(tuple(plans), tuple(name for name in needed if name in there))


async def create_changelog(settings: KafkaSettings, name: str, *, like: Topic) -> None:
    """Create a compacted topic with as many partitions as `like`, unless it exists; return once it is listed.

    Raises:
        TopicMissing: `like` does not exist.
        ServiceUnavailable, ConfigurationError: the broker does not answer, or refuses.
    """
    with broker_errors(settings):
        async with _admin(settings) as admin:
            there = await _describe(admin)
            await _refuse_hidden(admin, [like.name, name], there)
            if like.name not in there:
                raise TopicMissing(f"topic {like.name} is missing: run `bannerstream topics create`")
            if name in there:
                return
            topic = Topic(name, like.key, "compact", "streams", f"what is counted of {like.name}")
            plan = TopicPlan(
                name, there[like.name].partitions, settings.replication_factor, _configs(settings, topic, None)
            )
            await _create(settings, admin, [plan])
            await _until_known(admin, {name})


async def check_topics(
    settings: KafkaSettings, *, changelog: str | None = None, repartitioned: str | None = None
) -> Checked:
    """Return the problems of the topics.

    They are missing, have different partition counts, wrong cleanup or too few replicas, or clients date the arrival of
    events.

    `changelog` and `repartitioned` as in `create_topics`.

    Raises:
        ServiceUnavailable, ConfigurationError: the broker does not answer or refuses.
    """
    with broker_errors(settings):
        async with _admin(settings) as admin:
            there = await _describe(admin)
            topics = [topic for topic, _ in _plans(settings, changelog, repartitioned, there)]
            await _refuse_hidden(admin, [topic.name for topic in topics], there)
            configs, notes = await _read_configs(admin, [topic.name for topic in topics if topic.name in there])
    problems = [
        *missing_topics(topics, there),
        *uneven_topics(
            _together(settings, changelog, repartitioned),
            there,
            otherwise=", or set streams.repartition = true" if repartitioned is None else "",
        ),
        *badly_cleaned_topics(topics, configs),
        *topics_dated_by_clients(settings, configs),
        *thinly_replicated_topics(settings, topics, there),
    ]
    return Checked(tuple(problems), notes)


async def describe_topics(settings: KafkaSettings, *needed: str) -> dict[str, TopicState]:
    """Return every topic on the broker that this client may see; `needed` are those that it has to.

    Raises:
        RightMissing: the broker hides one that is needed.
        ServiceUnavailable, ConfigurationError: the broker does not answer or refuses.
    """
    with broker_errors(settings):
        async with _admin(settings) as admin:
            there = await _describe(admin)
            await _refuse_hidden(admin, needed, there)
            return there


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _describe(admin: AIOKafkaAdminClient) -> dict[str, TopicState]:
    return {
        topic["topic"]: TopicState(
            partitions=len(topic["partitions"]),
            replication=min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
        )
        for topic in await admin.describe_topics(None)
    }


@overrides_private("aiokafka.admin.client:AIOKafkaAdminClient._send_request", "651fab1488ec")
async def _refuse_hidden(admin: AIOKafkaAdminClient, needed: Iterable[str], there: Mapping[str, TopicState]) -> None:
    """Raise for topics that are not listed because this client has no right to see them.

    A list of all topics leaves these out without a word, and they would seem to be missing. By name the broker says so.
    The list comes first: many brokers create a topic that an old client requests by name.

    Raises:
        TopicAuthorizationFailedError: at least one is hidden.
    """
    unlisted = [name for name in needed if name not in there]
    if not unlisted:
        return
    try:
        response = await admin._send_request(MetadataRequest(unlisted, allow_auto_topic_creation=False))  # noqa: SLF001
    except IncompatibleBrokerVersion:  # before Kafka 0.11, without that flag
        return
    hidden = {
        topic["topic"]
        for topic in response.to_object()["topics"]
        if for_code(topic["error_code"]) is TopicAuthorizationFailedError
    }
    if hidden:
        raise TopicAuthorizationFailedError(hidden)


def _plans(
    settings: KafkaSettings, changelog: str | None, repartitioned: str | None, there: dict[str, TopicState]
) -> Iterator[tuple[Topic, TopicPlan]]:
    """Yield every topic with its plan: the table's, the repartitioned one and the changelog."""
    table = settings.topic_table()
    together = _together(settings, changelog, repartitioned)
    shared = next((there[name].partitions for name in together if name in there), settings.partitions)
    roles = {getattr(table, role).name: days for role, days in RETENTION_DAYS.items()}
    topics = list(table)
    if repartitioned is not None:
        topics.append(Topic(repartitioned, "user id", "delete", "streams", "clicks and purchases by visitor"))
        roles[repartitioned] = RETENTION_DAYS["clicks"]
    if changelog is not None:
        topics.append(Topic(changelog, "user key", "compact", "streams", "the packed state"))
    for topic in topics:
        configs = _configs(settings, topic, roles.get(topic.name))
        if topic.name == table.dead_letters.name:
            configs["max.message.bytes"] = str(DEAD_LETTER_BYTES)
        partitions = shared if topic.name in together else settings.partitions
        yield topic, TopicPlan(topic.name, partitions, settings.replication_factor, configs)


def _together(settings: KafkaSettings, changelog: str | None, repartitioned: str | None) -> list[str]:
    """Return the topics that must have equally many partitions."""
    table = settings.topic_table()
    folded = [table.clicks.name, table.purchases.name] if repartitioned is None else [repartitioned]
    folded.append(table.erasures.name)
    return folded if changelog is None else [*folded, changelog]


def _configs(settings: KafkaSettings, topic: Topic, retention_days: int | None) -> dict[str, str]:
    # Times of clients would decide what retention deletes, and whether an event lies in the future: one wrong clock
    # loses or freezes, and Kafka 4 refuses what is an hour ahead.
    configs: dict[str, str] = {"cleanup.policy": topic.cleanup, TIMESTAMP_TYPE: LOG_APPEND_TIME}
    if topic.cleanup == "compact":
        # Readers load these completely before they start: compact at 10 % waste, not at Kafka's 50 %.
        configs |= {"min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": str(TOMBSTONE_MS)}
    elif retention_days is not None:
        configs["retention.ms"] = str(retention_days * _DAY_MS)
    if settings.replication_factor >= 3:
        # acks=all means "all in sync": with one in sync it would guarantee nothing.
        configs["min.insync.replicas"] = "2"
    return configs


async def _create(settings: KafkaSettings, admin: AIOKafkaAdminClient, plans: list[TopicPlan]) -> None:
    response = await admin.create_topics(
        [NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=plan.configs) for plan in plans]
    )
    failed = []
    refused = set()
    for topic, code, *message in response.topic_errors:
        kind = for_code(code)
        if kind in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
            refused.add(topic)
        # Another client may have created it since it was described.
        elif code and kind is not TopicAlreadyExistsError:
            failed.append(f"{topic}: {(message and message[0]) or kind.description}")
    if refused:
        raise right_missing(settings, f"create the topic {', '.join(sorted(refused))}")
    if failed:
        raise ConfigurationError(f"the broker refuses to create {'; '.join(failed)} (see kafka.replication_factor)")


async def _until_known(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the broker lists the topics: the controller responds before the brokers know them."""
    deadline = time.monotonic() + _PROPAGATION_S
    while missing := names - (await _describe(admin)).keys():
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"created, but not shown after {_PROPAGATION_S} s: {', '.join(sorted(missing))}")
        await asyncio.sleep(0.05)


async def _read_configs(
    admin: AIOKafkaAdminClient, names: list[str]
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Return the options that are checked, by topic, and notes of what the broker does not return."""
    if not names:
        return {}, ()
    try:
        responses = await admin.describe_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "", TIMESTAMP_TYPE: ""})
                for name in names
            ]
        )
    except (IncompatibleBrokerVersion, UnsupportedVersionError, TopicAuthorizationFailedError) as error:
        return {}, (f"the broker does not return cleanup policies, so they were not checked: {error!r}",)
    configs: dict[str, dict[str, str]] = {}
    notes = []
    for code, message, _, name, entries in _resources(responses):
        if code:
            notes.append(f"{name}: cleanup.policy could not be read: {message or for_code(code).__name__}")
        configs[name] = {option: value for option, value, *_ in entries}
    return configs, tuple(notes)


def _resources(responses: list[Any]) -> Iterator[tuple[int, str, int, str, list[tuple[str, str]]]]:
    for response in responses:
        yield from response.resources
