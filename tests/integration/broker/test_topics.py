import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bannerstream.broker.connection import client_options
from bannerstream.broker.errors import TopicMismatch, TopicMissing
from bannerstream.broker.topics import changelog_name, check_topics, create_topics, describe_topics
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.kafka import KafkaSettings


async def make(kafka: KafkaSettings, name: str, partitions: int, cleanup: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1, topic_configs={"cleanup.policy": cleanup})])
    await admin.close()
    async with asyncio.timeout(15):
        while name not in await describe_topics(kafka):  # noqa: ASYNC110  (the broker tells nobody)
            await asyncio.sleep(0.05)


async def test_creates_every_topic_then_finds_nothing_wrong(kafka: KafkaSettings) -> None:
    changelog = changelog_name(kafka.topics["clicks"])
    made = await create_topics(kafka, changelog=changelog)
    assert {plan.name for plan in made.created} == {*kafka.topics.values(), changelog}
    assert made.existing == ()
    there = await describe_topics(kafka)
    assert all(there[name].partitions == 3 for name in [*kafka.topics.values(), changelog])
    checked = await check_topics(kafka, changelog=changelog)
    assert checked.problems == ()
    checked.refuse()


async def test_creating_again_changes_nothing(kafka: KafkaSettings) -> None:
    await create_topics(kafka)
    again = await create_topics(kafka.model_copy(update={"partitions": 5}))
    assert again.created == ()
    assert set(again.existing) == set(kafka.topics.values())
    assert (await describe_topics(kafka))[kafka.topics["clicks"]].partitions == 3


async def test_a_dry_run_creates_nothing(kafka: KafkaSettings) -> None:
    plan = await create_topics(kafka, dry_run=True)
    assert {each.name for each in plan.created} == set(kafka.topics.values())
    assert not set(kafka.topics.values()) & set(await describe_topics(kafka))


async def test_the_shops_topics_can_be_left_to_the_shop(kafka: KafkaSettings) -> None:
    made = {plan.name for plan in (await create_topics(kafka, external=False)).created}
    assert set(kafka.topics.values()) - made == {kafka.topics[role] for role in ("clicks", "purchases", "erasures")}


async def test_what_is_folded_together_gets_the_partitions_of_what_is_there(kafka: KafkaSettings) -> None:
    await make(kafka, kafka.topics["purchases"], 7, "delete")
    changelog = changelog_name(kafka.topics["clicks"])
    made = {plan.name: plan.partitions for plan in (await create_topics(kafka, changelog=changelog)).created}
    assert made[kafka.topics["clicks"]] == made[changelog] == 7
    assert made[kafka.topics["requests"]] == 3


async def test_missing_topics_are_problems_and_looking_does_not_create_them(kafka: KafkaSettings) -> None:
    for _ in range(2):
        checked = await check_topics(kafka)
        assert {(each.topic, each.kind) for each in checked.problems} == {
            (name, "missing") for name in kafka.topics.values()
        }
    with pytest.raises(TopicMissing, match=r"topics create"):
        checked.refuse()


async def test_unlike_partition_counts_are_a_mismatch(kafka: KafkaSettings) -> None:
    await make(kafka, kafka.topics["clicks"], 3, "delete")
    await make(kafka, kafka.topics["purchases"], 2, "delete")
    await create_topics(kafka)
    checked = await check_topics(kafka)
    assert [(each.topic, each.kind) for each in checked.problems] == [(kafka.topics["purchases"], "partitions")]
    with pytest.raises(TopicMismatch, match=r"clicks has 3, .*purchases has 2, .*; recreate .*purchases with 3"):
        checked.refuse()


async def test_wrong_cleanup_and_too_few_replicas_are_problems_to_warn_of(kafka: KafkaSettings) -> None:
    await make(kafka, kafka.topics["products"], 3, "delete")
    await make(kafka, kafka.topics["requests"], 3, "compact,delete")
    await create_topics(kafka)
    checked = await check_topics(kafka.model_copy(update={"replication_factor": 2}))
    by_kind = {
        kind: {each.topic for each in checked.problems if each.kind == kind} for kind in ("cleanup", "replication")
    }
    assert by_kind["cleanup"] == {kafka.topics["products"], kafka.topics["requests"]}
    assert by_kind["replication"] == set(kafka.topics.values())
    checked.refuse()


async def test_more_replicas_than_brokers_are_refused_with_the_setting(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"replication_factor"):
        await create_topics(kafka.model_copy(update={"replication_factor": 3}))


async def test_three_replicas_need_two_in_sync(kafka: KafkaSettings) -> None:
    plan = await create_topics(kafka.model_copy(update={"replication_factor": 3}), dry_run=True)
    assert all(each.configs["min.insync.replicas"] == "2" for each in plan.created)
