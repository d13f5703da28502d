"""What must be true of the topics before the first event is folded."""

import asyncio

from broker.topics import check_topics, create_topics, describe_topics
from contracts.errors import ServiceUnavailable
from settings import KafkaSettings

VISIBLE_TIMEOUT_S = 15.0
"""How long a new topic may take from the controller, which made it, to the brokers, which are asked for it."""

_POLL_S = 0.1


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
        await _until_visible(kafka, changelog)
    (await check_topics(kafka, changelog=changelog)).refuse()


async def _until_visible(kafka: KafkaSettings, topic: str) -> None:
    try:
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            while topic not in await describe_topics(kafka):  # noqa: ASYNC110  (no broker tells when)
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise ServiceUnavailable(f"{topic} was made, but no broker shows it after {VISIBLE_TIMEOUT_S:.0f} s") from error
