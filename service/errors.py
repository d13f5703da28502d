"""Errors of processes and their children.

BannerstreamError
└── ServiceUnavailable
    └── ChildFailed    a child process ended, or was not ready in time
"""

from bannerstream.contracts.errors import ServiceUnavailable


class ChildFailed(ServiceUnavailable):
    """A child process ended or did not become ready in time; the message ends with the last lines of its log.

    Operator action: read those lines; most often a port is taken or the data folder belongs to another version.
    Retryable: after that.
    """
