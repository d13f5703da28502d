"""A right that docs/production.md lists and nobody granted: the service ends, and says which."""

import re
from contextlib import closing
from typing import Any

import pytest

from bannerstream.broker.topics import changelog_name, create_topics, internal_topics, tallies_name
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.secured_kafka import Deployment

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.pairs("embedded"), pytest.mark.servers("s3")]

CDN: dict[str, Any] = {"kind": "nginx", "nodes": ["http://127.0.0.1:1"], "purge_token": "0123456789abcdef" * 4}
REPARTITION: dict[str, Any] = {"streams": {"repartition": True}}
MISSING: dict[str, tuple[str, tuple[str, str, str], dict[str, Any]]] = {
    "streams, group": ("streams", ("group", "<app_id>", "Read"), {}),
    "streams, topic": ("streams", ("topic", "purchases", "Read"), {}),
    "streams, group of repartition": ("streams", ("group", "<app_id>-repartition", "Read"), REPARTITION),
    "streams, transactional id": ("streams", ("transactional id", "<app_id>-repartition-*", "Write"), REPARTITION),
    "experiments, create": ("experiments", ("topic", "<app_id>-experiments-tallies-changelog", "Create"), {}),
    "experiments, group": ("experiments", ("group", "<app_id>-experiments", "Read"), {}),
    "generator, group": ("generator", ("group", "bannerstream-generator", "Read"), {}),
    "generator, topic": ("generator", ("topic", "banner.requests", "Read"), {}),
    "generator, refusals": ("generator", ("topic", "banner.refusals", "Read"), {}),
    "edge, topic": ("edge", ("topic", "banner.ready", "Read"), {"edge": {"port": 0}}),
    "purger, group": ("purger", ("group", "bannerstream-purger", "Read"), {}),
}


def prepared(settings: Settings) -> dict[str, Any]:
    return {"changelog": changelog_name(settings.streams.app_id), **internal_topics(settings.streams)}


EACH_PUSH = {"streams, group", "streams, transactional id", "experiments, create", "generator, group", "edge, topic"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in EACH_PUSH else pytest.mark.full) for case in MISSING]
)
async def test_a_service_ends_with_the_right_that_it_lacks(deployment: Deployment, case: str, fresh_name: str) -> None:
    service, (resource, name, operation), more = MISSING[case]
    if service == "purger":
        more = {"cdn": CDN | {"group_id": f"{fresh_name}-purger", "metrics_port": 0}}
    right = deployment.right(service, resource, name, operation)
    await deployment.grant("operator")
    operator = deployment.settings("operator", **more)
    await create_topics(operator.kafka, **prepared(operator))
    with closing(S3BannerStore(operator.storage)) as store:
        store.ensure_bucket()
    await deployment.grant(service, but=right)
    process = deployment.run(service, **more)
    try:
        status = process.wait(90)
    finally:
        process.stop()
    log = process.log_tail(200)
    assert status == 3, log
    assert "Traceback" not in log
    sentences = re.findall(r"\S+ does not let the user (\S+) .*?: grant it what docs/production\.md lists", log)
    assert set(sentences) == {service}
    assert right.name.rstrip("*") in log


async def test_a_topic_that_may_not_be_seen_is_not_called_missing(deployment: Deployment) -> None:
    await deployment.grant("operator")
    await create_topics(deployment.settings("operator").kafka)
    command = deployment.command(["topics", "check"], "report")
    assert command.wait(90) == 3
    log = command.log_tail(50)
    assert "does not let the user report use the topic" in log
    assert "missing" not in log


def test_the_tallies_are_listed_under_their_own_name() -> None:
    assert tallies_name("<app_id>") == "<app_id>-experiments-tallies-changelog"
