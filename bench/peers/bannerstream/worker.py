"""`python -m bannerstream.streams`, which also reports its first folded batch (../README.md)."""

import os
import runpy
import time
from typing import Any

from bannerstream.streams import event_processor

fold_batch = event_processor.fold_batch


def tell_and_fold(*arguments: Any) -> Any:
    """Start the clock, step aside, and fold."""
    os.write(1, b"first-record %d\n" % (time.time_ns() // 1_000_000))
    event_processor.fold_batch = fold_batch
    return fold_batch(*arguments)


if __name__ == "__main__":
    event_processor.fold_batch = tell_and_fold
    runpy.run_module("bannerstream.streams", run_name="__main__")
