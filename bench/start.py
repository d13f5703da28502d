"""Processor time of a command's start, compared with Typer and Rich alone: `python -m bench start`.

Each round runs every command once, in a new process; `over_floor` is its median divided by that of
`python -c 'import typer, rich.console'`, which every command of this kind needs. Byte code is compiled before the
first round, as in an installed package; with `--no-bytecode` every process compiles its imports.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # `python bench/start.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena.stage import Result, parser, reporting

FLOOR = "typer and rich.console"
_CALL = "import sys; from bannerstream.cli.main import main; sys.argv = ['bannerstream', *sys.argv[1:]]; main()"
COMMANDS = {
    FLOOR: ["import typer, rich.console"],
    "--help": [_CALL, "--help"],
    "--version": [_CALL, "--version"],
    "edge token": [_CALL, "edge", "token", "ada"],
    "config show": [_CALL, "config", "show"],
    "import bannerstream.streams.app": ["import bannerstream.streams.app"],
}


def processor_s(arguments: Sequence[str], environment: dict[str, str]) -> float:
    """Return the processor time of one Python process, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", *arguments], env=environment, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


_ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("start", __doc__)
    options.add_argument("--no-bytecode", action="store_true", help="let every process compile its imports")
    chosen = options.parse_args(arguments)
    rounds = 1 if chosen.quick else max(5, chosen.rounds)
    report = reporting(chosen.out)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BANNERSTREAM_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with TemporaryDirectory() as byte_code:
        environment["PYTHONPYCACHEPREFIX"] = byte_code
        if chosen.no_bytecode:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        else:
            for command in COMMANDS.values():
                processor_s(command, environment)
        taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                taken[name].append(processor_s(command, environment))
    floor = median(taken[FLOOR])
    for name, seconds in taken.items():
        line: Result = {
            "bench": "start",
            "command": name,
            "byte_code": not chosen.no_bytecode,
            "rounds": rounds,
            "processor_s": round(median(seconds), 3),
            "over_floor": round(median(seconds) / floor, 2),
        }
        report(line)


if __name__ == "__main__":
    main()
