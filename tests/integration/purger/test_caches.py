"""Real Varnish and real nginx, with the configuration of deploy/cdn/."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.nginx import Nginx as NginxPurger
from bannerstream.purger.ports import Call, Misconfigured, Purger
from bannerstream.purger.sender import Sender
from bannerstream.purger.staleness import Origin as Record
from bannerstream.purger.staleness import Stale
from bannerstream.purger.varnish import Varnish as VarnishPurger
from tests.integration.purger.origin import Origin
from tests.support.cdn_cache import SIZE, Cache
from tests.support.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ANNA, BEN = "a" * 32, "b" * 32
OLD, NEW = "0" * 64, "1" * 64
HERE = Record("banner.assignments", 0, 1, 1_000, b"key", 100)


def pointer(user: str) -> str:
    return f"/v1/pointers/{user}"


async def cached(cache: Cache, path: str) -> None:
    """Fetch until the response comes from the cache, which stores one only after the client has it."""

    async def is_hit() -> bool:
        return (await cache.get(path)).hit

    await until(is_hit, f"the cache holds {path}")


async def purge(purger: Purger, stale: Stale) -> list[Call]:
    calls = purger.calls(stale, time.time())
    async with Sender(purger, PurgerMetrics(CollectorRegistry()), asyncio.Event(), timeout_s=10) as sender:
        assert await sender.send_all(calls) == []
    return calls


async def test_a_pointer_is_stale_before_and_fresh_after_and_images_stay(edge: Origin, cache: Cache) -> None:
    edge.shown = {ANNA: OLD, BEN: OLD}
    image = f"/b/{OLD}/{SIZE}.webp"
    for path in (pointer(ANNA), f"{pointer(ANNA)}/{SIZE}", pointer(BEN), image):
        assert not (await cache.get(path)).hit
        await cached(cache, path)

    edge.shown |= {ANNA: NEW, BEN: NEW}
    served = edge.served.copy()
    assert OLD in (await cache.get(pointer(ANNA))).text, "stale before"
    await purge(cache.purger, Stale(users={ANNA: HERE}))
    assert NEW in (await cache.get(pointer(ANNA))).text, "fresh after"
    assert (await cache.get(f"{pointer(ANNA)}/{SIZE}")).headers["Location"] == f"/b/{NEW}/{SIZE}.webp"
    assert (await cache.get(pointer(ANNA))).hit, "and cached again"

    kept = await cache.get(pointer(BEN))
    assert (kept.hit, OLD in kept.text) == (True, True), "the pointers of others stay"
    assert (await cache.get(image)).hit
    assert edge.served[image] == served[image]
    assert edge.served[pointer(ANNA)] == served[pointer(ANNA)] + 1


async def test_a_visitor_whom_nobody_knows_is_no_error(edge: Origin, cache: Cache) -> None:
    await purge(cache.purger, Stale(users={ANNA: HERE}))
    assert (await cache.get(pointer(ANNA))).status == 404


async def test_a_visitor_who_was_erased_is_gone_from_the_cache(edge: Origin, cache: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await cached(cache, pointer(ANNA))
    edge.shown = {}
    await purge(cache.purger, Stale(users={ANNA: HERE}))
    assert (await cache.get(pointer(ANNA))).status == 404


async def test_many_visitors_are_purged_in_as_many_calls_as_it_takes(edge: Origin, cache: Cache) -> None:
    users = [f"{number:032x}" for number in range(150)]
    edge.shown = dict.fromkeys(users, OLD)
    await asyncio.gather(*(cached(cache, pointer(user)) for user in users))
    edge.shown = dict.fromkeys(users, NEW)
    calls = await purge(cache.purger, Stale(users=dict.fromkeys(users, HERE)))
    assert len(calls) == (2 if cache.kind == "varnish" else 300)
    pages = await asyncio.gather(*(cache.get(pointer(user)) for user in users))
    assert [NEW in page.text for page in pages] == [True] * 150


async def test_who_has_no_token_purges_nothing(edge: Origin, cache: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await cached(cache, pointer(ANNA))
    served = edge.served[pointer(ANNA)]
    nodes = (cache.server.url,)
    stranger: Purger = VarnishPurger(nodes, "guessed") if cache.kind == "varnish" else NginxPurger(nodes, "guessed", ())
    (call, *_) = stranger.calls(Stale(users={ANNA: HERE}), 0.0)
    async with Sender(stranger, PurgerMetrics(CollectorRegistry()), asyncio.Event(), timeout_s=10) as sender:
        verdict = await sender._attempt(call)
    assert isinstance(verdict, Misconfigured)
    assert "cdn.purge_token" in verdict.reason
    assert (await cache.get(pointer(ANNA))).hit
    assert edge.served[pointer(ANNA)] == served


async def test_varnish_drops_every_pointer_that_shows_a_banner(edge: Origin, varnish: Cache) -> None:
    edge.shown = {ANNA: OLD, BEN: NEW}
    for user in (ANNA, BEN):
        await cached(varnish, pointer(user))
    await purge(varnish.purger, Stale(banners={OLD: HERE}))
    assert not (await varnish.get(pointer(ANNA))).hit
    assert (await varnish.get(pointer(BEN))).hit


async def test_tags_stay_between_edge_and_its_cache(edge: Origin, cache: Cache) -> None:
    edge.shown = {ANNA: OLD}
    headers = (await cache.get(pointer(ANNA))).headers
    assert not {name.lower() for name in headers} & {"xkey", "surrogate-key", "cache-tag"}


async def test_queries_and_cookies_do_not_split_the_cache(edge: Origin, cache: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await cached(cache, pointer(ANNA))
    assert (await cache.get(f"{pointer(ANNA)}?utm_source=letter")).hit


OPERATORS = [
    "/metrics",
    "/docs",
    "/openapi.json",
    "/readyz",
    f"/v1/visitors/{ANNA}",
    "/%6detrics",
    "/b/../metrics",
    "/b/%2e%2e/metrics",
    "//metrics",
    "/v1/banner/../../metrics",
    "/v1/pointers/../visitors/x",
    "/v1/streams",
    "/v1/banner%0a",
    "/b/x%0d%0aX-Purge-Token:%20x",
    "/",
]


@pytest.mark.parametrize("path", OPERATORS)
async def test_what_is_for_operators_is_not_published(edge: Origin, cache: Cache, path: str) -> None:
    assert await raw_status(cache, path) in {400, 404}
    assert not edge.passed


@pytest.mark.parametrize("path", ["/v1/banner", "/v1/events", "/v1/feedback", "/banner.js", "/healthz"])
async def test_what_pages_use_is_passed_with_its_query(edge: Origin, cache: Cache, path: str) -> None:
    assert await raw_status(cache, f"{path}?token=a%20b&x") == 200
    assert edge.passed == [f"{path}?token=a%20b&x"]


@pytest.mark.parametrize("other", ["/b//{0}", "/b/./{0}", "/b/x/../{0}", "/%62/{0}", "/b/{0}?", "/b/{0}%20"])
async def test_no_404_is_kept_for_another_path(edge: Origin, cache: Cache, other: str) -> None:
    """The cache's key is the path of the request to edge, however the client writes it."""
    edge.shown = {ANNA: OLD}
    name = f"{OLD}.webp"
    await raw_status(cache, other.format(name))
    image = await cache.get(f"/b/{name}")
    assert (image.status, image.text) == (200, "RIFF")
    assert set(edge.served) <= {f"/b/{name}"}


