"""Errors of the local servers.

BannerstreamError
├── ServerMissing    the program is not installed on this machine
└── ServerFailed     the server could not be built or set up, or rejected a request

A server that ends early raises service.errors.ChildFailed.
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
