"""The table `[generator.postprocess]`."""

from typing import Literal

from pydantic import Field

from bannerstream.settings.groups import Group


class PostprocessSettings(Group):
    """What is done to a scene after a model painted it."""

    crop: Literal["low", "salient"] = Field(
        "salient",
        description="Which part of a painted picture becomes a banner of other proportions: its lower middle, or, with "
        '`painter_mode = "whole"`, where most is to be seen.',
    )
    denoise: float = Field(
        0.0,
        ge=0,
        le=3,
        description="Share of the measured noise that is removed; 0 turns it off. Takes 1.4 s of CPU a megapixel where "
        "there is noise: for models that leave some.",
    )
    upscale: Literal["cubic", "detail"] = Field(
        "cubic",
        description="How a picture is enlarged; `detail` keeps edges crisper, for 60 ms of CPU a megapixel.",
    )
    colour_match: float = Field(
        0.8, ge=0, le=1, description="How far a colour cast beyond natural light is taken back from a painted scene."
    )
