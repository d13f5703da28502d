"""Errors of the demo.

BannerstreamError
└── DemoIncomplete      the books do not balance, or banners are missing
"""

from bannerstream.contracts.errors import BannerstreamError


class DemoIncomplete(BannerstreamError):
    """What went in did not all come out.

    Operator action: read the workers' logs, whose paths the message names.
    Retryable: yes, after the cause is found.
    """
