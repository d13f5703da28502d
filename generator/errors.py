"""Errors of the generator.

BannerstreamError
├── PaintingFailed          the painter could not paint; the studio paints instead
│   └── BlackPicture        it painted, but the picture is black
├── NoFontForScript         no installed font has the letters of a text
├── OverByteCap             a picture does not fit into its byte cap at any acceptable quality
└── InvalidRecord
    ├── MismatchedKey       a request's banner key is not the hash of what it asks for
    └── BlockedProduct      no banner may be made of this revision of the product
"""

from contracts.errors import BannerstreamError, InvalidRecord


class PaintingFailed(BannerstreamError):
    """The painter could not paint this batch: the model raised, ran out of memory or returned nothing usable.

    Operator action: none at once, the studio painted instead and the manifest says so; read the cause in the log.
    Retryable: with another seed.
    """


class BlackPicture(PaintingFailed):
    """The picture is black, or not a number: the safety checker stopped it, or half precision overflowed.

    Operator action: where it happens often, use a VAE that is stable in half precision, or `generator.device = "cpu"`.
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


class MismatchedKey(InvalidRecord):
    """A request's banner key is not the hash of what it asks for: under it lies, or would lie, another banner.

    Operator action: use one version of streams and generator.
    Retryable: no.
    """

    code = "mismatched_key"


class BlockedProduct(InvalidRecord):
    """A gate found that no banner may be made of this revision of the product: a blocked word, or its picture.

    Operator action: `bannerstream banners blocked` says why; load the product with other words or another picture.
    Retryable: after that; another revision is judged anew.
    """

    code = "blocked_product"