async def raw_status(cache: Cache, path: str) -> int:
    """Return the status of a path, sent without a client library that would normalise it."""
    host, _, port = cache.server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readline()
    writer.close()
    return int(head.split()[1])


async def test_nginx_logs_neither_who_asks_nor_who_is_asked_for(edge: Origin, nginx: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await nginx.get(f"{pointer(ANNA)}/{SIZE}?token=secret")
    await nginx.get("/nothing?token=secret")

    def logged() -> str:
        return nginx.server.access_log.read_text()

    await until(lambda: logged().count("\n") == 2)  # it writes the line after the response
    assert " GET /v1/pointers/ " in logged()
    assert " GET /nothing " in logged()
    for secret in (ANNA, "secret", "127.0.0.1"):
        assert secret not in logged()


async def test_varnish_shows_the_old_pointer_while_edge_is_down(edge: Origin, varnish: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await varnish.get(pointer(ANNA))
    edge.down = True
    edge.shown[ANNA] = NEW
    await purge(varnish.purger, Stale(users={ANNA: HERE}))

    async def shows(old: bool) -> bool:
        page = await varnish.get(pointer(ANNA))
        return (page.status, OLD in page.text) == (200, old)

    await until(lambda: shows(old=True), "Varnish has noticed that edge is down")  # until then, it forwards to edge
    edge.down = False
    await until(lambda: shows(old=False), "Varnish shows the new pointer")


async def test_nginx_is_asked_again_until_edge_is_back(edge: Origin, nginx: Cache) -> None:
    edge.shown = {ANNA: OLD}
    await nginx.get(pointer(ANNA))
    edge.down, edge.shown[ANNA] = True, NEW
    purging = asyncio.create_task(purge(nginx.purger, Stale(users={ANNA: HERE})))
    await until(lambda: edge.refused > 0)
    assert OLD in (await nginx.get(pointer(ANNA))).text, "the old pointer stays"
    edge.down = False
    await purging
    assert NEW in (await nginx.get(pointer(ANNA))).text
