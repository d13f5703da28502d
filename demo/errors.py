"""Errors of the demo.

BannerstreamError
└── DemoIncomplete    the counts do not balance, or banners are missing
"""

from bannerstream.contracts.errors import BannerstreamError


class DemoIncomplete(BannerstreamError):
    """Some input has no counted result.

    Operator action: read the workers' logs at the path in the message.
    Retryable: yes, after the cause is found.
    """
