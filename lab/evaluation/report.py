"""The result of an evaluation: rows of figures, for a table and for programs."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Figure = str | int | float | None
"""None if it could not be measured here; the report's notes hold the reason."""

_DIGITS = 3
"""Samples have some hundred items, so a fourth digit would be noise."""


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation's figures. Every row has the same keys; a key's unit is in its name (`titles_per_s`)."""

    evaluation: str
    rows: Sequence[Mapping[str, Figure]]
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was left out or replaced, and why."""

    def rounded(self) -> list[dict[str, Figure]]:
        """Return the rows for a table."""
        return [{name: _rounded(figure) for name, figure in row.items()} for row in self.rows]

    def document(self) -> dict[str, object]:
        """Return the report for a program."""
        machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        return {"evaluation": self.evaluation, "rows": self.rounded(), "notes": dict(self.notes), "ran_on": machine}

    def save(self, path: Path) -> None:
        """Write the document as JSON."""
        path.write_text(json.dumps(self.document(), ensure_ascii=False, indent=2) + "\n", "utf-8")


def _rounded(figure: Figure) -> Figure:
    return round(figure, _DIGITS) if isinstance(figure, float) else figure
