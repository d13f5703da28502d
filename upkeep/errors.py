"""Errors of upkeep.

BannerstreamError
└── ConfigurationError
    └── SweepRefused    the sweep would remove more than can be right
"""

from bannerstream.contracts.errors import ConfigurationError


class SweepRefused(ConfigurationError):
    """The sweep would remove more than can be right: the topics that point to banners may be lost; nothing was removed.

    Operator action: look whether `banner.ready`, `banner.assignments` and the catalogue hold what they should; where
    they do, allow the share with `--at-most`.
    Retryable: after that.
    """
