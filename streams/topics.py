"""What must be true of the topics before the first event is folded."""

from broker.topics import check_topics, create_topics, describe_topics
from settings import KafkaSettings


async def prepare_topics(kafka: KafkaSettings, changelog: str) -> None:
    """Refuse topics that cannot work together, and make the changelog if it is missing.

    Faust itself declares nothing: it would make topics with one replica and its own idea of partitions, or fail where
    the right to create is not given.

    Raises:
        TopicMissing, TopicMismatch: a topic is missing, or clicks, purchases and the changelog differ in partitions.
        ServiceUnavailable, ConfigurationError: the broker does not answer or refuses.
    """
    (await check_topics(kafka)).refuse()
    if changelog not in await describe_topics(kafka):
        await create_topics(kafka, changelog=changelog, external=False)
    (await check_topics(kafka, changelog=changelog)).refuse()
