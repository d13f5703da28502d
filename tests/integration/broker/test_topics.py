import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bannerstream.broker.connection import client_options
from bannerstream.broker.errors import TopicMismatch, TopicMissing
from bannerstream.broker.topics import changelog_name, check_topics, create_topics, describe_topics
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.kafka import KafkaSettings
from tests.support.waiting import until

pytestmark = pytest.mark.servers("kafka")


async def make(kafka_settings: KafkaSettings, name: str, partitions: int, cleanup: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka_settings))
    await admin.start()
    configs = {"cleanup.policy": cleanup, "message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
    await admin.close()

    async def exists() -> bool:
        return name in await describe_topics(kafka_settings)

    await until(exists, f"{name} is there")


async def test_creates_every_topic_then_finds_nothing_wrong(kafka_settings: KafkaSettings) -> None:
    changelog = changelog_name(kafka_settings.topics["clicks"])
    made = await create_topics(kafka_settings, changelog=changelog)
    assert {plan.name for plan in made.created} == {*kafka_settings.topics.values(), changelog}
    assert made.existing == ()
    there = await describe_topics(kafka_settings)
    assert all(there[name].partitions == 3 for name in [*kafka_settings.topics.values(), changelog])
    checked = await check_topics(kafka_settings, changelog=changelog)
    assert checked.problems == ()
    checked.refuse()


async def test_creating_again_changes_nothing(kafka_settings: KafkaSettings) -> None:
    await create_topics(kafka_settings)
    again = await create_topics(kafka_settings.model_copy(update={"partitions": 5}))
    assert again.created == ()
    assert set(again.existing) == set(kafka_settings.topics.values())
    assert (await describe_topics(kafka_settings))[kafka_settings.topics["clicks"]].partitions == 3


async def test_a_dry_run_creates_nothing(kafka_settings: KafkaSettings) -> None:
    plan = await create_topics(kafka_settings, dry_run=True)
    assert {topic.name for topic in plan.created} == set(kafka_settings.topics.values())
    assert not set(kafka_settings.topics.values()) & set(await describe_topics(kafka_settings))


async def test_the_shops_topics_can_be_left_to_the_shop(kafka_settings: KafkaSettings) -> None:
    made = {plan.name for plan in (await create_topics(kafka_settings, external=False)).created}
    assert set(kafka_settings.topics.values()) - made == {
        kafka_settings.topics[role] for role in ("clicks", "purchases", "erasures")
    }


async def test_what_is_folded_together_gets_the_partitions_of_what_is_there(kafka_settings: KafkaSettings) -> None:
    await make(kafka_settings, kafka_settings.topics["purchases"], 7, "delete")
    changelog = changelog_name(kafka_settings.topics["clicks"])
    made = {plan.name: plan.partitions for plan in (await create_topics(kafka_settings, changelog=changelog)).created}
    assert made[kafka_settings.topics["clicks"]] == made[changelog] == 7
    assert made[kafka_settings.topics["requests"]] == 3


async def test_missing_topics_are_problems_and_looking_does_not_create_them(kafka_settings: KafkaSettings) -> None:
    for _ in range(2):
        checked = await check_topics(kafka_settings)
        assert {(problem.topic, problem.kind) for problem in checked.problems} == {
            (name, "missing") for name in kafka_settings.topics.values()
        }
    with pytest.raises(TopicMissing, match=r"topics create"):
        checked.refuse()


async def test_unlike_partition_counts_are_a_mismatch(kafka_settings: KafkaSettings) -> None:
    await make(kafka_settings, kafka_settings.topics["clicks"], 3, "delete")
    await make(kafka_settings, kafka_settings.topics["purchases"], 2, "delete")
    await create_topics(kafka_settings)
    checked = await check_topics(kafka_settings)
    assert [(problem.topic, problem.kind) for problem in checked.problems] == [
        (kafka_settings.topics["purchases"], "partitions")
    ]
    with pytest.raises(TopicMismatch, match=r"clicks has 3, .*purchases has 2, .*; recreate .*purchases with 3"):
        checked.refuse()


async def test_wrong_cleanup_and_too_few_replicas_are_problems_to_warn_of(kafka_settings: KafkaSettings) -> None:
    await make(kafka_settings, kafka_settings.topics["products"], 3, "delete")
    await make(kafka_settings, kafka_settings.topics["requests"], 3, "compact,delete")
    await create_topics(kafka_settings)
    checked = await check_topics(kafka_settings.model_copy(update={"replication_factor": 2}))
    by_kind = {
        kind: {problem.topic for problem in checked.problems if problem.kind == kind}
        for kind in ("cleanup", "replication")
    }
    assert by_kind["cleanup"] == {kafka_settings.topics["products"], kafka_settings.topics["requests"]}
    assert by_kind["replication"] == set(kafka_settings.topics.values())
    checked.refuse()


async def test_more_replicas_than_brokers_are_refused_with_the_setting(kafka_settings: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"replication_factor"):
        await create_topics(kafka_settings.model_copy(update={"replication_factor": 3}))


async def test_three_replicas_need_two_in_sync(kafka_settings: KafkaSettings) -> None:
    plan = await create_topics(kafka_settings.model_copy(update={"replication_factor": 3}), dry_run=True)
    assert all(topic.configs["min.insync.replicas"] == "2" for topic in plan.created)
