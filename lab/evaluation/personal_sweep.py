"""A contact sheet of one banner at several values of `generator.personal`, from all product to all cohort."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bannerstream.contracts.catalog import Cohort, Favourite, Product
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.assembly import Models
from bannerstream.generator.paint_once import PaintedOnce, paint_once
from bannerstream.settings import GeneratorSettings

SWEPT = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of `generator.personal`: keywords are repeated up to three times, so finer steps look alike."""

_MARGIN, _LABEL = 16, 40
_LEAST_WIDTH = 640
"""Least width of a sheet, with room for the keywords."""
_PAPER, _INK = "#ffffff", "#333333"


def sweep_personal(
    settings: GeneratorSettings,
    product: Product,
    cohort: Cohort,
    favourites: Sequence[Favourite],
    *,
    picture: Path | None,
    size: BannerSize,
    variant: str,
) -> list[tuple[float, PaintedOnce]]:
    """Return the banner at every value of `SWEPT`; models are loaded once.

    Raises:
        ConfigurationError: a model cannot be loaded, or `picture` cannot be read.
    """
    models = Models(settings)
    return [
        (
            alpha,
            paint_once(
                settings.model_copy(update={"personal": alpha}),
                product,
                cohort,
                picture=picture,
                size=size,
                variant=variant,
                favourites=favourites,
                models=models,
            ),
        )
        for alpha in SWEPT
    ]


def save_sheet(swept: Sequence[tuple[float, PaintedOnce]], path: Path) -> None:
    """Write the banners below each other, with weight and keywords as captions.

    Raises:
        ConfigurationError: the file cannot be written in this format.
    """
    banners = [Image.open(BytesIO(painted.picture.files[0].content)).convert("RGB") for _, painted in swept]
    width = max(_LEAST_WIDTH, *(each.width for each in banners)) + 2 * _MARGIN
    height = sum(each.height + _LABEL + _MARGIN for each in banners) + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(16), _MARGIN
    for (alpha, painted), banner in zip(swept, banners, strict=True):
        draw.text((_MARGIN, top + 8), _label(alpha, painted, width), _INK, font)
        sheet.paste(banner, (_MARGIN, top + _LABEL))
        top += banner.height + _LABEL + _MARGIN
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}; name a .png, .webp or .jpg file") from error


def _label(alpha: float, painted: PaintedOnce, width: int) -> str:
    style = painted.composed.provenance.personal
    if style is None:
        return f"personal {alpha:.2f}: the cohort's mood alone"
    label = f"personal {alpha:.2f}: {style.preference_repeats} x {', '.join(style.preference)}"
    if style.d_p is not None and style.d_t is not None:
        label = f"{label}  (best of {style.candidates}: d_p {style.d_p:.3f}, d_t {style.d_t:.3f})"
    return label[: width // 9]
