"""The sets of the studio, one file each. `SCENES` names them; a scene is a function from a `Stage` to a `Scene`."""

from bannerstream.generator.studio.scene import Draw
from bannerstream.generator.studio.scenes import (
    bathroom,
    beach,
    desk,
    festive,
    garden,
    kitchen,
    nursery,
    plain,
    snow,
    stadium,
    trail,
    workshop,
)

SCENES: dict[str, Draw] = {
    "kitchen": kitchen.draw,
    "garden": garden.draw,
    "beach": beach.draw,
    "snow": snow.draw,
    "desk": desk.draw,
    "nursery": nursery.draw,
    "workshop": workshop.draw,
    "bathroom": bathroom.draw,
    "trail": trail.draw,
    "stadium": stadium.draw,
    "festive": festive.draw,
    "studio": plain.draw,
}
