"""docs/recovery.md says of every topic what to do when it is lost."""

from bannerstream.contracts.topics import Topics
from tests.support.recovery_page import sections


def test_every_topic_has_its_section_with_commands() -> None:
    found = sections()
    for topic in Topics():
        assert found[f"`{topic.name}`"].commands, topic.name
        assert found[f"`{topic.name}`"].commands[0] == "bannerstream topics create"


def test_every_loss_says_what_it_means() -> None:
    for title, section in sections().items():
        assert section.text or title == "The whole bucket", title
