"""Erasing and expiring visitors on a real Kafka, with the command, also when the worker is killed in between."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bannerstream.broker.erasure import ErasureStatus, find_remaining, request_erasure
from bannerstream.broker.topics import create_topics, internal_topics
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment
from bannerstream.settings import Settings
from bannerstream.streams.affinity import UserState, unpack
from bannerstream.streams.erasure import is_erasure_marker
from tests.faults.fleet import Strike
from tests.faults.fleet import Worker as DyingWorker
from tests.support.edge_node import ready
from tests.support.edge_process import EdgeProcess, live, writer
from tests.support.streams_worker import Shop, Worker
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.real, pytest.mark.pairs("apache"), pytest.mark.servers("kafka")]

BANNERSTREAM = Path(sys.executable).with_name("bannerstream")
DAY_MS = 86_400_000
NEVER = {"BANNERSTREAM_STREAMS__COMMIT_INTERVAL_S": "60"}
"""A long commit interval, so that a test can kill the worker before its first commit."""

Erase = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    await create_topics(settings.kafka, **internal_topics(settings.streams))
    async with Shop(settings) as shop:
        yield shop


@pytest.fixture
def worker(shop: Shop, environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    with Worker(shop.settings, environment, tmp_path / "worker.log") as worker:
        yield worker


@pytest.fixture
def erase(environment: dict[str, str], tmp_path: Path) -> Erase:
    """Run the installed command, check its exit code, and return its JSON output and its standard error."""

    async def run(user: str, *options: str, code: int = 0) -> tuple[Any, str]:
        child = await asyncio.create_subprocess_exec(
            *(BANNERSTREAM, "erase", user, "--json", *options),
            env={**os.environ, **environment},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await child.communicate()
        assert child.returncode == code, stderr.decode()
        return json.loads(stdout) if stdout else None, stderr.decode()

    return run


def key_of(user: str, settings: Settings) -> str:
    return user_key(user, settings.privacy.user_key_secret.get_secret_value().encode())


async def places(user: str, settings: Settings) -> tuple[ErasureStatus, ErasureStatus]:
    return await find_remaining(settings.kafka, settings.streams.app_id, key_of(user, settings), lambda *_: None)


async def gone(user: str, settings: Settings) -> bool:
    return all(place.erased for place in await places(user, settings))


async def state_of(user: str, shop: Shop) -> UserState | None:
    """Return the visitor's state from the changelog; None after a tombstone or without a record."""
    key = key_of(user, shop.settings).encode()
    values = [record.value for record in await shop.read(shop.changelog) if record.key == key]
    return unpack(values[-1]) if values and values[-1] is not None else None


async def assignment_of(user: str, shop: Shop) -> Assignment | None:
    key = key_of(user, shop.settings).encode()
    values = [record.value for record in await shop.read(shop.topics.assignments.name) if record.key == key]
    return decode(values[-1], Assignment) if values and values[-1] is not None else None


async def assigned(user: str, shop: Shop) -> Assignment:
    """Return the visitor's assignment, once there is one."""
    found: list[Assignment] = []

    async def there_is() -> bool:
        found[:] = [each] if (each := await assignment_of(user, shop)) is not None else []
        return bool(found)

    await until(there_is, f"{user} has an assignment")
    return found[0]


async def assigned_again(user: str, epoch: int, shop: Shop) -> Assignment:
    """Return the visitor's assignment of this epoch, once there is one."""

    async def there_is() -> bool:
        return (await assigned(user, shop)).epoch == epoch

    await until(there_is, f"{user} has an assignment of epoch {epoch}")
    return await assigned(user, shop)


