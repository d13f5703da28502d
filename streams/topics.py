"""What must be true of the topics before the first event is folded."""

import asyncio
from dataclasses import replace

from bannerstream.broker.topics import Checked, check_topics, create_topics, describe_topics
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.settings import KafkaSettings

VISIBLE_TIMEOUT_S = 15.0
"""How long a new topic may take from the controller, which made it, to the brokers, which are asked for it."""

_POLL_S = 0.1


async def prepare_topics(kafka: KafkaSettings, changelog: str, repartitioned: str | None = None) -> None:
    """Refuse topics that cannot work together, and make our own, changelog and `repartitioned`, where they are missing.

    Faust itself declares nothing: it would make topics with one replica and its own idea of partitions, or fail where
    the right to create is not given.

    Raises:
        TopicMissing, TopicMismatch: a topic is missing, or clicks, purchases and the changelog differ in partitions.
        ServiceUnavailable, ConfigurationError: the broker does not answer or refuses.
    """
    own = [changelog] if repartitioned is None else [repartitioned, changelog]
    there = await describe_topics(kafka)
    if missing := [name for name in own if name not in there]:
        _refuse_all_but(missing, await check_topics(kafka, changelog=changelog, repartitioned=repartitioned))
        await create_topics(kafka, changelog=changelog, repartitioned=repartitioned, external=False)
        for name in missing:
            await _until_visible(kafka, name)
    (await check_topics(kafka, changelog=changelog, repartitioned=repartitioned)).refuse()


def _refuse_all_but(missing: list[str], checked: Checked) -> None:
    """Refuse what is wrong besides these, which are about to be made."""
    replace(checked, problems=tuple(each for each in checked.problems if each.topic not in missing)).refuse()


async def _until_visible(kafka: KafkaSettings, topic: str) -> None:
    try:
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            while topic not in await describe_topics(kafka):  # noqa: ASYNC110  (no broker tells when)
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise ServiceUnavailable(f"{topic} was made, but no broker shows it after {VISIBLE_TIMEOUT_S:.0f} s") from error
