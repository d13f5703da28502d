"""`bannerstream run`: runs a service until it is stopped."""

from typing import Annotated

import typer

from bannerstream.cli.context import settings_of

app = typer.Typer(help="Run a service until SIGTERM or Ctrl-C.", no_args_is_help=True)


@app.command()
def streams(
    ctx: typer.Context,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            max=64,
            help="Worker processes under one supervisor: one for each core that streams may use, at most one for each "
            "partition of clicks. Their metrics share the port, with a label `worker`.",
        ),
    ] = 1,
) -> None:
    """Fold clicks and purchases into affinities; emit assignments and banner requests."""
    settings = settings_of(ctx)
    if workers > 1:
        from bannerstream.streams.worker_pool import run_workers

        run_workers(settings, workers)
        return
    from bannerstream.streams.main import run

    run(settings)


@app.command()
def experiments(ctx: typer.Context) -> None:
    """Count what visitors saw and clicked, for the choice of variants and for `bannerstream report`."""
    from bannerstream.streams.experiments.app import run

    run(settings_of(ctx))


@app.command()
def generator(ctx: typer.Context) -> None:
    """Make the requested banners."""
    from bannerstream.generator.main import run

    run(settings_of(ctx))


@app.command()
def edge(ctx: typer.Context) -> None:
    """Serve visitors their banners, live; accept events and feedback from pages."""
    from bannerstream.edge.main import run

    run(settings_of(ctx))


@app.command()
def purger(ctx: typer.Context) -> None:
    """Purge stale pointers from the CDN."""
    from bannerstream.purger.main import run

    run(settings_of(ctx))
