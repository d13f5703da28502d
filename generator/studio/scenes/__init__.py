"""The sets of the studio, one file each. `SCENES` names them; a scene is a function from a `Stage` to a `Scene`."""

from generator.studio.scene import Draw
from generator.studio.scenes import beach, garden, kitchen, plain

SCENES: dict[str, Draw] = {
    "kitchen": kitchen.draw,
    "garden": garden.draw,
    "beach": beach.draw,
    "studio": plain.draw,
}
