"""A small text-to-image model of our own, as a `StableDiffusionPipeline` folder: docs/starter.md.

`lab.training` trains it on scenes that the studio draws. It paints with `generator.painter = "diffusers"` and
`generator.painter_model` set to `MODEL`; `STEPS` and `GUIDANCE` are its best settings.
"""

from pathlib import Path

MODEL = Path(__file__).with_name("model")
STEPS = 16
GUIDANCE = 1.5
