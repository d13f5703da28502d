"""The short set of faults under load, each run ending in its audit; `make faults` runs the whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.plan import SHORT_TRAFFIC, short
from tests.faults.run import run
from tests.faults.scenarios import PLAYS
from tests.faults.servers import Servers

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if (reason := Servers.why_unavailable()) is not None:
        pytest.skip(reason)
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.mark.parametrize(("name", "seed"), short())
async def test_nothing_is_lost_doubled_dangling_or_stale(
    servers: Servers, tmp_path: Path, name: str, seed: int
) -> None:
    result = await run(servers, PLAYS[name], SHORT_TRAFFIC, tmp_path, name=name, seed=seed)
    assert not result.findings, f"{result.findings}\n{tmp_path}"
