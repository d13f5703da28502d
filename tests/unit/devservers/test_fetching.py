"""Programs that are fetched or built at their first use, with stand-ins for Maven and Go on PATH."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bannerstream.devservers import go_tools, kafka_apache
from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.go_tools import GoTool

TOOL = GoTool("banner-tool", "example.org/banner-tool", "v1.2.3", build_time="a moment")
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a shell script on a PATH that otherwise holds the shell's own tools only."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\nPATH={os.defpath}\n{script}\n")
        (folder / name).chmod(0o755)

    return write


GO = """
echo "$*" >> "$HOME/asked"
touch "$GOBIN/last-part-of-the-package" && chmod +x "$GOBIN/last-part-of-the-package"
"""


def test_a_program_is_built_once_and_then_found(install: Install, tmp_path: Path) -> None:
    install("go", GO)
    notices: list[str] = []
    assert TOOL.why_unavailable() is None
    for _ in range(2):
        assert TOOL.program(notices.append) == tmp_path / "cache/bannerstream/banner-tool-v1.2.3/banner-tool"
    assert (tmp_path / "asked").read_text() == "install example.org/banner-tool@v1.2.3\n"
    assert notices == ["building banner-tool with Go, once (a moment)"]


@pytest.mark.parametrize("tool", ["go", "mvn"])
def test_of_two_that_need_it_at_once_one_fetches(install: Install, tmp_path: Path, tool: str) -> None:
    install("go", GO)
    install("mvn", MAVEN)
    need = {"go": TOOL.program, "mvn": kafka_apache._fetch_jars}[tool]
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(need, [lambda _: None] * 4))
    assert len(found) == 1
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_another_version_is_built_beside_the_first(install: Install, tmp_path: Path) -> None:
    install("go", GO)
    newer = replace(TOOL, version="v1.3.0")
    assert {TOOL.program(lambda _: None), newer.program(lambda _: None)} == {
        tmp_path / f"cache/bannerstream/banner-tool-{version}/banner-tool" for version in ("v1.2.3", "v1.3.0")
    }


def test_a_program_on_path_needs_no_go(install: Install, tmp_path: Path) -> None:
    install("banner-tool", "")
    assert TOOL.why_unavailable() is None
    assert TOOL.program(lambda _: pytest.fail("nothing to build")) == tmp_path / "bin" / "banner-tool"


def test_without_go_it_says_what_to_install(install: Install) -> None:
    assert "apt-get install golang-go" in (TOOL.why_unavailable() or "")
    with pytest.raises(ServerMissing, match="golang-go"):
        TOOL.program(lambda _: None)


def test_a_failed_build_shows_the_compilers_words(install: Install) -> None:
    install("go", 'echo "undefined: banner" >&2; exit 1')
    with pytest.raises(ServerFailed, match="undefined: banner"):
        TOOL.program(lambda _: None)


def test_a_build_that_does_not_end_is_given_up(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("go", "exec sleep 60")
    monkeypatch.setattr(go_tools, "_BUILD_TIMEOUT_S", 0.2)
    with pytest.raises(ServerFailed, match="could not build banner-tool within"):
        TOOL.program(lambda _: None)


MAVEN = """
echo run >> "$HOME/asked"
for argument in "$@"; do case $argument in -DoutputDirectory=*) folder=${argument#*=} ;; esac; done
mkdir -p "$folder" && touch "$folder/kafka_2.13.jar"
"""


def test_jars_are_fetched_once(install: Install, tmp_path: Path) -> None:
    install("mvn", MAVEN)
    notices: list[str] = []
    jars = {kafka_apache._fetch_jars(notices.append) for _ in range(2)}
    assert [[jar.name for jar in folder.iterdir()] for folder in jars] == [["kafka_2.13.jar"]]
    assert (tmp_path / "asked").read_text() == "run\n"
    assert len(notices) == 1


def test_a_failed_fetch_leaves_no_half_filled_folder(install: Install) -> None:
    install("mvn", MAVEN + 'echo "could not resolve"; exit 1')
    for _ in range(2):
        with pytest.raises(ServerFailed, match="could not resolve"):
            kafka_apache._fetch_jars(lambda _: None)


@pytest.mark.parametrize(
    ("version", "missing"),
    [("11.0.2", "too old"), ("1.8.0_202", "too old"), ("17.0.1", "Maven"), (None, "Java is not")],
)
def test_it_says_which_part_is_missing(install: Install, version: str | None, missing: str) -> None:
    if version is not None:
        install("java", f"""echo 'openjdk version "{version}" 2026-01-01' >&2""")
    assert missing in (kafka_apache.ApacheKafka.why_unavailable() or "")
