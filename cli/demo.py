"""`bannerstream demo`: the main job, on this machine, from nothing."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from broker.recordings import read_lines
from cli.console import plain, stderr
from cli.context import settings_of
from cli.servers import S3, Kafka, KafkaServer, S3Server
from demo.example import CATALOGUE, SESSION
from demo.session import DemoOptions, Progress, run_demo


def demo(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the page and pictures; an earlier demo's are replaced.")
    ] = Path("demo-out"),
    session: Annotated[Path, typer.Option("--session", help="Recorded session to replay.", exists=True)] = SESSION,
    catalogue: Annotated[Path, typer.Option("--catalogue", help="Catalogue folder.", exists=True)] = CATALOGUE,
    rate: Annotated[float, typer.Option("--rate", min=1, help="Events per second.")] = 100.0,
    kafka: Kafka = KafkaServer.EMBEDDED,
    s3: S3 = S3Server.EMBEDDED,
) -> None:
    """Replay a shopping session and watch banners come out. The last line on standard output is one JSON object.

    Starts a broker and a store, loads the catalogue, runs streams and generator as processes, replays the session and
    writes demo-out/index.html. Everything is stopped at the end, on Ctrl-C and on failure.
    """
    settings_of(ctx)
    options = DemoOptions(out, session, catalogue, rate, kafka.value, s3.value)
    with _bar() as bar:
        task = bar.add_task("starting", total=sum(1 for _ in read_lines(session)), figures="")
        summary = run_demo(options, lambda progress: _show(bar, task, progress))
    if summary["unmakeable"]:
        stderr.print(
            f"[yellow]{summary['unmakeable']} banners cannot be made here[/]: no installed font has the letters of "
            "their language; on Debian: apt-get install fonts-noto-core fonts-noto-cjk",
            highlight=False,
        )
    stderr.print(f"[green]done[/]: open {plain(out / 'index.html')}", highlight=False)
    sys.stdout.write(json.dumps(summary) + "\n")


def _bar() -> Bar:
    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description:<30}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
    )


def _show(bar: Bar, task: TaskID, progress: Progress) -> None:
    """Move the bar; where nobody watches a terminal, print a line when the stage changes."""
    if not stderr.is_terminal and bar.tasks[0].description != progress.stage:
        stderr.print(f"{progress.stage} …", highlight=False)
    figures = ""
    if progress.events:
        figures = (
            f"{progress.events} events · {progress.decisions} decisions · {progress.ready}/{progress.requested} banners"
        )
    if progress.p50_ms is not None:
        figures += f" · event to ready p50 {progress.p50_ms} ms, p99 {progress.p99_ms} ms"
    bar.update(task, description=progress.stage, completed=progress.events, figures=figures)
