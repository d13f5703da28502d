"""Runs a command of bannerstream with a wall clock that a file shifts: `python -m … shifted_clock FILE run edge`.

The file contains seconds. The monotonic clock is unchanged, as when a time service steps a machine's clock.
libfaketime does the same from outside, but makes timed waits of Python's locks hang, so the clock is replaced here.
"""

import sys
import time
from pathlib import Path

_TRUE_TIME_NS = time.time_ns


def shift(file: Path) -> None:
    """Replace `time.time` and `time.time_ns`; modules imported afterwards use the shifted functions."""

    def time_ns() -> int:
        return _TRUE_TIME_NS() + round(float(file.read_text(encoding="utf-8")) * 1_000_000_000)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1_000_000_000


def main() -> None:
    shift(Path(sys.argv.pop(1)))
    from bannerstream.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
