"""A view that outlives outages keeps its values and opens its topic again."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from bannerstream.broker import lasting_view
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.lasting_view import LastingView
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.service.retry import Backoff
from bannerstream.settings import KafkaSettings
from tests.support.waiting import until


class Topic:
    """A compacted topic, and what its readers meet."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.version = 0
        self.failure: Exception | None = None
        self.opened = 0

    def set(self, **values: str) -> None:
        self.values, self.version = values, self.version + 1


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic()

    class FakeView:
        def __init__(self, _settings: KafkaSettings, name: str, _decode: Callable[[bytes], str]) -> None:
            assert name == "things"
            self.version = 0

        async def __aenter__(self) -> Self:
            topic.opened += 1
            self._fail()
            return self

        async def __aexit__(
            self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
        ) -> None: ...

        async def caught_up(self) -> None:
            self._fail()

        def current(self) -> Mapping[str, str]:
            self._fail()
            self.version = topic.version
            return topic.values

        def _fail(self) -> None:
            if topic.failure is not None:
                raise topic.failure

    monkeypatch.setattr(lasting_view, "CompactedView", FakeView)
    monkeypatch.setattr(lasting_view, "POLL_S", 0.001)
    monkeypatch.setattr(lasting_view, "Backoff", lambda: Backoff(0.001, 0.001))
    return topic


async def test_values_outlive_an_outage_and_changes_are_announced_once(topic: Topic) -> None:
    changes: list[Mapping[str, Any]] = []
    topic.failure = TopicMissing("there is no topic things: run `bannerstream topics create`")
    view: LastingView[str] = LastingView(
        KafkaSettings(), "things", bytes.decode, on_change=lambda: changes.append(dict(view.values))
    )
    running = asyncio.create_task(view.run())
    try:
        await until(lambda: topic.opened >= 3)
        assert not view.caught_up.is_set()
        topic.set(a="1")
        topic.failure = None
        await until(view.caught_up.is_set)
        assert view.is_current

        topic.failure = ServiceUnavailable("away")
        await until(lambda: not view.is_current)
        assert view.values == {"a": "1"}
        topic.set(a="2")
        topic.failure = None
        await until(lambda: view.is_current and view.values == {"a": "2"})
        assert changes[0] == {"a": "1"}
        assert changes[-1] == {"a": "2"}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
