"""`bannerstream run`: the services, each until it is told to stop."""

import typer

from bannerstream.cli.context import settings_of

app = typer.Typer(help="Run a service until SIGTERM or Ctrl-C.", no_args_is_help=True)


@app.command()
def streams(ctx: typer.Context) -> None:
    """Fold clicks and purchases into affinities; emit assignments and banner requests."""
    from bannerstream.streams.main import run

    run(settings_of(ctx))


@app.command()
def experiments(ctx: typer.Context) -> None:
    """Count what visitors saw and clicked, for the choice of variants and for `bannerstream report`."""
    from bannerstream.streams.experiments.app import run

    run(settings_of(ctx))


@app.command()
def generator(ctx: typer.Context) -> None:
    """Make the banners that are asked for."""
    from bannerstream.generator.main import run

    run(settings_of(ctx))


@app.command()
def edge(ctx: typer.Context) -> None:
    """Show visitors their banners, live; take in what pages report."""
    from bannerstream.edge.main import run

    run(settings_of(ctx))


@app.command()
def purger(ctx: typer.Context) -> None:
    """Tell the CDN which pointers became stale."""
    from bannerstream.purger.main import run

    run(settings_of(ctx))
