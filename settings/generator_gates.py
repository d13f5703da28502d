"""The table `[generator.gates]`."""

from pathlib import Path

from pydantic import Field

from bannerstream.settings.groups import Group


class GateSettings(Group):
    """What may not be shown."""

    blocked_words: Path | None = Field(
        None,
        description="Text file, one word or phrase a line: no banner is made of a product whose record holds one.",
    )
    nudity_model: str | None = Field(
        None,
        description="Path or hub id of an image classifier of transformers: product pictures and painted scenes are "
        "looked at. Without it, a diffusion pipeline's own safety checker is all there is.",
    )
    nudity_threshold: float = Field(0.5, gt=0, le=1, description="Probability from which a picture counts as nude.")
    most_skin: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of skin-coloured pixels that a painted scene may have. A rough hint, no classifier: wood "
        "and sand have the colour of skin.",
    )
