"""Short commands import what they use: the helps, the token and the settings need neither Kafka nor pictures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bannerstream.cli.deferred import DeferredCommand
from bannerstream.cli.main import app

ROOT = typer.main.get_command(app)
HEAVY = {
    "PIL",
    "aiohttp",
    "aiokafka",
    "cryptography",
    "cv2",
    "fastapi",
    "faust",
    "jwt",
    "minio",
    "numpy",
    "prometheus_client",
    "pygments",
    "structlog",
    "torch",
    "uvicorn",
}
LISTING = r"""
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr))
"""
CALL = LISTING + "from bannerstream.cli.main import main; main()"


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BANNERSTREAM_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[3],
        env=own | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def imported(code: str, *arguments: str) -> set[str]:
    process = python(code, *arguments)
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_the_help_and_the_version_need_typer_and_rich_alone(arguments: list[str]) -> None:
    modules = imported(CALL, *arguments)
    assert "typer" in modules
    assert not modules & (HEAVY | {"markdown_it", "msgspec", "pydantic"})


@pytest.mark.parametrize("arguments", [["edge", "token", "ada"], ["config", "show"]], ids=" ".join)
def test_a_short_command_needs_the_settings_alone(arguments: list[str]) -> None:
    modules = imported(CALL, *arguments)
    assert "pydantic" in modules
    assert not modules & HEAVY


def test_the_streams_app_is_imported_without_a_web() -> None:
    modules = imported(LISTING + "import bannerstream.streams.app")
    assert "faust" in modules
    assert not modules & {"aiohttp", "cv2", "fastapi", "minio", "uvicorn", "yaml"}


def test_an_app_of_batches_is_configured_without_a_web(tmp_path: Path) -> None:
    configured = "from bannerstream.streams.batching import BatchApp; import sys\n"
    configured += "BatchApp('test', connect_producer=None, connect_reader=None, datadir=sys.argv[1]).conf"
    assert "aiohttp" not in imported(LISTING + configured, str(tmp_path))


def test_what_faust_was_imported_without_can_be_imported_afterwards() -> None:
    process = python(
        "import bannerstream.streams.app, aiohttp.web, yaml\n"
        "print(aiohttp.ClientSession.__module__, yaml.safe_load('1'))"
    )
    assert (process.stdout, process.returncode) == ("aiohttp.client 1\n", 0), process.stderr


def test_the_listed_line_of_a_command_is_its_own() -> None:
    assert isinstance(ROOT, typer.core.TyperGroup)
    for name, listed in ROOT.commands.items():
        assert isinstance(listed, DeferredCommand)
        loaded = listed.load()
        assert loaded.name == name
        assert " ".join((loaded.help or "").split("\n\n")[0].split()) == listed.help


def test_the_help_shows_every_option_and_command_with_its_line() -> None:
    shown = python(CALL, "--help", COLUMNS="200", TERM="dumb").stdout
    assert isinstance(ROOT, typer.core.TyperGroup)
    for name, listed in ROOT.commands.items():
        assert f"{name} " in shown
        assert str(listed.help) in shown
    for option in ("-c, --config", "-v, --verbose", "--version", "--install-completion", "-h, --help"):
        assert option in shown
    assert "Exit codes" in shown


def test_the_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert python(CALL, "--version").stdout == f"bannerstream {version('bannerstream')}\n"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("bannerstream ", "topics"),
        ("bannerstream ev", "evaluate"),
        ("bannerstream config ", "check"),
        ("bannerstream topics create --", "--dry-run"),
        ("bannerstream report --by ", "headline"),
    ],
)
def test_a_shell_completes_commands_options_and_choices(words: str, completed: str) -> None:
    code = "import sys; sys.argv = ['bannerstream']; " + CALL
    environment = {
        "_BANNERSTREAM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    assert completed in python(code, **environment).stdout.split()


def test_completing_a_command_s_name_imports_no_command() -> None:
    code = "import os, sys; sys.argv = ['bannerstream']; " + CALL
    process = python(code, _BANNERSTREAM_COMPLETE="complete_bash", COMP_WORDS="bannerstream e", COMP_CWORD="1")
    assert not set(json.loads(process.stderr.splitlines()[-1])) & HEAVY
