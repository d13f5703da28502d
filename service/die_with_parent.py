"""Turns itself into a command that dies with its parent: `python die_with_parent.py PARENT_PID COMMAND…`.

Run as a script, never imported: it asks Linux for a SIGKILL at its parent's death (prctl(2), PR_SET_PDEATHSIG), which
exec(2) keeps, and then becomes the command under the same process id. Doing so here, and not in Popen's `preexec_fn`,
is safe in a parent that has threads. Elsewhere than on Linux it only becomes the command.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    """Tie this process to `parent`, then become `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was watched
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  (that is the point)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
