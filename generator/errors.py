"""Errors of the generator.

BannerstreamError
├── PaintingFailed      the painter could not paint; the studio paints instead
├── NoFontForScript     no installed font has the letters of a text
└── OverByteCap         a picture does not fit into its byte cap at any acceptable quality
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


class OverByteCap(BannerstreamError):
    """A picture does not fit into its byte cap, not even at the lowest quality that may be published.

    Operator action: raise the size's cap in `contracts.sizes`, or look at the banner: only noise compresses this badly.
    Retryable: with another seed.
    """
