import asyncio

import pytest

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.service.retry import Backoff, Stopping, pause, retry_until


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.0)], ids=["shortest", "longest"])
def test_waits_double_up_to_the_longest_with_jitter_and_begin_again(
    drawn: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.retry.random.uniform", lambda low, high: low + drawn * (high - low))
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next_s() for _ in range(5)] == pytest.approx([share * wait for wait in (0.2, 0.4, 0.8, 1.0, 1.0)])
    backoff.reset()
    assert backoff.next_s() == pytest.approx(share * 0.2)


class Attempts:
    """Fails with these errors, one a call, then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.failed = asyncio.Event()

    async def __call__(self) -> str:
        if self.errors:
            self.failed.set()
            raise self.errors.pop(0)
        return "done"


async def test_outages_and_refusals_are_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.retry.random.uniform", lambda *_: 0.0)
    attempts = Attempts(ServiceUnavailable("away"), ConfigurationError("refused"), ServiceUnavailable("away"))
    assert await retry_until("connect", attempts, asyncio.Event()) == "done"
    assert attempts.errors == []


async def test_other_errors_are_not_retried() -> None:
    attempts = Attempts(ValueError("a defect"), ValueError("never reached"))
    with pytest.raises(ValueError, match="a defect"):
        await retry_until("connect", attempts, asyncio.Event())
    assert len(attempts.errors) == 1


async def test_a_stop_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.retry.random.uniform", lambda *_: 3600.0)
    attempts, stop = Attempts(ServiceUnavailable("away")), asyncio.Event()
    trying = asyncio.create_task(retry_until("connect", attempts, stop))
    await attempts.failed.wait()
    stop.set()
    with pytest.raises(Stopping):
        await asyncio.wait_for(trying, 20)


async def test_a_pause_ends_by_itself_or_with_a_stop() -> None:
    stop = asyncio.Event()
    await pause(0.001, stop)
    await pause(-1, stop)
    stop.set()
    for seconds in (-1, 3600):
        with pytest.raises(Stopping):
            await asyncio.wait_for(pause(seconds, stop), 20)
