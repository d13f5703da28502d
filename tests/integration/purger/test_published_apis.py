"""Each SaaS purger against its published API: its requests are valid, and it interprets the responses correctly."""

import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.purger.factory import create_purger
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.ports import Purger
from bannerstream.purger.sender import Sender
from bannerstream.purger.staleness import Origin, Stale, tags
from bannerstream.service.retry import Stopping
from bannerstream.settings import CdnSettings
from tests.integration.purger.published_apis import (
    ACCESS_KEY,
    DISTRIBUTION,
    SECRET_KEY,
    SERVICE,
    TOKEN,
    ZONE,
    PublishedApi,
    cloudflare,
    cloudfront,
    fastly,
    served,
)
from tests.support.waiting import until

HERE = Origin("banner.assignments", 0, 1, 1_000, b"key", 100)
STALE = Stale(
    users={f"{number:032x}": HERE for number in range(600)}, banners={f"{number:064x}": HERE for number in range(5)}
)

APIS: dict[str, Callable[[], PublishedApi]] = {"fastly": fastly, "cloudflare": cloudflare, "cloudfront": cloudfront}
BATCHES = {"fastly": [256, 256, 93], "cloudflare": [100] * 6 + [5], "cloudfront": [605]}


def settings_for(kind: str, api: PublishedApi, **more: object) -> CdnSettings:
    own: dict[str, dict[str, object]] = {
        "fastly": {"api_token": TOKEN, "fastly_service_id": SERVICE},
        "cloudflare": {"api_token": TOKEN, "cloudflare_zone_id": ZONE},
        "cloudfront": {
            "cloudfront_distribution_id": DISTRIBUTION,
            "aws_access_key": ACCESS_KEY,
            "aws_secret_key": SECRET_KEY,
            "cloudfront_paths_per_hour": 10_000,
        },
    }
    return CdnSettings(kind=kind, api_url=api.url, **own[kind] | more)  # type: ignore[arg-type]


async def send(purger: Purger, stale: Stale, stop: asyncio.Event | None = None) -> list[str]:
    """Purge stale pointers and return the reasons of rejected calls."""
    metrics = PurgerMetrics(CollectorRegistry())
    async with Sender(purger, metrics, stop or asyncio.Event(), timeout_s=10) as sender:
        return [str(error) for _, error in await sender.send_all(purger.calls(stale, time.time()))]


each_api = pytest.mark.parametrize("kind", list(APIS))


@each_api
async def test_everything_stale_is_dropped_in_batches_that_the_api_takes(kind: str) -> None:
    async with served(APIS[kind]()) as api:
        assert await send(create_purger(settings_for(kind, api)), STALE) == []
    assert api.problems == []
    assert sorted(map(len, api.batches), reverse=True) == BATCHES[kind]
    mark = "#" if kind == "cloudfront" else ""
    assert sorted(api.dropped) == sorted(f"{mark}{tag}" for tag, _ in tags(STALE))


@each_api
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_who_is_told_to_come_back_comes_back(kind: str, status: int) -> None:
    async with served(APIS[kind]()) as api:
        api.script = [(status, {"Retry-After": "0"}, "later")] * 2
        assert await send(create_purger(settings_for(kind, api)), Stale(users={"a" * 32: HERE})) == []
    assert (api.problems, api.scripted, len(api.dropped)) == ([], 2, 1)


@each_api
async def test_what_is_refused_for_good_is_said_with_the_apis_own_words(kind: str) -> None:
    async with served(APIS[kind]()) as api:
        api.script = [(422, {}, "no such thing")]
        (reason,) = await send(create_purger(settings_for(kind, api)), Stale(users={"a" * 32: HERE}))
    assert "no such thing" in reason
    assert f"user-{'a' * 32}" in reason
    assert "token" not in reason.lower(), "no secret"


@each_api
async def test_a_wrong_key_waits_for_the_operator_and_for_a_stop(kind: str) -> None:
    stop = asyncio.Event()
    async with served(APIS[kind]()) as api:
        api.script, api.stuck = [(403, {}, "who are you")], True
        purging = asyncio.create_task(send(create_purger(settings_for(kind, api)), Stale(users={"a" * 32: HERE}), stop))
        await until(lambda: api.scripted)
        assert not purging.done()
        stop.set()
        with pytest.raises(Stopping):
            await purging
    assert api.dropped == []


async def test_cloudflare_means_no_when_it_says_so_with_status_200() -> None:
    async with served(cloudflare()) as api:
        api.script = [(200, {}, '{"success": false, "errors": [{"code": 1094, "message": "cannot purge"}]}')]
        (reason,) = await send(create_purger(settings_for("cloudflare", api)), Stale(users={"a" * 32: HERE}))
    assert "cannot purge" in reason


async def test_cloudfront_waits_while_too_many_invalidations_are_in_progress() -> None:
    busy = "<ErrorResponse><Error><Code>TooManyInvalidationsInProgress</Code></Error></ErrorResponse>"
    async with served(cloudfront()) as api:
        api.script = [(400, {}, busy)]
        assert await send(create_purger(settings_for("cloudfront", api)), Stale(users={"a" * 32: HERE})) == []
    assert (api.problems, api.scripted, api.dropped) == ([], 1, [f"#user-{'a' * 32}"])


async def test_cloudfront_by_path_names_the_pointer_and_its_images() -> None:
    async with served(cloudfront()) as api:
        settings = settings_for("cloudfront", api, cloudfront_items="paths", image_sizes=("970x250",))
        assert await send(create_purger(settings), Stale(users={"a" * 32: HERE})) == []
    assert api.problems == []
    assert api.dropped == [f"/v1/pointers/{'a' * 32}", f"/v1/pointers/{'a' * 32}/970x250"]


async def test_cloudfront_drops_all_pointers_at_once_when_the_budget_is_used_up() -> None:
    async with served(cloudfront()) as api:
        purger = create_purger(settings_for("cloudfront", api, cloudfront_paths_per_hour=605))
        assert await send(purger, STALE) == []
        assert await send(purger, STALE) == []
    assert api.problems == []
    assert [len(batch) for batch in api.batches] == [605, 1]
    assert api.batches[1] == ["/v1/pointers/*"]


async def test_an_api_that_does_not_answer_is_asked_again() -> None:
    async with served(fastly()) as api:
        purger = create_purger(settings_for("fastly", api))
    registry, stop = CollectorRegistry(), asyncio.Event()
    async with Sender(purger, PurgerMetrics(registry), stop, timeout_s=10) as sender:
        purging = asyncio.create_task(sender.send_all(purger.calls(STALE, time.time())))
        again = {"cdn": "fastly", "outcome": "tryagain"}
        await until(
            lambda: (registry.get_sample_value("bannerstream_cdn_calls_total", again) or 0) > len(STALE.users) / 256
        )
        stop.set()
        with pytest.raises(Stopping):
            await purging
