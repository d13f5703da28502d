"""Fault tests run on real servers only.

The embedded broker never reassigns a killed member's partitions (see `devservers.kafka_embedded`): a generator that is
started after a SIGKILL receives no requests there until the broker restarts. Streams and generator cannot change that.
"""

from tests.faults.plan import current_commit, of_commit


def pytest_report_header() -> str:
    """Name this commit's runs: `make faults ARGS="--only kill --seed 17"` plays one again, with the nightly load."""
    commit = current_commit()
    runs = ", ".join(f"{name} {seed}" for name, seed in of_commit(commit))
    return f"faults of {f'commit {commit[:12]}' if commit else 'no commit'}: {runs}"
