"""The table `[generator.postprocess]`."""

from typing import Literal

from pydantic import Field

from bannerstream.settings.groups import Group


class PostprocessSettings(Group):
    """Steps applied to a scene after a model painted it."""

    crop: Literal["low", "salient"] = Field(
        "salient",
        description="How a painted picture is cropped to a banner's proportions: `low` keeps its lower middle; "
        '`salient`, with `painter_mode = "whole"`, the part with the most detail.',
    )
    denoise: float = Field(
        0.0,
        ge=0,
        le=3,
        description="Share of the measured noise that is removed; 0 turns it off. Costs 1.4 s of CPU per megapixel "
        "where there is noise; for models that leave some.",
    )
    upscale: Literal["cubic", "detail"] = Field(
        "cubic",
        description="How a picture is enlarged; `detail` keeps edges crisper, for 60 ms of CPU per megapixel.",
    )
    colour_match: float = Field(
        0.8, ge=0, le=1, description="How far a colour cast beyond natural light is corrected in a painted scene."
    )
