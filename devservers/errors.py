"""Errors of the local servers.

BannerstreamError
├── ServerMissing    what would run it is not installed here
└── ServerFailed     it could not be built, or refused what was asked of it; service.errors.ChildFailed: it died
"""

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable


class ServerMissing(ConfigurationError):
    """A server's program is not installed on this machine.

    Operator action: install what the message names, or choose the embedded server.
    Retryable: after that.
    """


class ServerFailed(ServiceUnavailable):
    """A server could not be fetched, built or set up, or refused a request; the message ends with the last output.

    Operator action: read those lines.
    Retryable: after that.
    """
