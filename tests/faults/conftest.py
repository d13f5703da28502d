"""Fault tests run on real servers only.

The embedded broker never gives a killed member's partitions to another (see `local.kafka_embedded`): a generator that
is started after a SIGKILL gets no requests there until the broker restarts. Streams and generator cannot mend that.
"""

from tests.faults.plan import current_commit, of_commit


def pytest_report_header() -> str:
    """Name this commit's runs: `make faults ARGS="--only kill --seed 17"` plays one again, with the nightly load."""
    commit = current_commit()
    runs = ", ".join(f"{name} {seed}" for name, seed in of_commit(commit))
    return f"faults of {f'commit {commit[:12]}' if commit else 'no commit'}: {runs}"
