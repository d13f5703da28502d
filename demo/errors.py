"""Errors of the demo.

BannerstreamError
├── DemoIncomplete      the books do not balance, or banners are missing
└── WorkerDied          a worker ended before its time
"""

from bannerstream.contracts.errors import BannerstreamError


class DemoIncomplete(BannerstreamError):
    """What went in did not all come out.

    Operator action: read the workers' logs, whose paths the message names.
    Retryable: yes, after the cause is found.
    """


class WorkerDied(BannerstreamError):
    """A worker process ended while it was needed.

    Operator action: read the last lines of its log, which the message holds.
    Retryable: after the cause is mended.
    """
