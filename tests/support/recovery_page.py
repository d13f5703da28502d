"""The commands of docs/recovery.md, by what they bring back: tests run them as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/recovery.md"


@dataclass(frozen=True)
class Section:
    """What is lost, and what brings it back."""

    text: str
    commands: tuple[str, ...]


def sections() -> dict[str, Section]:
    """Return the page's sections of the third level by their titles."""
    found: dict[str, Section] = {}
    for part in re.split(r"(?m)^### ", PAGE.read_text())[1:]:
        title, _, body = part.partition("\n")
        body = re.split(r"(?m)^## ", body)[0]
        text, *_ = body.split("```")
        commands = [line for block in re.findall(r"```bash\n(.*?)```", body, re.DOTALL) for line in block.splitlines()]
        found[title] = Section(text.strip(), tuple(commands))
    return found
