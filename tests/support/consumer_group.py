"""The state of the workers' consumer group: offsets and members, read from the broker."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bannerstream.broker.connection import client_options
from bannerstream.settings import Settings

Offsets = dict[TopicPartition, int]

_MEMBERS = 5  # place in a group of a DescribeGroups response, version 0 and later


async def offsets(settings: Settings, *topics: str) -> tuple[Offsets, Offsets]:
    """Return the committed offsets of these topics (0 where nothing was), and then their ends.

    Without topics: of clicks and purchases.

    Raises:
        KafkaError: the broker does not answer.
    """
    table = settings.kafka.topic_table()
    names = topics or (table.clicks.name, table.purchases.name)
    partitions = [TopicPartition(name, number) for name in names for number in range(settings.kafka.partitions)]
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    consumer = AIOKafkaConsumer(**client_options(settings.kafka), group_id=None)
    try:
        await admin.start()
        await consumer.start()
        try:
            committed = await admin.list_consumer_group_offsets(settings.streams.app_id)
        except GroupCoordinatorNotAvailableError:  # a new broker makes its offsets topic with the first group
            committed = {}
        ends = await consumer.end_offsets(partitions)
        return {tp: max(0, committed[tp].offset) if tp in committed else 0 for tp in partitions}, ends
    finally:
        await consumer.stop()
        await admin.close()


async def progress(settings: Settings) -> tuple[int, int]:
    """Return how many records of clicks and purchases are committed, and how many there are."""
    committed, ends = await offsets(settings)
    return sum(committed.values()), sum(ends.values())


async def members(settings: Settings) -> int:
    """Return how many members the group has."""
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    try:
        await admin.start()
        (response,) = await admin.describe_consumer_groups([settings.streams.app_id])
        return len(response.groups[0][_MEMBERS])
    except GroupCoordinatorNotAvailableError:
        return 0
    finally:
        await admin.close()
