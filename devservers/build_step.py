"""Runs what fetches or builds a program for a server (Maven, Go), into a cache that every process of a user shares."""

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bannerstream.devservers.errors import ServerFailed

_SHOWN = 2000


def run_to_its_end(
    command: Sequence[str], failure: str, *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command, with these variables added to its environment.

    Raises:
        ServerFailed: with `failure` and the last words of the command, where it failed or had not ended in time.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as expired:
        raise ServerFailed(f"{failure} within {timeout_s:.0f} s: {' '.join(command)}") from expired
    if done.returncode != 0:
        raise ServerFailed(f"{failure}:\n{(done.stdout + done.stderr)[-_SHOWN:]}")


def cache_folder() -> Path:
    """Return where fetched and built programs stay, each under a name that holds its pin."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bannerstream"


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Hold a lock of this name in the cache: of several processes that need a program, one builds it."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it if this process dies
        yield
