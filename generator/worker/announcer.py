"""Publishes the results of requests: ready events for banners, dead letters for records that lead to none."""

from collections.abc import Iterable, Sequence

import structlog

from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import Outgoing, Publisher, outgoing
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.manifest import ready_event
from bannerstream.contracts.topics import Topics
from bannerstream.generator.pipeline.pipeline import MadeBanner

log = structlog.get_logger(__name__)

SOURCE = "bannerstream/generator"
"""CloudEvents source of ready events."""


async def announce(made: Iterable[MadeBanner], publisher: Publisher, topics: Topics, now_ms: int) -> None:
    """Publish one ready event per banner and wait until all in-sync replicas have it."""
    await publisher.publish_all([_announcement(banner, topics, now_ms) for banner in made])


async def publish_dead_letters(letters: Sequence[DeadLetter], publisher: Publisher, topics: Topics) -> None:
    """Publish dead letters. One that is too large for the topic goes without the original, or is only logged.

    No request may wait for a letter that the topic never accepts; the record remains in the source topic.
    """
    for letter in letters:
        for form in (letter, letter.without_original()):
            try:
                await publisher.publish_all([Outgoing(topics.dead_letters.name, form.key, form.value, form.headers())])
                break
            except MessageTooLarge as error:
                rejection = error
        else:
            log.error(
                "dead_letter_rejected",
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
                code=letter.code,
                error=str(rejection),
            )


def _announcement(banner: MadeBanner, topics: Topics, now_ms: int) -> Outgoing:
    manifest = banner.manifest
    key = manifest.banner_key
    ready = ready_event(manifest, ready_at=now_ms, event_appended_at=banner.request.event_appended_at)
    event = CloudEvent(id=f"{key}:{manifest.revision}", type="banner.ready", source=SOURCE, time=now_ms, subject=key)
    return outgoing(topics.ready.name, key, ready, event)
