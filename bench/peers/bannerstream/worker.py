"""`python -m bannerstream.streams` that also reports its first record (../README.md)."""

import os
import runpy
import time
from typing import Any

from bannerstream.streams import event_processor

fold_batch = event_processor.fold_batch


def report_and_fold(*arguments: Any) -> Any:
    """Report the first record, restore the original function, and fold."""
    os.write(1, b"first-record %d\n" % (time.time_ns() // 1_000_000))
    event_processor.fold_batch = fold_batch
    return fold_batch(*arguments)


if __name__ == "__main__":
    event_processor.fold_batch = report_and_fold
    runpy.run_module("bannerstream.streams", run_name="__main__")
