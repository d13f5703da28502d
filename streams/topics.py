"""Checks the topics, and creates ours, before the first event is folded."""

import asyncio
from dataclasses import replace

from bannerstream.broker.topic_problems import Checked
from bannerstream.broker.topics import check_topics, create_topics, describe_topics
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.settings import KafkaSettings

VISIBLE_TIMEOUT_S = 15.0
"""How long a new topic may take from the controller, which created it, to the brokers, which list it."""

_POLL_S = 0.1


async def prepare_topics(kafka: KafkaSettings, changelog: str, repartitioned: str | None = None) -> None:
    """Check that the topics fit together, and create the missing ones of our own: changelog and `repartitioned`.

    Faust itself declares no topics: it would create them with one replica and its own partition count, or fail without
    the right to create topics.

    Raises:
        TopicMissing, TopicMismatch: a topic is missing, or clicks, purchases and the changelog differ in partitions.
        ServiceUnavailable, ConfigurationError: the broker does not answer, or refuses.
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
    """Raise on problems of other topics than these, which are about to be created."""
    replace(checked, problems=tuple(problem for problem in checked.problems if problem.topic not in missing)).refuse()


async def _until_visible(kafka: KafkaSettings, topic: str) -> None:
    try:
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            while topic not in await describe_topics(kafka):  # noqa: ASYNC110  (brokers send no notification)
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise ServiceUnavailable(
            f"{topic} was created, but no broker lists it after {VISIBLE_TIMEOUT_S:.0f} s"
        ) from error
