"""Errors of the generator.

BannerstreamError
├── PaintingFailed          the painter could not paint; the studio paints instead
│   ├── BlackPicture        the painter returned a black picture
│   ├── OutOfMemory         this many pictures do not fit; fewer may
│   ├── ModelFailed         the model raised an unexpected error: a broken device does so at every call
│   └── PainterUnavailable  the model is not called, or does not answer: a retry now would fail too
│       ├── OverBudget      the budget of this minute or hour is spent
│       └── ModelHung       a step timed out; the model is being reloaded, or the process ends
├── NotScreened             a product's picture could not be classified; its requests wait, as for a store
├── ModelLost               a model hung or failed for good: the process ends, and its supervisor restarts it
├── NoFontForScript         no installed font has the letters of a text
├── OverByteCap             a picture exceeds its byte cap at every acceptable quality
└── InvalidRecord
    ├── MismatchedKey       a request's banner key is not the hash of its contents
    ├── PictureUnreadable   the picture that the product's record names is missing or spoilt in the bucket
    ├── ProductNotShown     the record names a picture, and the banner does not show it
    └── BlockedProduct      no banner may be made for this revision of the product
"""

from typing import Literal

from bannerstream.contracts.errors import BannerstreamError, InvalidRecord, ServiceUnavailable


class PaintingFailed(BannerstreamError):
    """The painter could not paint this batch: the model raised, ran out of memory or returned nothing usable.

    Operator action: none at once: the studio painted instead, and the manifest records it; read the cause in the log.
    Retryable: with another seed.
    """


class BlackPicture(PaintingFailed):
    """The picture is black, or holds NaN: the safety checker stopped it, or half precision overflowed.

    Operator action: if it happens often, use a VAE that is stable in half precision, or `generator.device = "cpu"`.
    Retryable: with another seed.
    """


class OutOfMemory(PaintingFailed):
    """The model's memory does not hold this many pictures at once.

    Operator action: none: the painter halves the batch and remembers the size; lower `generator.images_together` to the
    number in the log.
    Retryable: with fewer pictures.
    """


class ModelFailed(PaintingFailed):
    """The model raised an unexpected error; the cause may be the request or the device.

    Operator action: read the cause in the log. After several such calls in a row the process ends, because a CUDA error
    breaks every later call of the process.
    Retryable: with another seed.
    """


class PainterUnavailable(PaintingFailed):
    """The model was not called, or did not answer and will not soon.

    Operator action: the message names the reason.
    Retryable: later; another seed would not help.
    """


class OverBudget(PainterUnavailable):
    """The picture budget of this minute or hour is spent; the studio paints the other banners.

    Operator action: raise `generator.images_per_minute` or `generator.images_per_hour`, or run more generators.
    Retryable: when the window has moved on.
    """


class ModelHung(PainterUnavailable):
    """A step of a model timed out, or an earlier step did and the model is being reloaded.

    Operator action: check the device (`nvidia-smi`, the kernel's log); if steps are long, raise
    `generator.step_timeout_s`.
    Retryable: when the model is loaded again.
    """


class NotScreened(ServiceUnavailable):
    """The nudity classifier hangs; a product's picture that it has not classified is not shown.

    Operator action: none at once: the process reloads the classifier or ends; check the device if it happens often.
    Retryable: yes; requests wait until the classifier is back.
    """


class ModelLost(BannerstreamError):
    """A model hung and was not reloaded, or failed repeatedly: the process ends so that its supervisor restarts it.

    Operator action: let a supervisor restart the generator; if it happens repeatedly, check the device.
    Retryable: by a new process.
    """


class NoFontForScript(BannerstreamError):
    """No installed font has the letters of a text.

    Operator action: install the package that the message names (the extra `fonts`, or for example `fonts-noto-cjk`)
    and restart the generator, which then withdraws the refusals of these letters.
    Retryable: after that.
    """

    def __init__(self, message: str, letters: str = "") -> None:
        super().__init__(message)
        self.letters = letters


class OverByteCap(BannerstreamError):
    """A picture exceeds its byte cap even at the lowest quality that may be published.

    Operator action: raise the size's cap in `contracts.sizes`, or look at the banner: only noise compresses this badly.
    Retryable: with another seed.
    """


class MismatchedKey(InvalidRecord):
    """A request's banner key is not the hash of its contents: that key belongs to another banner.

    Operator action: run the same version of streams and generator.
    Retryable: no.
    """

    code = "mismatched_key"


class BlockedProduct(InvalidRecord):
    """A gate blocks this revision of the product because of a word or its picture.

    Operator action: `bannerstream banners blocked` shows the reason; load the product with other words or another
    picture.
    Retryable: after that; the gates judge every new revision.
    """

    code = "blocked_product"

    def __init__(self, reason: str, gate: Literal["words", "picture"]) -> None:
        super().__init__(reason)
        self.gate = gate


class PictureUnreadable(InvalidRecord):
    """The product's record names a picture, and the bucket has none under that key, or not the one that was stored.

    Operator action: `bannerstream catalog load FOLDER --all-pictures`, then `bannerstream dlq replay --code
    picture_unreadable`.
    Retryable: after that.
    """

    code = "picture_unreadable"


class ProductNotShown(InvalidRecord):
    """The product's record names a picture, and no painter made a banner that shows it: nothing in it is visible.

    Operator action: `bannerstream catalog check FOLDER`, look at the picture, load another one.
    Retryable: after that; another picture is another revision of the product.
    """

    code = "product_not_shown"
