"""Problems of a catalogue's files.

BannerstreamError
└── ConfigurationError
    └── CatalogueInvalid    lists every problem
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bannerstream.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem to correct."""

    file: str
    """Relative to the catalogue's folder."""
    line: int | None
    field: str | None
    message: str
    """What is wrong and how to correct it."""

    def __str__(self) -> str:
        """Return the problem as compilers write them: file:line: field: message."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class CatalogueInvalid(ConfigurationError):
    """The catalogue's files are invalid; nothing was loaded.

    Operator action: correct every line that the message lists.
    Retryable: no.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(problems)} problems" if len(problems) != 1 else "1 problem"
        super().__init__("\n".join([f"the catalogue has {count}:", *(f"  {each}" for each in problems)]))
