"""A consumer does not spin on a broker that answers empty fetches at once, and is not slowed where it parks them."""

import asyncio
import time
from typing import Any

import pytest

from bannerstream.broker.empty_fetches import PAUSE_S, QUICK_S, throttle_empty_fetches


class Fetcher:
    """What `throttle_empty_fetches` takes hold of: answers after `takes_s` whether it found records."""

    def __init__(self, takes_s: float, *, found: bool) -> None:
        self.takes_s, self.found = takes_s, found
        self.asked: list[object] = []

    async def _proc_fetch_request(self, *asked: object) -> bool:  # aiokafka's name
        self.asked.append(asked)
        await asyncio.sleep(self.takes_s)
        return self.found


class Consumer:
    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher: Any = fetcher


async def paused_s(fetcher: Fetcher) -> float:
    """Return how much longer than the fetch itself a paced fetch took."""
    throttle_empty_fetches(Consumer(fetcher))  # type: ignore[arg-type]  # only its fetcher matters
    started = time.monotonic()
    assert await fetcher._proc_fetch_request("assignment", 0, "request") is fetcher.found
    assert fetcher.asked == [("assignment", 0, "request")]
    return time.monotonic() - started - fetcher.takes_s


async def test_an_empty_answer_at_once_is_followed_by_a_pause() -> None:
    assert await paused_s(Fetcher(0, found=False)) >= PAUSE_S * 0.9


@pytest.mark.parametrize(("takes_s", "found"), [(0, True), (QUICK_S * 2, False), (QUICK_S * 2, True)])
async def test_records_and_parked_answers_are_passed_on_without_a_pause(
    takes_s: float, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.broker.empty_fetches.PAUSE_S", 3600)
    async with asyncio.timeout(30):
        await paused_s(Fetcher(takes_s, found=found))


async def test_closing_in_a_pause_ends_the_fetch_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bannerstream.broker.empty_fetches.PAUSE_S", 3600)
    fetcher = Fetcher(0, found=False)
    throttle_empty_fetches(Consumer(fetcher))  # type: ignore[arg-type]  # only its fetcher matters
    fetching = asyncio.create_task(fetcher._proc_fetch_request("assignment", 0, "request"))
    done, _ = await asyncio.wait({fetching}, timeout=0.05)
    assert not done, "it did not pause"
    fetching.cancel()
    assert await fetching is False
