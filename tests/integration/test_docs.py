"""Runs every command of the docs, in the order of the pages."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from bannerstream.demo.workers import START_TIMEOUT_S
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("embedded")]

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(str(each.relative_to(ROOT)) for each in (ROOT / "docs").glob("*.md")))

NOT_RUN = {
    "make demo": "tests/integration/test_demo.py runs what it calls, with a shorter session",
    "make test": "it runs this test",
    "bannerstream paint --painter diffusers": "tests/unit/cli/test_paint.py runs it on tiny models",
    "bannerstream paint --painter examples.gan_painter": "tests/unit/examples/test_gan_painter.py runs a tiny GAN",
    "bannerstream paint --describer transformers": "tests/unit/generator/test_transformers.py runs a tiny model",
    ".venv/bin/bannerstream train": "hours; tests/unit/lab/training runs a training of tiny networks",
    ".venv/bin/bannerstream evaluate starter": "minutes; tests/unit/lab/evaluation/test_starter.py runs a part",
    "bannerstream erase": "tests/integration/test_erasure.py runs it, against a worker that holds the visitor",
    "make faults": "an hour; tests/faults/test_streams_faults.py runs a part of it",
    "pip install": "it would install into the environment that runs this test",
    "pipx install": "it would install into the home of the user who runs this test",
    "uvx": "it downloads every dependency again; tests/integration/test_demo.py runs the demo",
    "docker compose": "no container engine here; tests/unit/deploy/test_compose.py checks the file's shape",
}
"""Commands that are not run here, by their beginning, with the reason."""

LONG_RUNNING = ("bannerstream run ",)
"""Commands that are started, and stopped at the end."""


def commands(page: str) -> list[str]:
    """Return the commands of a page's bash blocks, each on one line and without its comment."""
    text = "\n".join(
        re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    )
    joined = re.sub(r"\\\n\s*", " ", text)
    joined = re.sub(r"\|\n\s*", "| ", joined)
    lines = (re.sub(r"\s+# .*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def runnable(page: str) -> list[str]:
    return [command for command in commands(page) if not command.startswith(tuple(NOT_RUN))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the parts of a checkout that commands use: the example shop, and the environment."""
    for data in ("examples", "demo"):
        (tmp_path / data).symlink_to(ROOT / data)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    return tmp_path


@pytest.fixture
def shell(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment variables of the reader's shell."""
    return environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(command: str, folder: Path, shell: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, **shell},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_every_exception_is_still_a_command_of_some_page() -> None:
    everything = [command for page in PAGES for command in commands(page)]
    assert [prefix for prefix in NOT_RUN if not any(line.startswith(prefix) for line in everything)] == []


OWN_TESTS = ("docs/connect.md", "docs/recovery.md", "docs/storage.md")
"""Pages whose commands need more than a new environment; tests/integration/test_recovery.py runs those of recovery."""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OWN_TESTS and runnable(page)])
def test_commands_of_a_page_run(page: str, folder: Path, shell: dict[str, str]) -> None:
    for command in runnable(page):
        run(command, folder, shell)


def test_commands_of_the_page_about_the_bucket_run(folder: Path, shell: dict[str, str]) -> None:
    catalogue = "demo/example_shop/catalogue"
    setup = ["bannerstream topics create", "bannerstream storage create", f"bannerstream catalog load {catalogue}"]
    for command in [*setup, *runnable("docs/storage.md")]:
        run(command.replace("FOLDER", catalogue), folder, shell)


@pytest.mark.real
def test_who_follows_the_page_about_connecting_gets_a_banner(
    settings: Settings, folder: Path, shell: dict[str, str]
) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    here = {"127.0.0.1:9092": settings.kafka.bootstrap_servers, "-t clicks": f"-t {settings.kafka.topics['clicks']}"}
    with ExitStack() as until_the_end:
        services = []
        for number, written in enumerate(runnable("docs/connect.md")):
            command = written
            for example, own in here.items():
                command = command.replace(example, own)
            if command.startswith(LONG_RUNNING):
                service = ChildProcess(
                    ["bash", "-c", f"exec {command}"],
                    name=command,
                    log_file=folder / f"command-{number}.log",
                    environment=shell,
                    folder=folder,
                )
                services.append(until_the_end.enter_context(service))
            else:
                run(command, folder, shell)
        assert len(services) == 2
        wait_for_a_banner(settings, services)


def wait_for_a_banner(settings: Settings, services: list[ChildProcess]) -> None:
    """Return once the event that the page sends with kcat has led to a banner."""
    store = S3BannerStore(settings.storage)

    def stored() -> list[str]:
        for service in services:
            assert service.poll() is None, service.log_tail()
        return list(store.manifest_keys())

    try:
        keys = wait_until(
            stored, lambda: "\n".join(service.log_tail() for service in services), patience_s=START_TIMEOUT_S
        )
        (manifest,) = [store.manifest(key) for key in keys]
        assert manifest is not None
        assert manifest.product_id == "mug-stoneware-terracotta"
    finally:
        store.close()
