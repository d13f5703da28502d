"""docs/dependencies.md says why each package is there and who keeps it, and names no other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PAGE = (ROOT / "docs/dependencies.md").read_text()


def declared(extra: str | None) -> set[str]:
    lines = PROJECT["dependencies"] if extra is None else EXTRAS[extra]
    names = {re.split(r"[\[<>=!~ ]", line, maxsplit=1)[0] for line in lines}
    return names - {"bannerstream"}


def documented(extra: str | None) -> dict[str, list[str]]:
    """Return the cells beside each package's name."""
    heading = "## Base" if extra is None else f"## `[{extra}]`"
    section = next(part for part in re.split(r"(?m)^(?=## )", PAGE) if part.startswith(heading))
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (.+) \|$", section)
    return {name: cells.split(" | ") for name, cells in rows}


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_each_dependency_has_its_reason(extra: str | None) -> None:
    assert documented(extra).keys() == declared(extra)


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_each_dependency_has_its_keeper_and_the_month_of_its_last_release(extra: str | None) -> None:
    for name, (why, keeper, released) in documented(extra).items():
        assert why.strip(), name
        assert keeper.strip(), name
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", released), name


def test_a_dependency_whose_internals_are_overridden_has_the_floor_that_is_tested() -> None:
    (floor,) = re.findall(r"uvicorn>=([\d.]+)", " ".join(PROJECT["dependencies"]))
    (pinned,) = pins(ROOT / "requirements/base.txt")["uvicorn"]
    assert pinned.removesuffix(".0") == floor.removesuffix(".0")


def pins(file: Path) -> dict[str, set[str]]:
    """Return the versions of each package, with the machines that each is for."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)==(.+?) *\\?$", file.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def test_setup_gpu_alone_installs_models_and_judges() -> None:
    dry = ["make", "--dry-run", "--always-make", "VENV=nowhere", "setup-gpu"]
    stdout = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installed = {name for file in re.findall(r"-r (requirements/\S+)", stdout) for name in pins(ROOT / file)}
    assert installed >= declared(None) | declared("gpu") | declared("evaluate")


def test_files_that_go_into_one_environment_agree() -> None:
    every = [pins(file) for file in sorted((ROOT / "requirements").glob("*.txt"))]
    names = {name for each in every for name in each}
    assert {name for name in names if len({frozenset(each[name]) for each in every if name in each}) > 1} == set()


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_pins_name_no_registry_and_nothing_that_is_compiled_for_minutes(file: Path) -> None:
    assert "://" not in file.read_text()
    assert all("sys_platform == 'never'" in each for each in pins(file).get("llama-cpp-python", ()))