async def request_erasure_of(user: str, settings: Settings) -> None:
    await request_erasure(settings.kafka, user, key_of(user, settings), time.time_ns() // 1_000_000)


async def test_nothing_is_left_of_an_erased_visitor_who_then_starts_from_nothing(
    shop: Shop, worker: Worker, settings: Settings, erase: Erase
) -> None:
    await shop.send("ada")
    await shop.send("ada", product_id="shoe", kind="cart")
    await shop.send("bob")
    await assigned("ada", shop)
    await assigned("bob", shop)

    report, _ = await erase("ada", "--wait")
    assert report["user_key"] == key_of("ada", settings)
    assert report["erased"] is True
    assert [(place["place"], place["erased"]) for place in report["places"]] == [
        ("affinity (memory)", True),
        ("changelog", True),
        ("assignment", True),
        ("edge view and streams", None),
    ]
    assert "edge.urls" in report["places"][3]["found"], "the report mentions that no node was checked"
    assert "tombstone" in report["places"][1]["found"]
    assert (await state_of("ada", shop), await assignment_of("ada", shop)) == (None, None)
    assert await assignment_of("bob", shop) is not None

    await shop.send("ada", product_id="novel", kind="cart")
    assert (await assigned("ada", shop)).epoch == 1
    state = await state_of("ada", shop)
    assert state is not None
    assert (state.epoch, list(state.touched)) == (1, ["novel"])
    assert [place.erased for place in await places("ada", settings)] == [False, False]


async def test_an_edge_node_and_its_open_stream_are_verified_too(
    shop: Shop, worker: Worker, settings: Settings, erase: Erase, *, environment: dict[str, str], tmp_path: Path
) -> None:
    await shop.send("ada")
    await shop.send("bob")
    async with (
        writer(settings) as generator,
        EdgeProcess(settings, environment, tmp_path / "edge.log", cdn_base_url="https://cdn.test") as node,
    ):
        for user in ("ada", "bob"):
            await generator.raw(*ready_record(settings, await assigned(user, shop)))

        async def shown() -> bool:
            return [await node.epoch(user) for user in ("ada", "bob")] == [1, 1]

        await node.until(shown)
        environment |= {"BANNERSTREAM_EDGE__URLS": json.dumps([node.url])}
        async with live(node, "ada") as page, live(node, "bob") as other:
            assert [(await each.next())[1] for each in (page, other)] == ["1", "1"]
            report, _ = await erase("ada", "--wait")
            assert (await page.next())[0] == "erased"
            assert await page.ended()
            assert report["erased"] is True
            assert [place["place"] for place in report["places"]] == [
                "affinity (memory)",
                "changelog",
                "assignment",
                f"edge view and streams ({node.url})",
            ]
            assert all(place["erased"] for place in report["places"])
            assert [await node.epoch(user) for user in ("ada", "bob")] == [0, 1]
            async with live(node, "ada"):  # with a token that is still valid
                report, _ = await erase("ada", "--wait", "--timeout", "5", code=5)
            assert [place["erased"] for place in report["places"]] == [True, True, True, False]
            assert "1 live streams are open" in report["places"][3]["found"]
            await shop.send("bob", product_id="novel", kind="cart")
            await generator.raw(*ready_record(settings, await assigned_again("bob", 2, shop)))
            assert (await other.next())[1] == "2", "another visitor's stream continues"


def ready_record(settings: Settings, assignment: Assignment) -> tuple[str, bytes, bytes]:
    """Return the generator's ready event for an assignment's banner."""
    message = ready("a", banner_key=assignment.banner_key, cohort=assignment.cohort_id)
    return settings.kafka.topic_table().ready.name, message.banner_key.encode(), encode(message)


async def test_without_waiting_it_says_what_was_asked(
    shop: Shop, worker: Worker, settings: Settings, erase: Erase
) -> None:
    await shop.send("ada")
    await assigned("ada", shop)
    report, _ = await erase("ada")
    assert (report["erased"], report["places"]) == (None, [])
    assert len(report["asked"]) == settings.kafka.partitions

    async def all_gone() -> bool:
        return await gone("ada", settings)

    await until(all_gone, "ada is erased")


async def test_somebody_who_was_never_here_is_erased_too(shop: Shop, worker: Worker, erase: Erase) -> None:
    report, _ = await erase("nobody", "--wait")
    _, changelog, assignment, edge = (place["found"] for place in report["places"])
    assert [each.startswith("no record in") for each in (changelog, assignment)] == [True, True]
    assert edge == "not asked: edge.urls names no node"


async def test_where_no_worker_runs_it_says_so_and_the_erasure_is_done_later(
    shop: Shop, worker: Worker, settings: Settings, erase: Erase
) -> None:
    await shop.send("ada")
    await assigned("ada", shop)
    await shop.caught_up()
    assert await asyncio.to_thread(worker.terminate) == 0
    _, stderr = await erase("ada", "--wait", "--timeout", "1", code=4)
    assert "bannerstream run streams" in stderr
    assert await state_of("ada", shop) is not None
    worker.start()
    report, _ = await erase("ada", "--wait")
    assert report["erased"] is True


async def test_who_is_read_again_after_the_erasure_is_told(
    shop: Shop, worker: Worker, settings: Settings, erase: Erase
) -> None:
    """An erasure does not cover events that streams has not read yet; the command reports their effects."""
    await shop.send("ada")
    await assigned("ada", shop)
    coming = asyncio.create_task(_send_on(shop, "ada"))
    report, stderr = await erase("ada", "--wait", code=5)
    coming.cancel()
    with suppress(asyncio.CancelledError):
        await coming
    assert report["erased"] is False
    assert [place["erased"] for place in report["places"][:2]] == [False, False]
    assert "run this again" in stderr
    await shop.caught_up()
    report, _ = await erase("ada", "--wait")
    assert report["erased"] is True


async def _send_on(shop: Shop, *users: str) -> None:
    while True:
        for user in users:
            await shop.send(user)


async def test_an_erasure_on_a_busy_partition_takes_one_visitor_and_no_event_of_the_others(
    shop: Shop, worker: Worker, erase: Erase
) -> None:
    await shop.send("ada")
    await assigned("ada", shop)
    others = [f"u-{number}" for number in range(20)]
    coming = asyncio.create_task(_send_on(shop, *others))
    report, _ = await erase("ada", "--wait")
    coming.cancel()
    with suppress(asyncio.CancelledError):
        await coming
    await shop.flush()
    assert report["erased"] is True
    await shop.caught_up()
    sent = [record.key.decode() for record in await shop.read(shop.topics.clicks.name)]
    for user in others[:3]:
        last = max(record.offset for record in await shop.read(shop.topics.clicks.name) if record.key == user.encode())
        state = await state_of(user, shop)
        assert state is not None
        assert state.offsets == {shop.topics.clicks.name: last}
        assert sum(state.scores.values()) == pytest.approx(2.0 * sent.count(user), rel=0.01)


async def test_several_erasures_in_a_batch_with_one_that_cannot_be_read(
    shop: Shop, worker: Worker, settings: Settings
) -> None:
    users = ["ada", "bob", "eve", "dan", "fay"]
    for user in users:
        await shop.send(user)
    for user in users:
        await assigned(user, shop)
    erasures = shop.topics.erasures.name
    await shop.send("ada", topic=erasures, value=b"not json", key=b"ada")
    await asyncio.gather(*(request_erasure_of(user, settings) for user in users[:4]))

    async def all_gone() -> bool:
        return all([await gone(user, settings) for user in users[:4]])

    await until(all_gone, "all are erased")
    assert await assignment_of("fay", shop) is not None
    (record,) = await shop.read_until(shop.topics.dead_letters.name, bool)
    letter = DeadLetter.from_record(record.key, record.value, record.headers)
    assert (letter.code, letter.topic, letter.value) == ("malformed", erasures, b"not json")


async def test_who_is_killed_between_grave_and_commit_erases_all_the_same_and_counts_nothing_again(
    shop: Shop, environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    await shop.send("ada")
    await shop.send("bob")
    with Worker(settings, environment | NEVER, tmp_path / "killed.log") as worker:
        await assigned("ada", shop)
        await request_erasure_of("ada", settings)

        async def marked() -> bool:
            state = await state_of("ada", shop)
            return state is not None and is_erasure_marker(state) and await assignment_of("ada", shop) is None

        await until(marked, "ada's state is an erasure marker and her assignment is deleted")
        await asyncio.to_thread(worker.kill)
    assert await shop.behind() == 2, "nothing was committed, so her click is read again"
    with Worker(settings, environment, tmp_path / "next.log"):
        await _erased_and_caught_up(shop, settings)


@pytest.mark.parametrize("when", ["before-flush", "after-flush"])
async def test_who_is_killed_at_the_tombstone_erases_all_the_same(
    when: str, shop: Shop, environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """The worker's first changelog write is ada's click, the second her erasure marker; it is killed at the third."""
    dying = DyingWorker("dying", tmp_path, environment, Strike(when, 3))
    try:
        await shop.send("ada")
        await assigned("ada", shop)
        await request_erasure_of("ada", settings)

        async def struck() -> bool:
            return dying.process.poll() is not None

        await until(struck, "the worker has killed itself")
        assert dying.process.poll() == -signal.SIGKILL
    finally:
        dying.process.kill()
    if when == "before-flush":
        state = await state_of("ada", shop)
        assert state is not None
        assert is_erasure_marker(state)
    with Worker(settings, environment, tmp_path / "next.log"):
        await _erased_and_caught_up(shop, settings)


async def _erased_and_caught_up(shop: Shop, settings: Settings) -> None:
    """Check that ada stays erased after all earlier events have been read again."""

    async def all_gone() -> bool:
        return await gone("ada", settings)

    await until(all_gone, "ada is erased")
    await shop.caught_up()
    await shop.send("zoe")
    await assigned("zoe", shop)
    await shop.caught_up()
    assert await gone("ada", settings), "her click was counted again"
    await shop.send("ada", product_id="novel", kind="cart")
    assert (await assigned("ada", shop)).epoch == 1
    state = await state_of("ada", shop)
    assert state is not None
    assert list(state.touched) == ["novel"]


class TestExpiry:
    """One partition; visitors expire after a day."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        kafka = settings.kafka.model_copy(update={"partitions": 1})
        streams = settings.streams.model_copy(update={"forget_after_days": 1.0})
        return settings.model_copy(update={"kafka": kafka, "streams": streams})

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {
            "BANNERSTREAM_KAFKA__PARTITIONS": "1",
            "BANNERSTREAM_STREAMS__FORGET_AFTER_DAYS": "1",
        }

    async def test_who_has_not_come_for_long_is_forgotten_and_who_has_is_not(
        self, shop: Shop, worker: Worker, settings: Settings
    ) -> None:
        await shop.send("ada", time=time.time_ns() // 1_000_000 - 2 * DAY_MS)
        await shop.send("bob")
        await assigned("ada", shop)
        await shop.caught_up()
        assert await asyncio.to_thread(worker.terminate) == 0
        worker.start()
        await shop.send("zoe")  # the first batch of a day, and of a worker, starts a sweep

        async def ada_is_gone() -> bool:
            return await gone("ada", settings)

        await until(ada_is_gone, "ada has expired")
        assert await assignment_of("bob", shop) is not None
        assert await state_of("bob", shop) is not None
        assert None in [record.value for record in await shop.read(shop.changelog)]
