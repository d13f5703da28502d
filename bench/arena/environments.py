"""The environment of each system, under .cache/bench: a virtual environment from its pins, or a Maven build."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = REPOSITORY / "bench" / "peers"
CACHE = REPOSITORY / ".cache" / "bench"

_BUILD_TIMEOUT_S = 900


class BuildFailed(Exception):
    """An environment could not be built; the message quotes the tool's output."""


def python_environment(system: str) -> Path:
    """Return the Python interpreter of the environment with bench/peers/<system>/requirements.txt."""
    folder, pins = CACHE / system, PEERS / system / "requirements.txt"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    python = folder / "bin" / "python"

    def build() -> None:
        _run([*uv, "venv", "--python", sys.executable, str(folder)])
        _run([*uv, "pip", "install", "--python", str(python), "-r", str(pins)])

    _built(folder, [pins], build)
    return python


def maven_classpath(system: str) -> str:
    """Build bench/peers/<system>/pom.xml if necessary and return its class path.

    Raises:
        BuildFailed: Java or Maven is missing, or the program does not compile.
    """
    folder, pom = CACHE / system, PEERS / system / "pom.xml"
    sources = sorted((PEERS / system / "src").rglob("*.java"))
    _built(
        folder,
        [pom, *sources],
        lambda: _run(["mvn", "-q", "-B", "-f", str(pom), f"-DbuildDirectory={folder}", "package"]),
    )
    return f"{folder}/classes:{folder}/jars/*"


def _built(folder: Path, sources: Sequence[Path], build: Callable[[], None]) -> None:
    """Build the folder unless its stamp shows that it was built from these sources. An aborted build has no stamp."""
    stamp = folder / "built-from"
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    print(f"building {folder.relative_to(REPOSITORY)}, once", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    build()
    stamp.write_text(digest, encoding="utf-8")


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_TIMEOUT_S)
    except FileNotFoundError as error:
        raise BuildFailed(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-2000:]}")
