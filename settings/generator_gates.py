"""The table `[generator.gates]`."""

from pathlib import Path

from pydantic import Field

from bannerstream.settings.groups import Group


class GateSettings(Group):
    """Checks that keep unsuitable banners from being shown."""

    blocked_words: Path | None = Field(
        None,
        description="Text file, one word or phrase per line: no banner is made for a product whose record holds one.",
    )
    nudity_model: str | None = Field(
        None,
        description="Path or hub id of a transformers image classifier that checks product pictures and painted "
        "scenes. Without it, only a diffusion pipeline's own safety checker applies.",
    )
    nudity_threshold: float = Field(0.5, gt=0, le=1, description="Probability from which a picture counts as nude.")
    most_skin: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Largest share of skin-coloured pixels in a painted scene. A rough heuristic: wood and sand have "
        "the colour of skin.",
    )
