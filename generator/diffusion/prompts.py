"""Prompts for a diffusion model, from a description and a cohort. Pure.

After arXiv 2403.05578, §3: subject, attributes and setting form one caption of a photograph. The cohort's light,
palette and mood come last, since the first words weigh most in CLIP's text encoder.
"""

from dataclasses import dataclass
from typing import Literal

from bannerstream.generator.diffusion.palette_words import palette_words
from bannerstream.generator.pipeline.ports import SceneRequest

Mode = Literal["scene", "whole"]

_PLACES = {
    "kitchen": "a sunlit kitchen counter",
    "garden": "a garden table among soft green foliage",
    "beach": "a sandy beach by the sea",
    "snow": "a snowy winter landscape",
    "desk": "a tidy wooden desk by a window",
    "nursery": "a cosy nursery in pastel colours",
    "workshop": "a wooden workbench in a workshop",
    "bathroom": "a bright bathroom shelf with stone and towels",
    "trail": "a mountain trail with rocks and moss",
    "stadium": "a stadium pitch under floodlights",
    "festive": "a festive table with warm fairy lights",
    "studio": "a seamless paper backdrop in a photo studio",
}
_LIGHT = {
    "morning": "soft morning light",
    "day": "bright daylight",
    "golden": "golden hour light",
    "evening": "warm evening light",
}
_NEVER = "text, letters, watermark, logo, signature, frame, border, collage, blurry product, deformed, low quality"
_NO_PRODUCT = "people, hands, product, object in the foreground, clutter"
_NO_PEOPLE = "people, hands, duplicate"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The positive and the negative prompt."""

    positive: str
    negative: str


def prompt_of(scene: SceneRequest, mode: Mode, *, trigger: str = "", outlined: bool = False) -> Prompt:
    """Return the prompt of a scene: the empty place, or in mode `whole` with the product in it.

    `trigger` are the words that activate a brand's adapter. With `outlined`, a ControlNet draws the product's outline
    into the scene; the prompt then names the product, or the model would turn the outline into something else.
    """
    description, cohort = scene.description, scene.cohort
    place = _PLACES.get(description.setting, description.setting)
    manner = [
        *scene.keywords,
        _LIGHT[cohort.light],
        f"{palette_words(cohort.palette)} tones",
        *cohort.mood[:3],
        "shallow depth of field",
        "professional product photography",
    ]
    if mode == "whole" or outlined:
        thing = " ".join([*description.attributes, description.subject])
        return Prompt(_sentence(trigger, f"a photo of {thing}", f"on {place}", *manner), f"{_NEVER}, {_NO_PEOPLE}")
    empty = f"a photo of {place}, empty surface in front, calm blurred background"
    return Prompt(_sentence(trigger, empty, *manner), f"{_NEVER}, {_NO_PRODUCT}")


def _sentence(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
