"""`bannerstream demo`: runs the whole pipeline on this machine."""

import json
import sys
import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from bannerstream.broker.recordings import read_lines
from bannerstream.cli.console import plain, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.cli.servers import S3, Kafka, KafkaServer, S3Server
from bannerstream.demo.example_shop import CATALOGUE, SESSION
from bannerstream.demo.painters import painter_setup
from bannerstream.demo.runner import DemoOptions, Progress, run_demo
from bannerstream.demo.serve import ServeOptions, serve
from bannerstream.service.signals import stop_event

_LOOK_S = 0.5
_ROOM_FOR_LATENCY = 120
"""Columns of a terminal that hold the bar's figures with those of latency."""


class DemoPainter(StrEnum):
    """What paints."""

    STUDIO = "studio"
    STARTER = "starter"


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
    painter: Annotated[
        DemoPainter,
        typer.Option("--painter", help="The studio, or SmolLM2 and the starter model (needs the gpu extra; minutes)."),
    ] = DemoPainter.STUDIO,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep manifests and files in OUT/bucket, for `bannerstream evaluate banners`."),
    ] = False,
    shop: Annotated[
        bool, typer.Option("--serve", help="Instead: open a shop whose banner follows you, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the shop; 0 takes a free one.")] = 8080,
    open_: Annotated[bool, typer.Option("--open", help="Show the shop in the browser.")] = False,
) -> None:
    """Replay a shopping session and watch banners come out. The last line on standard output is one JSON object.

    Starts a broker and a store, loads the catalogue, runs streams and generator as processes, replays the session and
    writes demo-out/index.html. Everything is stopped at the end, on Ctrl-C and on failure.

    With --serve, an edge with a demonstration shop is started too, and its address printed on standard output.
    """
    settings_of(ctx)
    if shop:
        painted = painter_setup(painter.value)
        _serve(
            ServeOptions(
                catalogue,
                out / "run",
                kafka.value,
                s3.value,
                port,
                environment=painted.environment,
                start_timeout_s=painted.start_timeout_s,
            ),
            open_,
        )
        return
    options = DemoOptions(out, session, catalogue, rate, kafka.value, s3.value, painter.value, keep)
    with _bar() as bar:
        task = bar.add_task("starting", total=sum(1 for _ in read_lines(session)), figures="")
        summary = run_demo(options, lambda progress: _show(bar, task, progress))
    if summary["unmakeable"]:
        stderr.print(
            f"[yellow]{summary['unmakeable']} banners cannot be made here[/]: no installed font has the letters of "
            "their language: install bannerstream[fonts], or on Debian apt-get install fonts-noto-core fonts-noto-cjk",
            highlight=False,
        )
    stderr.print(f"[green]done[/]: open {plain(out / 'index.html')}", highlight=False)
    sys.stdout.write(json.dumps(summary) + "\n")


def _serve(options: ServeOptions, open_: bool) -> None:
    """Keep the shop open until it is stopped or one of its parts ends."""
    with stderr.status("starting") as status, serve(options, status.update) as serving, stop_event() as stop:
        status.stop()
        stdout.print(serving.url, highlight=False, soft_wrap=True)
        stderr.print("the shop is open at the address above. Ctrl-C closes it.", style="green")
        if open_:
            webbrowser.open(serving.url)
        while not stop.wait(_LOOK_S):
            serving.check()


def _bar() -> Bar:
    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
    )


def _show(bar: Bar, task: TaskID, progress: Progress) -> None:
    """Move the bar; without a terminal, print a line when the stage changes and at every quarter of the events."""
    shown = bar.tasks[task]
    events = max(1, round(shown.total or 0))
    figures = ""
    if progress.events:
        figures = f"{progress.events}/{events} events · {progress.ready}/{progress.requested} banners"
    if progress.p50_ms is not None and stderr.width >= _ROOM_FOR_LATENCY:
        figures += f" · event to ready p50 {progress.p50_ms} ms, p99 {progress.p99_ms} ms"
    if not stderr.is_terminal:
        if shown.description != progress.stage:
            stderr.print(f"{progress.stage} …", highlight=False)
        if 4 * progress.events // events > 4 * shown.completed // events:
            stderr.print(figures, highlight=False)
    if progress.by_model:
        stderr.print(f"{progress.by_model:.0%} of the banners were painted by a model", highlight=False)
    bar.update(task, description=progress.stage, completed=progress.events, figures=figures)
