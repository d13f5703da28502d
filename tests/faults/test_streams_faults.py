"""Faults under load with an audit of each run: one seed of each scenario per commit; `make faults` runs all.

The commit determines the seeds, so that every push injects faults at different moments, and a failure can be repeated
from its checkout or by its id: `make faults ARGS="--only kill --seed 17"`. `make test-all` runs a short set of fixed
seeds.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.faults.chain.scenarios import CHAIN_PLAYS
from tests.faults.plan import current_commit, of_commit, short
from tests.faults.play import play
from tests.faults.servers import Servers

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if (reason := Servers.why_unavailable()) is not None:
        pytest.skip(reason)
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


GROUPS, CHAIN_GROUPS = 3, 2
"""Each group has its own servers, because a run may restart the broker; the runs of a group are sequential."""


def _group(name: str, number: int) -> str:
    """Return a run's group. A run of the chain has seven services: more than two at once overload two cores."""
    return f"faults-chain-{number % CHAIN_GROUPS}" if name in CHAIN_PLAYS else f"faults-{number % GROUPS}"


def runs() -> list[ParameterSet]:
    """Return this commit's runs, and then the other runs of the short set."""
    drawn = of_commit(current_commit())
    further = [run for run in short() if run not in drawn]
    runs = []
    for number, (name, seed) in enumerate([*drawn, *further]):
        marks = [pytest.mark.xdist_group(_group(name, number))]
        if number >= len(drawn):
            marks.append(pytest.mark.full)
        runs.append(pytest.param(name, seed, marks=marks))
    return runs


@pytest.mark.parametrize(("name", "seed"), runs())
async def test_nothing_is_lost_doubled_dangling_or_stale(
    servers: Servers, tmp_path: Path, name: str, seed: int
) -> None:
    result = await play(servers, name, seed, tmp_path, is_short=True)
    assert not result.findings, f"{result.findings}\n{tmp_path}"
