"""Runs the commands (Maven, Go) that fetch or build a server's program into the user's cache, which processes share."""

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bannerstream.devservers.errors import ServerFailed

_SHOWN_CHARACTERS = 2000
"""Length of the excerpt of a failed command's output in the error."""


def run_build_command(
    command: Sequence[str], failure: str, *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command to its end; `environment` is added to this process's own.

    Raises:
        ServerFailed: the command failed or timed out; the message is `failure` and the end of its output.
    """
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as expired:
        raise ServerFailed(f"{failure} within {timeout_s:.0f} s: {' '.join(command)}") from expired
    if completed.returncode != 0:
        raise ServerFailed(f"{failure}:\n{(completed.stdout + completed.stderr)[-_SHOWN_CHARACTERS:]}")


def cache_folder() -> Path:
    """Return the cache for fetched and built programs; their names contain their pinned versions."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bannerstream"


@contextmanager
def cache_lock(name: str) -> Iterator[None]:
    """Hold a lock file in the cache: when several processes need a program, only one builds it."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel releases it if this process dies
        yield
