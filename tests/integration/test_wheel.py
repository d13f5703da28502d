"""The wheel built from this checkout: one top-level name, typed, complete, and it runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
ROOMS = {link.name for link in (ROOT / "src/bannerstream").iterdir() if link.is_symlink()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that `uv build` makes from the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", "build", "--out-dir", out],
        cwd=ROOT,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return next(out.glob("*.whl"))


def test_its_only_name_is_ours_and_it_holds_every_file_of_every_room(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"bannerstream"}
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(ROOMS)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert names >= {"bannerstream/py.typed", *(f"bannerstream/{file}" for file in tracked)}


def test_it_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("raise SystemExit('imported from the working folder')\n")
    command = [
        sys.executable,
        "-P",
        "-c",
        "import bannerstream, bannerstream.cli.main as m; print(bannerstream.__file__); m.main()",
    ]
    shown = subprocess.run(
        [*command, "paint", "mug-stoneware-terracotta", "--cohort", "calm-home", "--out", "mug.webp"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(shown.stdout.splitlines()[0]).is_relative_to(tmp_path)
    assert (tmp_path / "mug.webp").stat().st_size > 1_000
