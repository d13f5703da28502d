"""Executes a command that dies with its parent: `python die_with_parent.py PARENT_PID COMMAND…`.

A script, never imported. It has Linux send SIGKILL when the parent dies (prctl(2), PR_SET_PDEATHSIG; execve(2) keeps
the setting) and then executes the command under the same process id. Unlike Popen's `preexec_fn`, this is safe when the
parent has threads. On other systems than Linux it only executes the command.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    """Have this process die with `parent`, then execute `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl took effect
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  (the script's purpose)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
