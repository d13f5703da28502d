"""Errors of the demo.

BannerstreamError
├── DemoIncomplete      the counts do not balance, or banners are missing
└── WorkerDied          a worker ended while it was needed
"""

from bannerstream.contracts.errors import BannerstreamError


class DemoIncomplete(BannerstreamError):
    """Some input has no counted result.

    Operator action: read the workers' logs at the path in the message.
    Retryable: yes, after the cause is found.
    """


class WorkerDied(BannerstreamError):
    """A worker process ended while it was needed.

    Operator action: read the last lines of its log in the message.
    Retryable: after the cause is fixed.
    """
