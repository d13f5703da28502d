"""Catalogue folders for tests."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.photographs import photograph

COHORTS = """
[[cohort]]
cohort_id = "calm-home"
name = "Calm home"
mood = ["calm"]
palette = ["#ffffff", "#ccddee", "#224466"]

[[cohort]]
cohort_id = "outdoor"
name = "Outdoor"
mood = ["fresh", "bold"]
palette = ["#ffffff", "#bbddbb", "#115522"]
light = "morning"
"""


def product(product_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "title": "A mug",
        "category": "kitchen",
        "cohorts": {"calm-home": 1.0},
        "image": "images/mug.png",
    } | fields


def write_folder(folder: Path, *rows: dict[str, Any] | str, cohorts: str = COHORTS) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "mug.png").write_bytes(_mug())
    (folder / "cohorts.toml").write_text(cohorts, "utf-8")
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "products.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@cache
def _mug() -> bytes:
    return photograph("mug", "grey").file()
