"""docs/dependencies.md says why each package is there, and names no other."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/dependencies.md").read_text()


def declared(extra: str | None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    names = {re.split(r"[\[<>=!~ ]", line, maxsplit=1)[0] for line in lines}
    return names - {"bannerstream"}


def documented(extra: str | None) -> set[str]:
    heading = "## Base" if extra is None else f"## `[{extra}]`"
    section = next(part for part in re.split(r"(?m)^(?=## )", PAGE) if part.startswith(heading))
    return set(re.findall(r"(?m)^\| `([^`]+)` \| \S", section))


@pytest.mark.parametrize("extra", [None, "demo", "gpu", "dev"])
def test_each_dependency_has_its_reason(extra: str | None) -> None:
    assert documented(extra) == declared(extra)
