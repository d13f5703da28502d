"""Errors of the purger.

BannerstreamError
└── PurgeRefused     the CDN rejects a purge permanently
"""

from typing import ClassVar

from bannerstream.contracts.errors import BannerstreamError


class PurgeRefused(BannerstreamError):
    """The CDN rejects this call permanently. The records behind it become dead letters.

    Operator action: read the CDN's response in the message; the pointers stay stale until their `s-maxage` ends.
    Retryable: no.
    """

    code: ClassVar[str] = "purge_refused"
