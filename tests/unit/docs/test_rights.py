"""docs/production.md lists the rights on every topic; tests/integration/secured grants what it lists."""

from bannerstream.broker.dead_letters import REPLAY_GROUP
from bannerstream.broker.topics import changelog_name, repartitioned_name, tallies_name
from bannerstream.contracts.topics import Topics
from bannerstream.settings import Settings
from tests.support.kafka_rights import listed_rights

APP = "<app_id>"


def test_every_topic_has_a_writer_and_a_reader_and_the_operator_creates_those_of_the_table() -> None:
    rights = [right for right in listed_rights() if right.resource == "topic"]
    ours = {topic.name for topic in Topics()}
    internal = {changelog_name(APP), repartitioned_name(APP), tallies_name(APP)}
    assert {right.name for right in rights} == ours | internal
    for operation in ("Read", "Write"):
        assert {right.name for right in rights if right.operation == operation} == ours | internal
    assert {right.name for right in rights if right.operation == "Create"} == ours | internal


def test_the_groups_are_those_of_the_settings() -> None:
    settings = Settings()
    groups = {right.name for right in listed_rights() if right.resource == "group"}
    fixed = {settings.generator.group_id, settings.cdn.group_id, REPLAY_GROUP}
    assert groups == fixed | {APP, f"{APP}-repartition", f"{APP}-experiments"}


def test_no_service_may_do_more_than_it_reads_and_writes() -> None:
    creating = {right.principal for right in listed_rights() if right.operation in {"Create", "DescribeConfigs"}}
    assert creating == {"operator", "experiments"}
