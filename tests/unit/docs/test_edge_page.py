"""docs/edge.md publishes what the fronts in deploy/ do."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_pages_front_publishes_what_the_front_of_shards_does() -> None:
    locations = [
        re.findall(r"(?m)^ *(location .*?) \{", (ROOT / file).read_text())
        for file in ("docs/edge.md", "deploy/edge/shards.conf")
    ]
    published, rest = locations[0]
    assert published in locations[1]
    assert rest == "location /"
    assert "location / { return 404; }" in (ROOT / "docs/edge.md").read_text()
