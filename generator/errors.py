"""Errors of the generator.

BannerstreamError
├── PaintingFailed          the painter could not paint; the studio paints instead
│   ├── BlackPicture        it painted, but the picture is black
│   ├── OutOfMemory         this many pictures do not fit; fewer may
│   ├── ModelFailed         the model raised what it should not: a broken device does so at every call
│   └── PainterUnavailable  the model was not asked, or will not answer: another try is in vain now
│       ├── OverBudget      as many pictures as were paid for are painted
│       └── ModelHung       a step did not end in time; the model is being loaded anew, or the process ends
├── NotScreened             a product's picture could not be looked at; its requests wait, as for a store
├── ModelLost               a model hung or failed for good: the process ends for its supervisor
├── NoFontForScript         no installed font has the letters of a text
├── OverByteCap             a picture does not fit into its byte cap at any acceptable quality
└── InvalidRecord
    ├── MismatchedKey       a request's banner key is not the hash of what it asks for
    └── BlockedProduct      no banner may be made of this revision of the product
"""

from bannerstream.contracts.errors import BannerstreamError, InvalidRecord, ServiceUnavailable


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


class OutOfMemory(PaintingFailed):
    """The model's memory does not hold this many pictures at once.

    Operator action: none, half of them are painted at a time and that is remembered; lower `generator.images_together`
    to what the log names.
    Retryable: with fewer pictures.
    """


class ModelFailed(PaintingFailed):
    """The model raised an error that nobody expected of it; what was asked for may be the cause, or its device.

    Operator action: read the cause in the log. After several such calls running the process ends, for an error of CUDA
    holds for all that it does.
    Retryable: with another seed.
    """


class PainterUnavailable(PaintingFailed):
    """The model was not asked, or did not answer and will not before long.

    Operator action: the message says why.
    Retryable: later; another seed would not help.
    """


class OverBudget(PainterUnavailable):
    """As many pictures as the budget allows are painted in this minute or hour; the studio paints the others.

    Operator action: raise `generator.images_per_minute` or `generator.images_per_hour`, or run more generators.
    Retryable: when the window has moved on.
    """


class ModelHung(PainterUnavailable):
    """A step of a model did not end in time, or one before it did not and the model is being loaded anew.

    Operator action: look at the device (`nvidia-smi`, the kernel's log); where steps are long, raise
    `generator.step_timeout_s`.
    Retryable: when the model is loaded again.
    """


class NotScreened(ServiceUnavailable):
    """The nudity classifier hangs, and a product's picture that it has not seen is shown to nobody.

    Operator action: none at once, it is loaded anew or the process ends; look at the device where it happens often.
    Retryable: yes; requests wait until the classifier is back.
    """


class ModelLost(BannerstreamError):
    """A model hung and was not loaded anew, or failed again and again: the process ends, for its supervisor.

    Operator action: let a supervisor restart the generator; where it happens again and again, look at the device.
    Retryable: by a new process.
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
