import asyncio

import pytest

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.service.retry import Backoff, Retries, Stopping, pause


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.0)], ids=["shortest", "longest"])
def test_waits_double_up_to_the_longest_with_jitter_and_begin_again(
    drawn: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.service.retry.random.uniform", lambda low, high: low + drawn * (high - low))
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
    monkeypatch.setattr("bannerstream.service.retry.random.uniform", lambda *_: 0.0)
    attempts = Attempts(ServiceUnavailable("away"), ConfigurationError("refused"), ServiceUnavailable("away"))
    assert await Retries(asyncio.Event()).until_done("connect", attempts) == "done"
    assert attempts.errors == []


async def test_other_errors_are_not_retried() -> None:
    attempts = Attempts(ValueError("a defect"), ValueError("never reached"))
    with pytest.raises(ValueError, match="a defect"):
        await Retries(asyncio.Event()).until_done("connect", attempts)
    assert len(attempts.errors) == 1


class Refused(ConfigurationError):
    """An error that is fatal at the start."""


async def test_what_is_fatal_at_the_start_is_waited_out_once_the_step_has_worked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bannerstream.service.retry.random.uniform", lambda *_: 0.0)
    retries = Retries(asyncio.Event(), (Refused,))
    with pytest.raises(Refused):
        await retries.until_done("fetch", Attempts(ServiceUnavailable("away"), Refused("no")))
    await retries.until_done("fetch", Attempts(), proves=lambda result: result == "records")
    with pytest.raises(Refused):
        await retries.until_done("fetch", Attempts(Refused("not yet proven")))
    await retries.until_done("fetch", Attempts())
    attempts = Attempts(Refused("rights are changing"), ConfigurationError("refused"))
    assert await retries.until_done("fetch", attempts) == "done"
    assert attempts.errors == []
    with pytest.raises(Refused):
        await retries.until_done("publish", Attempts(Refused("another step")))


async def test_a_stop_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bannerstream.service.retry.random.uniform", lambda *_: 3600.0)
    attempts, stop = Attempts(ServiceUnavailable("away")), asyncio.Event()
    trying = asyncio.create_task(Retries(stop).until_done("connect", attempts))
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
