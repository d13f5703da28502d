"""Which faults run when: the nightly set (`make faults`), and the short one within `make test`."""

from tests.faults.load import Traffic
from tests.faults.scenarios import PLAYS

Plan = list[tuple[str, int]]
"""Names of scenarios with seeds, in the order in which they run."""

_SEVERAL = {"kill": 40, "fleet": 20}
NIGHTLY_SEEDS = 4
"""Of each other scenario."""
_SHORT = {"kill": 8, "fleet": 4}

NIGHTLY_TRAFFIC = Traffic(events=12_000, visitors=300, per_s=1_000)
SHORT_TRAFFIC = Traffic(events=6_000, visitors=200, per_s=1_000)


def nightly(seeds: int | None = None) -> Plan:
    """Return the whole set, or every scenario with this many seeds."""
    return [(name, seed) for name in PLAYS for seed in range(1, 1 + (seeds or _SEVERAL.get(name, NIGHTLY_SEEDS)))]


def short() -> Plan:
    """Return a part of the nightly set: the same seeds, less load."""
    return [(name, seed) for name in PLAYS for seed in range(1, 1 + _SHORT.get(name, 1))]
