"""Pictures: immutable, served in ranges on request, fetched once."""

import asyncio
import hashlib
import threading
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.edge import pictures as pictures_module
from bannerstream.edge.banner_facts import object_key
from bannerstream.edge.errors import NotFound, Overloaded, WrongBytes
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.pictures import Pictures, byte_range
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.fakes import MemoryBannerStore
from tests.support.edge_node import Node, running_node
from tests.support.scripted_server import ScriptedServer

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def address(node: Node) -> str:
    return "/b/" + node.store.put_blob(CONTENT, "image/webp").rpartition("/")[2]


async def test_a_picture_is_served_to_be_kept_for_ever(node: Node, address: str) -> None:
    answer = await node.client.get(address)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, CONTENT, "image/webp")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    head = await node.client.head(address)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize("header", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_who_has_it_is_told_so(node: Node, address: str, header: str) -> None:
    etag = hashlib.sha256(CONTENT).hexdigest()
    answer = await node.client.get(address, headers={"If-None-Match": header.format(etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert (await node.client.get(address, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=1000-", 1000, 1023), ("bytes=-24", 1000, 1023), ("bytes=1000-99999", 1000, 1023)],
)
async def test_a_part_is_served(node: Node, address: str, asked: str, first: int, last: int) -> None:
    answer = await node.client.get(address, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1024"
    whole = await node.client.get(address, headers={"Range": asked, "If-Range": '"of another version"'})
    assert (whole.status_code, whole.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
async def test_a_part_that_lies_outside_is_refused(node: Node, address: str, asked: str) -> None:
    answer = await node.client.get(address, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1024")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-", "bytes=a-b", ""])
def test_of_what_is_not_one_range_the_whole_is_sent(asked: str) -> None:
    assert byte_range(asked, 1024) is None


@pytest.mark.parametrize(
    "name",
    [
        "x.webp",
        "0" * 64 + ".exe",
        "0" * 63 + ".webp",
        "0" * 64,
        "..%2fmanifests%2f" + "0" * 64 + ".json",
        "A" * 64 + ".webp",
        "0" * 64 + ".webp",
    ],
)
async def test_anything_else_is_not_found(node: Node, name: str) -> None:
    answer = await node.client.get(f"/b/{name}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_store_that_is_away_is_said_to_be(node: Node, address: str) -> None:
    node.store.fail_next(1)
    answer = await node.client.get(address)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await node.client.get(address)).status_code == 200


WRONG = [
    pytest.param(b"", id="empty"),
    pytest.param(CONTENT[:512], id="cut short"),
    pytest.param(CONTENT[:512] + bytes(512), id="spoilt"),
    pytest.param(b"<html>captive portal</html>", id="a page"),
]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"If-None-Match": "*"}])
async def test_bytes_that_are_not_the_picture_are_never_served_or_cached(
    node: Node, address: str, wrong: bytes, headers: dict[str, str]
) -> None:
    key = object_key(address.rpartition("/")[2])
    node.store.objects[key] = wrong
    answer = await node.client.get(address, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (503, "wrong_bytes")
    assert (answer.headers["cache-control"], answer.headers["retry-after"]) == ("no-store", "5")
    assert "etag" not in answer.headers
    assert node.metric("bannerstream_edge_wrong_bytes_total") == 1
    node.store.objects[key] = CONTENT
    answer = await node.client.get(address)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert node.metric("bannerstream_edge_wrong_bytes_total") == 1


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_store_that_answers_200_with_something_else_is_not_believed(wrong: bytes) -> None:
    answers = [(200, "image/webp", wrong), (200, "image/webp", CONTENT)]
    with ScriptedServer() as server:
        server.script = lambda _method, _path: answers.pop(0)
        settings = StorageSettings(endpoint=server.endpoint, secure=False, attempts=1)
        with closing(S3BannerStore(settings)) as store:
            pictures = Pictures(store, EdgeMetrics(CollectorRegistry()), cache_bytes=10_000)
            name = f"{hashlib.sha256(CONTENT).hexdigest()}.webp"
            with pytest.raises(WrongBytes):
                await pictures.get(name)
            assert await pictures.get(name) == CONTENT


class SlowStore(MemoryBannerStore):
    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.fetches = 0

    def get_blob(self, key: str) -> bytes:
        self.fetches += 1
        assert self.gate.wait(10)
        return super().get_blob(key)


async def test_of_a_picture_that_is_not_there_nobody_has_anything(node: Node) -> None:
    answer = await node.client.get(f"/b/{'0' * 64}.webp", headers={"If-None-Match": "*"})
    assert answer.status_code == 404


async def test_names_that_are_made_up_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_module, "MAX_FETCHING", 3)
    store = SlowStore()
    pictures = Pictures(store, EdgeMetrics(CollectorRegistry()), cache_bytes=10_000)
    name = store.put_blob(CONTENT, "image/webp").rpartition("/")[2]
    asking = [asyncio.create_task(pictures.get(each)) for each in (name, "0" * 64 + ".webp", "1" * 64 + ".webp")]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="too many"):
        await pictures.get("2" * 64 + ".webp")
    same = asyncio.create_task(pictures.get(name))
    store.gate.set()
    assert await same == await asking[0] == CONTENT, "who asks for what is on its way is served"
    await asyncio.gather(*asking, return_exceptions=True)
    with pytest.raises(NotFound):
        await pictures.get("2" * 64 + ".webp")


async def test_many_who_ask_at_once_share_one_fetch_and_the_rest_comes_from_memory() -> None:
    store = SlowStore()
    pictures = Pictures(store, EdgeMetrics(CollectorRegistry()), cache_bytes=10_000)
    name = store.put_blob(CONTENT, "image/webp").rpartition("/")[2]
    asking = [asyncio.create_task(pictures.get(name)) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    store.gate.set()
    assert set(await asyncio.gather(*asking[1:])) == {CONTENT}
    assert await pictures.get(name) == CONTENT
    assert store.fetches == 1


async def test_the_cache_keeps_to_its_size() -> None:
    store = MemoryBannerStore()
    pictures = Pictures(store, EdgeMetrics(CollectorRegistry()), cache_bytes=2500)
    names = [store.put_blob(bytes([each]) * 1000, "image/webp").rpartition("/")[2] for each in range(5)]
    for name in names:
        await pictures.get(name)
    assert list(pictures._cached) == names[-2:]
    large = store.put_blob(b"x" * 3000, "image/webp").rpartition("/")[2]
    assert len(await pictures.get(large)) == 3000
    assert list(pictures._cached) == names[-2:], "what would not fit pushes nothing out"


async def test_what_is_missing_may_come_later() -> None:
    store = MemoryBannerStore()
    pictures = Pictures(store, EdgeMetrics(CollectorRegistry()), cache_bytes=2500)
    name = f"{hashlib.sha256(CONTENT).hexdigest()}.webp"
    with pytest.raises(NotFound):
        await pictures.get(name)
    store.put_blob(CONTENT, "image/webp")
    assert await pictures.get(name) == CONTENT
    store.fail_next(1)
    with pytest.raises(Overloaded):
        await pictures.get("0" * 64 + ".png")


async def test_invented_names_use_up_the_rate_of_their_address() -> None:
    async with running_node(rate_per_address=1.0, burst_per_address=100) as node:
        names = [f"{number:064x}.webp" for number in range(200)]
        statuses = [(await node.client.get(f"/b/{name}")).status_code for name in names]
        assert statuses.count(404) <= 60
        assert set(statuses) == {404, 429}
