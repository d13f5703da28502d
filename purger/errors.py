"""What goes wrong with a CDN.

BannerstreamError
└── PurgeRefused     the CDN refuses a purge for good
"""

from typing import ClassVar

from bannerstream.contracts.errors import BannerstreamError


class PurgeRefused(BannerstreamError):
    """The CDN will not take this call however often it is repeated. The records behind it become dead letters.

    Operator action: the message holds the CDN's own words; the pointers go stale until their `s-maxage` ends.
    Retryable: no.
    """

    code: ClassVar[str] = "purge_refused"
