"""Errors of the local servers.

BannerstreamError
├── ServerMissing    what would run it is not installed here
└── ServerFailed     it was started and died, or never became ready
"""

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable


class ServerMissing(ConfigurationError):
    """A server's program is not installed on this machine.

    Operator action: install what the message names, or choose the embedded server.
    Retryable: after that.
    """


class ServerFailed(ServiceUnavailable):
    """A child process died or did not become ready in time; the message ends with the last lines of its log.

    Operator action: read those lines; most often a port is taken or the data folder belongs to another version.
    Retryable: after that.
    """
