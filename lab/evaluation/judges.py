"""Finds the available judges, with a reason for every one that is missing. Nothing is downloaded."""

from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.personal.likeness import ClipLikeness
from bannerstream.lab.evaluation.banners import Judges
from bannerstream.lab.evaluation.quality import Brisque, Lpips
from bannerstream.lab.evaluation.reader import Reader


def available_judges(*, clip: str | None, lpips: Path | None, reading: bool = True) -> Judges:
    """Return every judge whose package is installed; judges that need a model only if one is named.

    Raises:
        ConfigurationError: a model that is named cannot be loaded.
    """
    why_not: dict[str, str] = {}
    naturalness: Brisque | None = None
    reader: Reader | None = None
    try:
        naturalness = Brisque()
    except ConfigurationError as error:
        why_not["brisque"] = str(error)
    if reading:
        try:
            reader = Reader()
        except ConfigurationError as error:
            why_not["read"] = str(error)
    else:
        why_not["read"] = "switched off"
    if lpips is None:
        why_not["lpips"] = "no model: name a file with torchvision's AlexNet by --lpips"
    if clip is None:
        why_not["clip_score, d_p, d_t"] = "no model: name an image-text model by --clip"
    return Judges(
        naturalness,
        reader,
        Lpips(lpips) if lpips is not None else None,
        ClipLikeness(clip, setting="--clip") if clip is not None else None,
        why_not,
    )
