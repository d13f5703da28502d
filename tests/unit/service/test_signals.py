import asyncio
import os
import signal

import pytest

from bannerstream.service.signals import STOP_SIGNALS, asyncio_stop_event, stop_event


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_sets_the_event_and_the_handlers_before_come_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in STOP_SIGNALS]
    with stop_event() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(20)
    assert [signal.getsignal(each) for each in STOP_SIGNALS] == before


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_sets_the_event_of_a_loop(number: signal.Signals) -> None:
    async def until_stopped() -> None:
        stop = asyncio_stop_event()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 20)

    asyncio.run(until_stopped())
