"""Errors of the generator.

BannerstreamError
├── PaintingFailed      the painter could not paint; the studio paints instead
└── NoFontForScript     no installed font has the letters of a text
"""

from contracts.errors import BannerstreamError


class PaintingFailed(BannerstreamError):
    """The painter could not paint this batch: the model raised, ran out of memory or returned a black picture.

    Operator action: none at once, the studio painted instead and the manifest says so; read the cause in the log.
    Retryable: with another seed.
    """


class NoFontForScript(BannerstreamError):
    """No installed font has the letters of a text.

    Operator action: install the package that the message names (for example `fonts-noto-cjk`).
    Retryable: after that.
    """
