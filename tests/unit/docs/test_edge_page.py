"""docs/edge.md publishes what the fronts in deploy/ do."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_pages_front_publishes_what_the_front_of_shards_does() -> None:
    page, front = ((ROOT / file).read_text() for file in ("docs/edge.md", "deploy/edge/shards.conf"))
    (published,) = re.findall(r"(?m)^ *(location ~ .*?) \{$", page)
    assert published in front
    assert "location / { return 404; }" in page
