"""Errors of upkeep.

BannerstreamError
└── ConfigurationError
    └── SweepRefused    the sweep would remove more than can be right
"""

from bannerstream.contracts.errors import ConfigurationError


class SweepRefused(ConfigurationError):
    """The sweep would remove more than can be right: the topics that point to banners may be lost; nothing was removed.

    Operator action: `bannerstream banners announce` where `banner.ready` was lost; look whether `banner.assignments`
    and the catalogue hold what they should; where all do, allow the share with `--at-most`.
    Retryable: after that.
    """
