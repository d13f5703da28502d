"""Runs what fetches or builds a program for a server: Maven, Go."""

import os
import subprocess
from collections.abc import Mapping, Sequence

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
