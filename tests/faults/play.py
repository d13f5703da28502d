"""Runs a scenario by its name: one of streams' workers, or one of the whole chain."""

from dataclasses import replace
from pathlib import Path

from tests.faults.chain.run import run_chain
from tests.faults.chain.scenarios import CHAIN_PLAYS
from tests.faults.chain.visitors import Traffic as ChainTraffic
from tests.faults.load import Traffic
from tests.faults.result import Result
from tests.faults.run import run
from tests.faults.scenarios import PLAYS
from tests.faults.servers import Servers
from tests.faults.state_scenarios import STATE_PLAYS

_STREAMS_PLAYS = PLAYS | STATE_PLAYS
SCENARIOS: tuple[str, ...] = (*_STREAMS_PLAYS, *CHAIN_PLAYS)

NIGHTLY_TRAFFIC = Traffic(events=12_000, visitors=300, per_s=1_000)
SHORT_TRAFFIC = Traffic(events=4_000, visitors=150, per_s=1_000)
CHAIN_TRAFFIC = ChainTraffic()
SHORT_CHAIN_TRAFFIC = ChainTraffic(events=240, visitors=30)


async def play(
    servers: Servers, name: str, seed: int, folder: Path, *, is_short: bool = False, events: int | None = None
) -> Result:
    """Run one scenario with the nightly load, the short load, or this number of events."""
    if name in _STREAMS_PLAYS:
        traffic = SHORT_TRAFFIC if is_short else NIGHTLY_TRAFFIC
        return await run(
            servers,
            _STREAMS_PLAYS[name],
            replace(traffic, events=events or traffic.events),
            folder,
            name=name,
            seed=seed,
        )
    chain = SHORT_CHAIN_TRAFFIC if is_short else CHAIN_TRAFFIC
    return await run_chain(
        servers, CHAIN_PLAYS[name], replace(chain, events=events or chain.events), folder, name=name, seed=seed
    )


def usual_events(name: str) -> int:
    """Return the number of events of a nightly run."""
    return NIGHTLY_TRAFFIC.events if name in _STREAMS_PLAYS else CHAIN_TRAFFIC.events
