"""`bannerstream storage`: the bucket."""

import sys

import typer

from bannerstream.cli.console import stdout
from bannerstream.cli.context import settings_of
from bannerstream.storage import S3BannerStore, least_privilege_policy

app = typer.Typer(help="Create the bucket, check it, print the rights it needs.", no_args_is_help=True)


@app.command()
def create(ctx: typer.Context) -> None:
    """Create the bucket unless it exists."""
    settings = settings_of(ctx).storage
    S3BannerStore(settings).ensure_bucket()
    stdout.print(f"bucket {settings.bucket} is there")


@app.command()
def check(ctx: typer.Context) -> None:
    """Check that the bucket answers, and that credentials and clock are right."""
    settings = settings_of(ctx).storage
    S3BannerStore(settings).check()
    stdout.print(f"bucket {settings.bucket} answers")


@app.command()
def policy(ctx: typer.Context) -> None:
    """Print the least-privilege IAM policy of the services."""
    sys.stdout.write(least_privilege_policy(settings_of(ctx).storage.bucket) + "\n")
